/** The gate as a process: the load generator reaches one address through it, by HTTP, HTTP/2, TLS and gRPC, and no other. */
import { spawn } from 'node:child_process';
import { createSecureServer } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { GATE_VARIABLE, type GateEvent, type GatePlan } from '../../loadgen/plan.ts';
import { certificates, failuresOf, folder, listening, measure, open, planFor, remember } from './generator.ts';

const GATE = join(import.meta.dirname, '../../loadgen/gate.ts');
const SCRIPT = `import { defineLoad } from 'mayfly/load'; export default defineLoad(({ http }) => http.get('/a?b=c', { expect: { body: 'ok' } }));`;

interface Started {
  said: GateEvent;
  socket: string;
  code: Promise<number | null>;
  end(): Promise<unknown>;
}

/** Starts the gate to a server of this test, and waits for its first word. */
async function gateTo(t: Test, url: string, given: Partial<GatePlan> = {}): Promise<Started> {
  const { hostname, port } = new URL(url);
  const socket = join(folder(t, {}), 'target.sock');
  const plan: GatePlan = { host: hostname, port: Number(port), socket, connections: 100, ...given };
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', GATE], {
    env: { PATH: process.env.PATH, [GATE_VARIABLE]: JSON.stringify(plan) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  t.teardown(() => child.kill('SIGKILL'));
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    text += chunk;
    if (text.includes('\n')) break;
  }
  const end = () => (child.kill('SIGKILL'), code);
  return { said: JSON.parse(text.split('\n')[0]!) as GateEvent, socket, code, end };
}

t.test('the generator goes through it, and the service sees requests as if there were none', async (t) => {
  const { url, seen } = await remember(t);
  const gate = await gateTo(t, url.replace('127.0.0.1', 'localhost'));
  t.strictSame(gate.said, { event: 'open', address: '127.0.0.1' }, 'the address of the name that answers');
  // A name that nobody answers for: the generator does not look it up.
  const target = 'http://staging.example.invalid';
  const { sides } = await measure(t, SCRIPT, planFor([target], { target, via: gate.socket, model: open(100, 0.5) }));
  t.match(sides, [{ requests: 50, failed: 0, iterations: 50 }]);
  const counted = seen.filter(({ headers }) => headers.host === 'staging.example.invalid');
  t.equal(counted.length, 50);
  t.equal(counted[0]!.path, '/a?b=c');
});

t.test('HTTP/2 and TLS are between the generator and the service', async (t) => {
  const { ca, key, cert } = certificates(t);
  const names = new Set<unknown>();
  const two = createSecureServer({ key, cert }, (_, response) => response.end('ok'));
  const one = createHttps({ key, cert }, (_, response) => response.end('ok'));
  for (const server of [one, two])
    server.on('secureConnection', (socket: { servername: unknown }) => names.add(socket.servername));
  const through = async (url: string, options: string, target = 'https://shop:8443') => {
    const { socket } = await gateTo(t, url);
    const script = `import { defineLoad } from 'mayfly/load'; export default defineLoad(${options}, ({ http }) => http.get('/', { expect: { body: 'ok' } }));`;
    const plan = planFor([target], { target, via: socket, model: open(40, 0.5) });
    return (await measure(t, { 'load.ts': script, 'ca.pem': ca }, plan)).sides[0]!;
  };
  const [oneUrl, twoUrl] = [await listening(t, one, 'https'), await listening(t, two, 'https')];
  const [old, second, other] = await Promise.all([
    through(oneUrl, `{ tls: { ca: 'ca.pem' } }`),
    through(twoUrl, `{ http: { version: 2 }, tls: { ca: 'ca.pem' } }`),
    through(oneUrl, `{ tls: { ca: 'ca.pem' } }`, 'https://other:8443'),
  ]);
  t.match(old, { requests: 20, failed: 0 });
  t.match(second, { requests: 20, failed: 0 });
  t.match(
    other,
    { failed: 20, failures: [{ kind: 'tls', example: { message: /altnames/ } }] },
    'no other name is let in',
  );
  t.ok(names.has('shop'));
});

t.test('a body of megabytes both ways, and an end of one direction alone', async (t) => {
  const bytes = 8 * 1024 ** 2;
  // Says how much it got only when the other side has ended its half.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let got = 0;
    socket.on('error', () => {}); // the connection by which the gate has tried it
    socket.on('data', (chunk) => (got += chunk.length)).on('end', () => socket.end(Buffer.alloc(bytes, String(got))));
  });
  const { socket } = await gateTo(t, await listening(t, server));
  const client = connect({ path: socket, allowHalfOpen: true });
  client.end(Buffer.alloc(bytes, 'x'));
  let back = 0;
  for await (const chunk of client) back += (chunk as Buffer).length;
  t.equal(back, bytes);
});

t.test('connections are bounded, whatever a script does', async (t) => {
  const held: Socket[] = [];
  const server = createServer((socket) => void held.push(socket));
  const { socket } = await gateTo(t, await listening(t, server), { connections: 3 });
  const clients = Array.from({ length: 8 }, () => connect({ path: socket }).on('error', () => {}));
  t.teardown(() => clients.forEach((one) => one.destroy()));
  const ended = clients.map((one) => new Promise<void>((resolve) => one.once('close', () => resolve()).resume()));
  let count = 0;
  await new Promise<void>((resolve) => ended.forEach((one) => one.then(() => ++count === 5 && resolve())));
  t.equal(clients.filter(({ destroyed }) => !destroyed).length, 3, 'the others are ended as they come');
});

t.test('an address that nobody listens at is told, and the gate ends', async (t) => {
  const closed = createServer();
  const url = await listening(t, closed);
  await new Promise((resolve) => closed.close(resolve));
  const gate = await gateTo(t, url);
  t.match(gate.said, { event: 'fault', message: /^connect ECONNREFUSED 127\.0\.0\.1:\d+$/ });
  t.equal(await gate.code, 3);
  const unknown = await gateTo(t, 'http://nobody.invalid:80');
  t.match(unknown.said, { event: 'fault', message: /nobody\.invalid/ });
});

t.test('a gate that is gone is a failure of each request', async (t) => {
  const { url } = await remember(t);
  const gate = await gateTo(t, url);
  await gate.end();
  const { sides } = await measure(t, SCRIPT, planFor([url], { target: url, via: gate.socket, model: open(50, 0.2) }));
  t.match(failuresOf(sides[0]!), { 'refused ECONNREFUSED': 10 });
});
