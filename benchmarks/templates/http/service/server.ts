/** Greets whoever asks, and counts it for Prometheus. Your own service takes its place. */
import { createServer } from 'node:http';

let greetings = 0;

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://here');
  const answer = (status: number, text: string) =>
    response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text);
  if (pathname === '/healthz') return answer(200, 'well\n');
  if (pathname === '/metrics') return answer(200, `# TYPE greetings_total counter\ngreetings_total ${greetings}\n`);
  if (pathname !== '/greet') return answer(404, 'there is /greet?name=NAME\n');
  greetings++;
  return answer(200, `hello, ${searchParams.get('name') ?? 'you'}`);
});

process.on('SIGTERM', () => server.close(() => process.exit(0)));
server.listen(8080, () => console.log('listens on port 8080'));
