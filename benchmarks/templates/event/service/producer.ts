/** Takes greetings over HTTP and tells of each by an event. Your own producer takes its place. */
import { createServer, type IncomingMessage } from 'node:http';
import { nowMs } from 'mayfly-functions/clock';
import { eventSink } from 'mayfly-functions/events';
import { log } from 'mayfly-functions/log';
import { tracing } from 'mayfly-functions/tracing';

tracing.start();
const sink = eventSink(); // where K_SINK says

async function greet(request: IncomingMessage): Promise<void> {
  const receivedMs = nowMs();
  const scheduledMs = Number(request.headers.scheduled) || null; // what the load generator sends along
  let body = '';
  for await (const text of request.setEncoding('utf8')) body += text;
  const { name } = JSON.parse(body) as { name: string };
  await sink.send({ type: 'greeting.asked', data: { name } }, { scheduledMs, receivedMs });
  log.info('asked', { name });
}

const server = createServer((request, response) => {
  if (request.url === '/healthz') return response.end('well\n');
  if (request.method !== 'POST' || request.url !== '/greetings') return response.writeHead(404).end();
  tracing
    .span('POST /greetings', {}, () => greet(request), { kind: 'server' })
    .then(
      () => response.writeHead(202).end(),
      (error) => {
        log.error('not asked', { error });
        response.writeHead(503).end();
      },
    );
});

process.on('SIGTERM', () => server.close(() => tracing.stop().then(() => process.exit(0))));
await sink.ready();
server.listen(8080, () => log.info('producer listens', { port: 8080 }));
