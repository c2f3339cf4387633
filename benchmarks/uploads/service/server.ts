/**
 * A service with a state, over HTTP. Environment: PORT (8080; 0 takes a free one), HOST (0.0.0.0), DATA (/data; a
 * folder, which replicas may share), SESSIONS (own, or shared: on the disk, too), REPLICA (its name; default that of the
 * host), MIGRATIONS_AT_ONCE (4), MAX_UPLOAD_BYTES (200000000), STOP_SECONDS (20). SIGTERM: takes no more connections,
 * finishes what is under way, exits 0; what is not done after STOP_SECONDS is cut off, and the exit code is 1.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { type Answer, Refusal } from './answers.ts';
import { Disk } from './disk.ts';
import { registry, requestDuration } from './metrics.ts';
import { Migrations } from './migrations.ts';
import { routes, type Service } from './routes.ts';
import { Sessions } from './sessions.ts';
import { Uploads } from './uploads.ts';

const { env } = process;
const replica = env.REPLICA ?? hostname();
const disk = new Disk(env.DATA ?? '/data', replica);
const service: Service = {
  sessions: new Sessions(sharedOf(env.SESSIONS ?? 'own'), disk, replica),
  migrations: new Migrations(disk, positive('MIGRATIONS_AT_ONCE', 4)),
  uploads: new Uploads(disk, positive('MAX_UPLOAD_BYTES', 200_000_000)),
  replica,
};
const stopMs = positive('STOP_SECONDS', 20) * 1000;
let stopping = false;

const server = createServer((request, response) => void serve(request, response));
// Longer than a load generator leaves a connection idle.
server.keepAliveTimeout = 65_000;
server.listen(Number(env.PORT ?? 8080), env.HOST ?? '0.0.0.0', () => {
  console.log(`${replica} listens on port ${(server.address() as AddressInfo).port}`);
});
process.once('SIGTERM', stop).once('SIGINT', stop);

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const started = performance.now();
  const path = URL.parse(request.url ?? '/', 'http://uploads')?.pathname ?? '';
  if (path === '/healthz') return send(response, { status: 200, body: { ok: true } });
  if (path === '/metrics')
    return void response.writeHead(200, { 'content-type': registry.contentType }).end(await registry.metrics());
  const matching = routes.filter(({ pattern }) => pattern.test(path));
  const route = matching.find(({ method }) => method === request.method);
  response.once('close', () => {
    const labels = { method: request.method ?? '', route: route?.name ?? 'none', status: response.statusCode };
    requestDuration.observe(labels, (performance.now() - started) / 1000);
  });
  try {
    if (!route)
      throw matching.length > 0
        ? new Refusal(405, 'bad-method', `${request.method} is not allowed here`)
        : new Refusal(404, 'no-route', 'there is nothing at this address');
    send(response, await route.answer(request, route.pattern.exec(path)![1] ?? '', service));
  } catch (error) {
    if (request.destroyed && !request.complete) return void response.destroy(); // the client has gone
    send(response, refused(error));
    request.resume(); // what still comes of the body is thrown away, so that the client reads the answer
  }
}

function send(response: ServerResponse, { status, body, headers = {} }: Answer): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    ...(stopping ? { connection: 'close' } : {}),
    ...headers,
  });
  response.end(text);
}

function refused(error: unknown): Answer {
  if (error instanceof Refusal)
    return { status: error.status, body: { code: error.code, error: error.message }, headers: error.headers };
  console.error(error);
  return { status: 500, body: { code: 'failed', error: 'the service failed; its log says why' } };
}

function stop(): void {
  stopping = true;
  server.close(() => process.exit(0));
  setTimeout(() => {
    console.error(`not done within ${stopMs / 1000} s: what is under way is cut off`);
    process.exit(1);
  }, stopMs);
}

function sharedOf(text: string): boolean {
  if (text === 'own' || text === 'shared') return text === 'shared';
  throw new Error(`SESSIONS must be own or shared, got ${text}`);
}

function positive(name: string, otherwise: number): number {
  const value = Number(env[name] ?? otherwise);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`${name} must be a whole number above 0, got ${env[name]}`);
}
