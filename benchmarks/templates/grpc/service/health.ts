/** Asks the service beside it for its health until it serves. Exit code 1: it did not within a minute. */
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials } from '@grpc/grpc-js';
import { Health } from './protos.ts';

const deadline = Date.now() + 60_000;
const client = new Health('127.0.0.1:50051', credentials.createInsecure(), {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 100,
});

function check(): Promise<string> {
  return new Promise((resolve) => {
    client.Check!({ service: 'greeter.Greeter' }, { deadline }, (error: Error | null, reply?: { status: string }) =>
      resolve(reply?.status ?? String(error?.message)),
    );
  });
}

let said = '';
while ((said = await check()) !== 'SERVING' && Date.now() < deadline) await sleep(50);
if (said !== 'SERVING') console.error(said);
process.exit(said === 'SERVING' ? 0 : 1);
