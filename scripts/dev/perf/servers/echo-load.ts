import { defineLoad } from 'mayfly/load';

export default defineLoad({ grpc: { protos: ['echo.proto'] } }, ({ grpc }) =>
  grpc.unary('perf.Echo/Say', { text: 'mayfly' }),
);
