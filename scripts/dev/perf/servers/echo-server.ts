/** A gRPC server that says what it hears. */

import { join } from 'node:path';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const service = loadSync(join(import.meta.dirname, 'echo.proto'))['perf.Echo'] as Parameters<Server['addService']>[0];
const server = new Server();
server.addService(service, {
  Say: ({ request }: ServerUnaryCall<object, object>, done: sendUnaryData<object>) => done(null, request),
});
server.bindAsync('0.0.0.0:8080', ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});

process.on('SIGTERM', () => process.exit(0));
