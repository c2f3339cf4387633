/** Greets over gRPC, tells its health, and counts its calls for Prometheus. Your own service takes its place. */
import { createServer } from 'node:http';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { Greeter, Health } from './protos.ts';

type Unary<Request, Reply> = (call: ServerUnaryCall<Request, Reply>, done: sendUnaryData<Reply>) => void;

/** Calls by their gRPC code. */
const calls = { OK: 0, INVALID_ARGUMENT: 0 };

const greet: Unary<{ name: string }, { text: string }> = ({ request: { name } }, done) => {
  if (name === '') {
    calls.INVALID_ARGUMENT++;
    return done({ code: status.INVALID_ARGUMENT, details: 'name must not be empty' });
  }
  calls.OK++;
  done(null, { text: `hello, ${name}` });
};

/** What grpc.health.v1 says of the server (the empty name) and of its service. */
let serving: 'SERVING' | 'NOT_SERVING' = 'SERVING';

const check: Unary<{ service: string }, { status: string }> = ({ request: { service } }, done) =>
  ['', 'greeter.Greeter'].includes(service)
    ? done(null, { status: serving })
    : done({ code: status.NOT_FOUND, details: `there is no service ${service}` });

const server = new Server();
server.addService(Greeter.service, { Greet: greet });
server.addService(Health.service, { Check: check }); // who calls Watch is told that it is not there

const metrics = createServer((_request, response) => {
  const lines = Object.entries(calls).map(([code, count]) => `greetings_total{code="${code}"} ${count}\n`);
  response
    .writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
    .end(`# TYPE greetings_total counter\n${lines.join('')}`);
});

process.on('SIGTERM', () => {
  serving = 'NOT_SERVING';
  server.tryShutdown(() => process.exit(0));
});

metrics.listen(8080, () =>
  server.bindAsync('0.0.0.0:50051', ServerCredentials.createInsecure(), (error) => {
    if (error) throw error;
    console.log('listens on port 50051');
  }),
);
