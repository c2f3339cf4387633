/** What is sent: one iteration. docs/loadgen.md of Mayfly says what the function gets. */
import { defineLoad } from 'mayfly/load';

const NAMES = ['Ada', 'Grace', 'Edsger', 'Barbara'];

export default defineLoad({ grpc: { protos: ['service/greeter.proto'] } }, ({ grpc, random }) =>
  grpc.unary('greeter.Greeter/Greet', { name: NAMES[Math.floor(random() * NAMES.length)] }, { name: 'greet' }),
);
