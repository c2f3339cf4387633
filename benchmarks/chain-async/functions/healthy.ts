/** The health check of the producer's container: ends with 0 once it says by grpc.health.v1 that it serves. */
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, makeClientConstructor } from '@grpc/grpc-js';
import { HEALTH } from './contract.ts';

const Health = makeClientConstructor(HEALTH, '');
const client = new Health(`127.0.0.1:${process.env.PORT ?? 50051}`, credentials.createInsecure(), {
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 50,
  'grpc.service_config_disable_resolution': 1,
});

const saidServing = () =>
  new Promise<boolean>((resolve) =>
    client.Check!({ service: '' }, (_error: Error | null, reply?: { status: string }) =>
      resolve(reply?.status === 'SERVING'),
    ),
  );

while (!(await saidServing())) await sleep(50);
client.close();
