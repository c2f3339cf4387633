/**
 * The shop over HTTP. Environment: PORT (8080; 0 takes a free one), HOST (0.0.0.0), DATABASE (a new file; in memory
 * without), MAYFLY_TELEMETRY (the folder for telemetry; none without). SIGTERM: takes no more connections, finishes what is under way, exits 0 within a second.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { requestDuration } from './metrics.ts';
import { type Answer, HttpError, json, type Route, routes } from './routes.ts';
import { Shop } from './shop.ts';
import { instrumentHttp, start } from './vendor/mayfly-telemetry/dist/index.js';

const MAX_BODY_BYTES = 64 * 1024;
const STOP_DEADLINE_MS = 600;

const shop = new Shop(process.env.DATABASE ?? ':memory:');
const server = createServer((request, response) => void serve(request, response));
start();
instrumentHttp(server, { route: (request) => routeOf(request)?.name });
// Longer than a load generator leaves a connection idle: a connection that the server closes while the next request
// is on its way counts as a failed request.
server.keepAliveTimeout = 65_000;

server.listen(Number(process.env.PORT ?? 8080), process.env.HOST ?? '0.0.0.0', () => {
  console.log(`shop listens on port ${(server.address() as AddressInfo).port}`);
});
process.once('SIGTERM', stop);
process.once('SIGINT', stop);

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const started = performance.now();
  const url = urlOf(request);
  const matching = matchingRoutes(url);
  const route = matching.find(({ method }) => method === request.method);
  response.once('close', () => {
    const labels = { method: request.method ?? '', route: route?.name ?? 'none', status: response.statusCode };
    requestDuration.observe(labels, (performance.now() - started) / 1000);
  });
  try {
    const body = await readBody(request);
    if (!url || !route) throw noRoute(matching, request);
    const path = route.pattern.exec(url.pathname)?.groups ?? {};
    send(response, await route.answer({ path, query: url.searchParams, body }, shop));
  } catch (error) {
    send(response, errorAnswer(error));
  }
}

function urlOf(request: IncomingMessage): URL | null {
  return URL.parse(request.url ?? '/', 'http://shop');
}

/** Whatever their method. */
function matchingRoutes(url: URL | null): Route[] {
  return routes.filter((route) => url && route.pattern.test(url.pathname));
}

function routeOf(request: IncomingMessage): Route | undefined {
  return matchingRoutes(urlOf(request)).find(({ method }) => method === request.method);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  // Only now: leaving the loop early would close the connection before the answer.
  if (bytes > MAX_BODY_BYTES) throw new HttpError(413, `the body must not be longer than ${MAX_BODY_BYTES} bytes`);
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function noRoute(matching: Route[], request: IncomingMessage): HttpError {
  return matching.length > 0
    ? new HttpError(405, `${request.method} is not allowed here`)
    : new HttpError(404, 'there is nothing at this address');
}

function errorAnswer(error: unknown): Answer {
  if (error instanceof HttpError) return json(error.status, { error: error.message });
  console.error(error);
  return json(500, { error: 'the shop failed; its log says why' });
}

function stop(): void {
  server.close(() => {
    shop.close();
    process.exit(0);
  });
  setTimeout(() => server.closeAllConnections(), STOP_DEADLINE_MS).unref();
}
