/** A web server that prints the time and address of each request. STALL_AFTER requests it stops for a second, once. */
import { createServer } from 'node:http';

let left = Number(process.env.STALL_AFTER ?? Number.POSITIVE_INFINITY);
const server = createServer((request, response) => {
  console.log(`${Date.now()} ${request.url}`);
  if (--left === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
  response.end('ok');
});
server.listen(8080);
process.once('SIGTERM', () => process.exit(0));
