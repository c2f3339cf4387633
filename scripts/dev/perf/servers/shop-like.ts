/**
 * A service that computes some with every request, and in one function as long as COST says (milliseconds). Started with
 * fork(): it tells its port, and its CPU time when it is asked.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { instrumentHttp, start } from '../../../../telemetry/src/index.ts';

const cost = Number(process.env.COST ?? 0);
const items = Array.from({ length: 800 }, (_, id) => ({
  id,
  name: `item ${(id * 7919) % 800}`,
  price: (id * 37) % 101,
}));

function byPrice() {
  return items.toSorted((a, b) => a.price - b.price || a.id - b.id);
}

function matching(term: number) {
  return byPrice().filter(({ name }) => name.includes(String(term % 10)));
}

/** The function that becomes slower. */
function totalOf(list: { price: number }[]): number {
  let total = list.reduce((sum, { price }) => sum + Math.sqrt(price), 0);
  for (const end = performance.now() + cost; performance.now() < end; ) total += Math.sqrt(total + 1) % 1;
  return total;
}

function answer(term: number): string {
  const list = matching(term);
  const body = JSON.stringify({ total: totalOf(list), list });
  return JSON.stringify({ digest: createHash('sha256').update(body).digest('hex'), body });
}

let requests = 0;
const server = createServer((_, response) => response.end(answer(requests++)));
instrumentHttp(server, { route: () => '/' });
start();
server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }));
process.on('message', () => process.send!({ cpu: process.cpuUsage() }));
process.on('disconnect', () => process.exit(0));
