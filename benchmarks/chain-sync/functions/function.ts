/**
 * What every function of the chain has: its server, health, metrics, and an end in order. Environment: PORT (50051) for
 * gRPC, METRICS_PORT (9090), HOST (0.0.0.0); port 0 takes a free one. SIGTERM: takes no more calls, finishes what is
 * under way, exits 0 before Compose would kill it.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  type handleUnaryCall,
  type requestCallback,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { type Fields, log } from 'mayfly-functions/log';
import { tracing } from 'mayfly-functions/tracing';
import { clientOf } from './contract.ts';
import { HEALTH, healthOf, serving } from './health.ts';
import { metricsServer, received, sent } from './metrics.ts';

/** With the last spans it is within the stop_grace_period of compose.yaml, 2 s. */
const STOP_DEADLINE_MS = 1_200;

/** A call that is under way here; a call of the next hop is made on behalf of it. */
export type Call = ServerUnaryCall<any, any>;
/** Its answer, or an error: one with a code goes to the caller as it is, any other as INTERNAL. */
type Method = (request: any, call: Call) => object | Promise<object>;

/** The caller gets this code and this message. */
export class CallError extends Error {
  readonly code: status;
  constructor(code: status, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Serves one service of a contract. It says that it does so once all `next` do: addresses, `host:port`, of the
 * functions that it calls.
 */
export async function serve(
  service: string,
  definition: ServiceDefinition,
  methods: Record<string, Method>,
  next: string[] = [],
): Promise<void> {
  const host = process.env.HOST ?? '0.0.0.0';
  const health = healthOf(service);
  tracing.start();
  const server = new Server({ interceptors: [tracing.grpcServer()] });
  const counted = Object.entries(methods).map(([name, work]) => [name, countedMethod(name, work)]);
  server.addService(definition, Object.fromEntries(counted));
  server.addService(HEALTH, health.methods);

  const metrics = metricsServer().listen(Number(process.env.METRICS_PORT ?? 9090), host);
  await once(metrics, 'listening');
  const port = await bind(server, `${host}:${process.env.PORT ?? 50051}`);
  const stop = () => {
    health.stop();
    const end = () => void tracing.stop().then(() => process.exit(0));
    server.tryShutdown(end);
    setTimeout(end, STOP_DEADLINE_MS); // whoever is not done by then is cut off
  };
  process.once('SIGTERM', stop).once('SIGINT', stop);
  log.info('listens', { serves: service, port, metrics: (metrics.address() as AddressInfo).port });

  for (const address of next) await serving(address);
  health.serve();
  log.info('serves', { serves: service });
}

const bind = (server: Server, address: string) =>
  new Promise<number>((resolve, reject) =>
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    ),
  );

/** The method as grpc-js calls it. A call is counted once, by how it ended here. */
function countedMethod(name: string, work: Method): handleUnaryCall<any, any> {
  received.know(name);
  return async (call, done) => {
    const started = performance.now();
    let over = false;
    const ended = (code: status, why: Fields = {}) => {
      if (over) return;
      over = true;
      received.ended(name, code, started);
      const level = code === status.OK ? 'info' : code === status.INTERNAL ? 'error' : 'warn';
      log[level](name, { code: status[code], ms: round(performance.now() - started), ...why });
    };
    // Its caller has gone, or its time is up. A timer may come a millisecond early. Also after a call that went well.
    call.once('cancelled', () =>
      ended(Number(call.getDeadline()) <= Date.now() + 1 ? status.DEADLINE_EXCEEDED : status.CANCELLED),
    );
    try {
      done(null, await work(call.request, call));
      ended(status.OK);
    } catch (error) {
      const { code, details } = answerTo(error);
      done({ code, details });
      ended(code, error instanceof CallError ? { details } : { error });
    }
  };
}

function answerTo(error: unknown): { code: status; details: string } {
  if (error instanceof CallError) return { code: error.code, details: error.message };
  return { code: status.INTERNAL, details: 'the function failed; its log says why' };
}

/** To whole microseconds. */
const round = (ms: number) => Math.round(ms * 1000) / 1000;

/** A function that is called by this one. */
export function nextHop(definition: ServiceDefinition, address: string) {
  const client = clientOf(definition, address);
  const interceptors = [tracing.grpcClient()];
  Object.keys(definition).forEach((method) => sent.know(method));
  return {
    /** On behalf of `parent`: it has what is left of its deadline, and is cancelled with it. */
    call: <Reply>(method: string, request: object, parent: Call): Promise<Reply> =>
      new Promise((resolve, reject) => {
        const started = performance.now();
        const done: requestCallback<Reply> = (error: ServiceError | null, reply?: Reply) => {
          sent.ended(method, error?.code ?? status.OK, started);
          if (error) reject(new CallError(error.code, error.details));
          else resolve(reply!);
        };
        client[method]!(request, { parent, interceptors }, done);
      }),
  };
}
