/** The first function of the chain. Environment: CONSUMER, `host:port` (localhost:50051), and that of function.ts. */
import { status } from '@grpc/grpc-js';
import { contract } from './contract.ts';
import { type Call, CallError, nextHop, serve } from './function.ts';

const MAX_BYTES = 65_536;
const CONSUMER = process.env.CONSUMER ?? 'localhost:50051';

const consumer = nextHop(contract('consumer.proto', 'chain.Consumer'), CONSUMER);

async function Produce({ key, bytes }: { key: string; bytes: number }, call: Call) {
  if (key === '') throw new CallError(status.INVALID_ARGUMENT, 'key must not be empty');
  if (bytes < 1 || bytes > MAX_BYTES)
    throw new CallError(status.INVALID_ARGUMENT, `bytes must be from 1 to ${MAX_BYTES}, got ${bytes}`);
  const payload = Buffer.alloc(bytes, key);
  return await consumer.call<{ bytes: number; sha256: string }>('Consume', { payload }, call);
}

await serve('chain.Producer', contract('producer.proto', 'chain.Producer'), { Produce }, [CONSUMER]);
