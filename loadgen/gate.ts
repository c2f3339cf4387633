/**
 * The one way out of the load generator where the service is deployed elsewhere: it takes connections on a unix socket,
 * and makes each one to the same host and port. `node gate.ts`. It runs in a container of its own, on the network of the
 * host; no code of a benchmark runs in it. The name is looked up once: a load goes to one address.
 */
import { lookup } from 'node:dns/promises';
import { connect, createServer, type Socket } from 'node:net';
import { GATE_VARIABLE, type GateEvent, type GatePlan } from './plan.ts';

/** Milliseconds in which an address must take the connection that it is tried by. */
const TRIED_MS = 10_000;

const { host, port, socket, connections } = JSON.parse(process.env[GATE_VARIABLE]!) as GatePlan;

const say = (event: GateEvent) => process.stdout.write(`${JSON.stringify(event)}\n`);

/** The first address of the name that takes a connection. */
async function reach(): Promise<string> {
  let last: unknown;
  for (const { address } of await lookup(host, { all: true })) {
    try {
      await answers(address);
      return address;
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

const answers = (address: string) =>
  new Promise<void>((resolve, reject) => {
    const tried = connect({ host: address, port });
    const late = setTimeout(() => tried.destroy(new Error(`no answer in ${TRIED_MS / 1000} s`)), TRIED_MS);
    tried.once('connect', resolve).once('error', reject);
    tried.once('connect', () => tried.destroy()).once('close', () => clearTimeout(late));
  });

/** What comes from one goes to the other, to the last byte; where one breaks, both do. */
function join(inside: Socket, outside: Socket): void {
  for (const [from, to] of [
    [inside, outside],
    [outside, inside],
  ] as const) {
    from.pipe(to);
    from.on('error', () => to.destroy());
    // one that has ended leaves behind what the other has still to send on
    from.on('close', () => from.readableEnded || to.destroy());
  }
}

try {
  const address = await reach();
  const server = createServer({ allowHalfOpen: true }, (inside) =>
    join(inside, connect({ host: address, port, allowHalfOpen: true, noDelay: true })),
  );
  server.maxConnections = connections;
  server.on('error', fail);
  server.listen(socket, () => say({ event: 'open', address }));
} catch (error) {
  fail(error as Error);
}

function fail({ message, code }: NodeJS.ErrnoException): void {
  say({ event: 'fault', message: message || code || 'it failed' });
  process.exit(3);
}
