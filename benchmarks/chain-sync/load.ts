/** The client of the chain: it calls the producer, and waits until the answer has come back through all hops. */
import { defineLoad } from 'mayfly/load';

/** What a caller gives the whole chain. Each hop passes on what is left of it. */
const DEADLINE_MS = 1_000;

export default defineLoad({ grpc: { protos: ['functions/protos/producer.proto'] } }, ({ grpc, pair, random }) =>
  grpc.unary(
    'chain.Producer/Produce',
    { key: `key-${pair}`, bytes: 512 + Math.floor(random() * 1024) },
    // The generator cuts a call off by itself. The header is how gRPC tells the producer for how long the client waits.
    { name: 'produce', timeoutMs: DEADLINE_MS, metadata: { 'grpc-timeout': `${DEADLINE_MS}m` } },
  ),
);
