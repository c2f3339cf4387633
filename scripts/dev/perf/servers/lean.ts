/**
 * The least that speaks HTTP/1.1 to a load generator: the same answer to whatever comes, straight from the socket. A
 * server that does more is at the end of its core before the generator is at that of its own. It takes one request at a
 * time on a connection, each in one piece, as the generators send them. With STALL_AFTER_S it stops for 1 s, so long
 * after the first request, and tells at /metrics when it did, when it gave the first answer after that, and when the
 * one with the number DRAINED.
 */
import { createServer, type Socket } from 'node:net';
import { DRAINED, type Stall } from '../stall-model.ts';

const answer = (body: string, type = 'text/plain') =>
  Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
const ANSWER = answer('lean\n');
/** Of the path behind `GET /`, by which the few other requests are told apart. */
const [M, H] = [0x6d, 0x68];

const stallAfterS = Number(process.env.STALL_AFTER_S ?? 0);
const stall: Stall = { start: 0, end: 0, first: 0, drained: 0 };
let requests = 0;
let since = 0;

const nowS = () => (performance.timeOrigin + performance.now()) / 1000;

function stop(): void {
  stall.start = nowS();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  stall.end = nowS();
}

function metrics(): Buffer {
  const times = Object.entries(stall)
    .map(([what, value]) => `probe_stall_seconds{what="${what}"} ${value}\n`)
    .join('');
  return answer(
    `# TYPE probe_requests_total counter\nprobe_requests_total ${requests}\n# TYPE probe_stall_seconds gauge\n${times}`,
    'text/plain; version=0.0.4',
  );
}

function take(socket: Socket, request: Buffer): void {
  const letter = request[5];
  if (letter === M) return void socket.write(metrics());
  if (letter === H) return void socket.end(ANSWER);
  if (++requests === 1 && stallAfterS > 0) setTimeout(stop, stallAfterS * 1000);
  socket.write(ANSWER);
  if (stall.end === 0 || ++since > DRAINED) return;
  if (since === 1) stall.first = nowS();
  if (since === DRAINED) stall.drained = nowS();
}

createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {});
  socket.on('data', (request) => take(socket, request as Buffer));
}).listen({ port: 8080, backlog: 4096 });

process.on('SIGTERM', () => process.exit(0));
