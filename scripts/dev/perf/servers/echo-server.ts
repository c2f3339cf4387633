/** A gRPC server that says what it hears. */
import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { join } from 'node:path';

const service = loadSync(join(import.meta.dirname, 'echo.proto'))['perf.Echo'] as Parameters<Server['addService']>[0];
const server = new Server();
server.addService(service, { Say: ({ request }: ServerUnaryCall<object, object>, done: sendUnaryData<object>) => done(null, request) });
server.bindAsync('0.0.0.0:8080', ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});

process.on('SIGTERM', () => process.exit(0));
