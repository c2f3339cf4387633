/**
 * What a gRPC call costs with @grpc/grpc-js alone: calls at an even rate on one connection, without a schedule that is
 * kept to the millisecond, without a record. `node echo-client.ts ADDRESS RATE SECONDS`; after WARMUP_S seconds it says
 * when its window began, at the end when that ended, how many calls it holds, and their latencies.
 */

import { join } from 'node:path';
import { Client, credentials, type MethodDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const [address, rate, seconds] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])];
const WARMUP_S = Number(process.env.WARMUP_S ?? 4);
const { path, requestSerialize, responseDeserialize } = (
  loadSync(join(import.meta.dirname, 'echo.proto'))['perf.Echo'] as unknown as Record<
    string,
    MethodDefinition<object, object>
  >
).Say!;
const client = new Client(address, credentials.createInsecure());
const latencies: number[] = [];
let failed = 0;

function call(counts: boolean): void {
  const sent = performance.now();
  client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { text: 'mayfly' }, (error) => {
    if (error) failed++;
    if (counts) latencies.push(performance.now() - sent);
  });
}

const began = performance.now();
const windowFrom = began + WARMUP_S * 1000;
const windowUntil = windowFrom + seconds * 1000;
const windowMs = Date.now() + WARMUP_S * 1000;
for (let sent = 0; performance.now() < windowUntil; await new Promise((resolve) => setTimeout(resolve, 1))) {
  for (; sent < ((performance.now() - began) * rate) / 1000; sent++) call(performance.now() >= windowFrom);
}
const endMs = Date.now();
await new Promise((resolve) => setTimeout(resolve, 500));
latencies.sort((a, b) => a - b);
const at = (share: number) => latencies[Math.floor(share * (latencies.length - 1))]! / 1000;
console.log(JSON.stringify({ startMs: windowMs, endMs, calls: latencies.length, failed, p50: at(0.5), p99: at(0.99) }));
process.exit(0);
