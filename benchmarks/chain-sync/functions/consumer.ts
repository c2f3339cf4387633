/** The last function of the chain. Environment: that of function.ts. */
import { createHash } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { contract } from './contract.ts';
import { CallError, serve } from './function.ts';

function Consume({ payload }: { payload: Buffer }) {
  if (payload.length === 0) throw new CallError(status.INVALID_ARGUMENT, 'payload must not be empty');
  return { bytes: payload.length, sha256: createHash('sha256').update(payload).digest('hex') };
}

await serve('chain.Consumer', contract('consumer.proto', 'chain.Consumer'), { Consume });
