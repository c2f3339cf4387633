/**
 * The producer: takes orders over gRPC, and says what happened by events; it knows no consumer. Environment: PORT (50051)
 * for gRPC, HOST (0.0.0.0), and that of mayfly-functions. SIGTERM: takes no more calls, finishes what is under way, exits
 * 0 before Compose would kill it.
 */
import { randomUUID } from 'node:crypto';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { nowMs } from 'mayfly-functions/clock';
import { eventSink } from 'mayfly-functions/events';
import { log } from 'mayfly-functions/log';
import { tracing } from 'mayfly-functions/tracing';
import { HEALTH, ORDERS } from './contract.ts';
import { type Order, PLACED } from './order.ts';

/** With the last spans it is within the stop_grace_period of compose.yaml, 2 s. */
const STOP_DEADLINE_MS = 1_200;
const MOST = 100;

interface PlaceRequest {
  customer: string;
  product: string;
  quantity: number;
  channel: string;
  express: boolean;
}

type Unary<Request, Reply> = (call: ServerUnaryCall<Request, Reply>, done: sendUnaryData<Reply>) => void;

const sink = eventSink();

/** Answers once the broker has the event. */
const Place: Unary<PlaceRequest, { order: string }> = async ({ request, metadata }, done) => {
  const receivedMs = nowMs();
  const fault = faultOf(request);
  if (fault) return done({ code: status.INVALID_ARGUMENT, details: fault });
  const { customer, product, quantity, channel, express } = request;
  const order = randomUUID();
  const data: Order = { order, customer, product, quantity, express };
  const event = { type: PLACED, data, channel, priority: express ? 'high' : 'normal' };
  try {
    await sink.send(event, { scheduledMs: scheduledOf(metadata.get('scheduled')), receivedMs });
  } catch (error) {
    log.error('the event of an order was not taken', { order, error });
    return done({ code: status.UNAVAILABLE, details: 'the event of the order was not taken; the log says why' });
  }
  log.info('placed', { order, product, quantity, channel, express });
  done(null, { order });
};

function faultOf({ customer, product, quantity, channel }: PlaceRequest): string | null {
  if (customer === '') return 'customer must not be empty';
  if (product === '') return 'product must not be empty';
  if (quantity < 1 || quantity > MOST) return `quantity must be from 1 to ${MOST}, got ${quantity}`;
  if (channel !== 'web' && channel !== 'shop') return `channel must be web or shop, got ${JSON.stringify(channel)}`;
  return null;
}

/** When the load generator had the order due: null for any other client. */
function scheduledOf([value]: (string | Buffer)[]): number | null {
  const scheduledMs = Number(value ?? Number.NaN);
  return Number.isFinite(scheduledMs) ? scheduledMs : null;
}

/** What grpc.health.v1 says of the server (the empty name) and of its service. */
let health: 'SERVING' | 'NOT_SERVING' = 'NOT_SERVING';
const Check: Unary<{ service: string }, { status: string }> = ({ request: { service } }, done) =>
  ['', 'shop.Orders'].includes(service)
    ? done(null, { status: health })
    : done({ code: status.NOT_FOUND, details: `there is no service ${service} here` });

tracing.start();
const server = new Server({ interceptors: [tracing.grpcServer()] });
server.addService(ORDERS, { Place });
server.addService(HEALTH, { Check }); // who calls Watch is told that it is not there

function stop(): void {
  health = 'NOT_SERVING';
  const end = () => tracing.stop().then(() => process.exit(0));
  server.tryShutdown(() => void end());
  setTimeout(() => void end(), STOP_DEADLINE_MS); // whoever is not done by then is cut off
}
process.once('SIGTERM', stop).once('SIGINT', stop);

const address = `${process.env.HOST ?? '0.0.0.0'}:${process.env.PORT ?? 50051}`;
const port = await new Promise<number>((resolve, reject) =>
  server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) =>
    error ? reject(error) : resolve(bound),
  ),
);
log.info('producer listens', { port });
await sink.ready();
health = 'SERVING';
log.info('producer serves', { sends: sink.source });
