/** gRPC against a real server: calls and streams of every kind, codes, deadlines, metadata, TLS. */

import { join } from 'node:path';
import {
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import t, { type Test } from 'tap';
import { certificates, closed, countsOf, failuresOf, folder, measure, open, planFor } from './generator.ts';

const PROTO = `syntax = "proto3";
package shop;
import "line.proto";
service Cart {
  rpc Add (Line) returns (Sum);
  rpc AddAll (stream Line) returns (Sum);
  rpc List (Line) returns (stream Line);
  rpc Both (stream Line) returns (stream Line);
}
message Sum { int64 total = 1; }
`;
const LINE = `syntax = "proto3";
package shop;
message Line { int32 count = 1; string product = 2; repeated Line more = 3; }
`;
const FILES = { 'protos/shop.proto': PROTO, 'protos/line.proto': LINE };

interface Line {
  count: number;
  product: string;
}

/** What a product makes the server do. */
const FAULTS: Record<string, number> = {
  gone: status.NOT_FOUND,
  internal: status.INTERNAL,
  denied: status.PERMISSION_DENIED,
};

async function cart(
  t: Test,
  credentials = ServerCredentials.createInsecure(),
): Promise<{ port: number; calls: string[]; peers: Set<string>; cancelled: () => number }> {
  const dir = folder(t, FILES);
  const shop = loadPackageDefinition(loadSync(join(dir, 'protos/shop.proto'), { longs: String })).shop as any;
  const calls: string[] = [];
  const peers = new Set<string>();
  let cancelled = 0;
  const known = (name: string, call: any) => {
    calls.push(`${name} ${call.metadata.get('x-user').join()}`.trim());
    peers.add(`${call.getPeer()} ${call.getHost()}`);
    call.on('cancelled', () => cancelled++);
  };
  const faultFor = ({ product }: Line) =>
    FAULTS[product] === undefined ? null : { code: FAULTS[product], details: `no ${product}` };
  const server = new Server();
  server.addService(shop.Cart.service, {
    Add: (call: ServerUnaryCall<Line, unknown>, done: sendUnaryData<unknown>) => {
      known('Add', call);
      if (call.request.product !== 'never') done(faultFor(call.request), { total: call.request.count });
    },
    AddAll: (call: ServerReadableStream<Line, unknown>, done: sendUnaryData<unknown>) => {
      known('AddAll', call);
      let total = 0;
      let fault: ReturnType<typeof faultFor> = null;
      call
        .on('data', (line: Line) => {
          total += line.count;
          fault ??= faultFor(line);
        })
        .on('end', () => done(fault, { total }));
    },
    List: (call: ServerWritableStream<Line, Line>) => {
      known('List', call);
      const { count, product } = call.request;
      for (let i = 0; i < count; i++) call.write({ count: i, product });
      const fault = faultFor(call.request);
      if (fault) call.emit('error', fault);
      else if (product !== 'never') call.end();
    },
    Both: (call: ServerDuplexStream<Line, Line>) => {
      known('Both', call);
      call
        .on('data', (line: Line) => {
          const fault = faultFor(line);
          if (fault) call.emit('error', fault);
          else call.write(line);
        })
        .on('end', () => call.end());
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error ? reject(error) : resolve(port))),
  );
  t.teardown(() => server.forceShutdown());
  return { port, calls, peers, cancelled: () => cancelled };
}

/** A script of cases: each iteration makes the next. It prints what it got. */
const casesOf = (
  cases: Record<string, string>,
  options = `{ grpc: { protos: ['protos/shop.proto'] } }`,
): Record<string, string> => ({
  ...FILES,
  'load.ts': `
    import { defineLoad } from 'mayfly/load';
    const lines = (count, product = 'a') => Array.from({ length: count }, (_, i) => ({ count: i, product }));
    const cases = { ${Object.entries(cases)
      .map(([name, call]) => `${JSON.stringify(name)}: (grpc) => ${call}`)
      .join(',\n')} };
    const names = Object.keys(cases);
    export default defineLoad(${options}, async ({ grpc, pair, trying }) => {
      const name = names[pair % names.length];
      const { code, failure, message, count } = await cases[name](grpc);
      if (!trying) console.error('GOT ' + JSON.stringify({ name, code, failure, message, count }));
    });`,
});

const gotIn = (stderr: string): Record<string, unknown> =>
  Object.fromEntries(
    [...stderr.matchAll(/^GOT (.*)$/gm)].map(([, text]) => JSON.parse(text!)).map(({ name, ...got }) => [name, got]),
  );

t.test('calls and streams, codes, deadlines and metadata', async (t) => {
  const { port, calls, peers, cancelled } = await cart(t);
  const cases = {
    unary: `grpc.unary('shop.Cart/Add', { count: 7, product: 'a' }, { metadata: { 'x-user': 'ann' }, name: 'add' })`,
    'client stream': `grpc.stream('shop.Cart/AddAll', lines(50))`,
    'server stream': `grpc.stream('shop.Cart/List', { count: 100, product: 'b' })`,
    both: `grpc.stream('shop.Cart/Both', lines(30))`,
    'of a generator': `grpc.stream('shop.Cart/Both', (function* () { yield* lines(3); })())`,
    'of an asynchronous generator': `grpc.stream('shop.Cart/AddAll', (async function* () { for (const line of lines(4)) { await new Promise((resolve) => setTimeout(resolve, 5)); yield line; } })())`,
    empty: `grpc.stream('shop.Cart/AddAll', [])`,
    'not found': `grpc.unary('shop.Cart/Add', { product: 'gone' }, { name: 'gone' })`,
    'as expected': `grpc.unary('shop.Cart/Add', { product: 'gone' }, { name: 'gone as expected', expect: { code: [0, 5] } })`,
    'not as expected': `grpc.unary('shop.Cart/Add', {}, { name: 'not gone', expect: { code: 5 } })`,
    'client stream fails': `grpc.stream('shop.Cart/AddAll', lines(3, 'internal'))`,
    'server stream fails': `grpc.stream('shop.Cart/List', { count: 5, product: 'denied' })`,
    'both fail': `grpc.stream('shop.Cart/Both', lines(2, 'denied'))`,
    deadline: `grpc.unary('shop.Cart/Add', { product: 'never' }, { timeoutMs: 300, name: 'late' })`,
    'server stream without an end': `grpc.stream('shop.Cart/List', { count: 2, product: 'never' }, { timeoutMs: 2000, name: 'late' })`,
    'endless messages': `grpc.stream('shop.Cart/AddAll', (async function* () { for (;;) { yield { count: 1 }; await new Promise((resolve) => setTimeout(resolve, 2)); } })(), { timeoutMs: 300, name: 'late' })`,
    'a message that is none': `grpc.unary('shop.Cart/Add', { more: 7 }, { name: 'odd' })`,
    'messages that throw': `grpc.stream('shop.Cart/AddAll', (function* () { yield {}; throw new Error('no more'); })(), { name: 'odd' })`,
  };
  const count = Object.keys(cases).length;
  const {
    sides: [side],
    rows,
    stderr,
  } = await measure(
    t,
    casesOf(cases),
    planFor([`http://127.0.0.1:${port}`], { model: open(40, count / 40), target: 'http://shop:9000' }),
  );
  const ok = (more: object) => ({ code: 0, failure: null, ...more });
  t.match(gotIn(stderr), {
    unary: ok({ message: { total: '7' }, count: 1 }),
    'client stream': ok({ message: { total: '1225' }, count: 1 }),
    'server stream': ok({ message: null, count: 100 }),
    both: ok({ count: 30 }),
    'of a generator': ok({ count: 3 }),
    'of an asynchronous generator': ok({ message: { total: '6' } }),
    empty: ok({ message: { total: '0' } }),
    'not found': { code: 5, failure: 'grpc' },
    'as expected': { code: 5, failure: null },
    'not as expected': { code: 0, failure: 'grpc' },
    'client stream fails': { code: 13, failure: 'grpc' },
    'server stream fails': { code: 7, failure: 'grpc' },
    'both fail': { code: 7, failure: 'grpc' },
    deadline: { code: 4, failure: 'timeout' },
    'server stream without an end': { code: 4, failure: 'timeout', count: 2 },
    'endless messages': { code: 4, failure: 'timeout' },
    'a message that is none': { code: 13, failure: 'grpc' },
    'messages that throw': { code: 13, failure: 'grpc' },
  });
  t.match(side, { iterations: count, requests: count, failed: 10, dropped: { measure: 0 } });
  t.same(failuresOf(side!), {
    'timeout DEADLINE_EXCEEDED': 3,
    'grpc INTERNAL': 3,
    'grpc PERMISSION_DENIED': 2,
    'grpc NOT_FOUND': 1,
    'grpc OK': 1,
  });
  t.match(
    side!.failures.find(({ detail }) => detail === 'NOT_FOUND'),
    { example: { name: 'gone', message: 'no gone' } },
  );
  t.match(
    side!.failures.find(({ detail }) => detail === 'OK'),
    { example: { name: 'not gone', message: 'status OK, expected NOT_FOUND' } },
  );
  t.match(
    side!.failures.find(({ kind }) => kind === 'timeout'),
    { example: { name: 'late', message: 'no whole answer after 300 ms' } },
  );
  t.match(countsOf(side!), {
    add: 1,
    gone: 1,
    'shop.Cart/AddAll': 4,
    'shop.Cart/List': 2,
    'shop.Cart/Both': 3,
    late: 3,
  });
  t.same(
    rows.filter(({ name }) => name === 'gone').map(({ status, failure }) => [status, failure]),
    [[5, 'grpc']],
  );
  t.ok(rows.filter(({ name }) => name === 'late').every(({ latency }) => latency >= 0.3 && latency < 15));
  t.ok(calls.includes('Add ann'));
  t.match([...peers], [/ shop:9000$/], 'one connection, to the host as the benchmark names it');
  t.equal(peers.size, 1);
  t.ok(cancelled() >= 2, 'what took too long is cancelled');
});

t.test('two sides, several workers, a closed model: exact counts', async (t) => {
  const servers = [await cart(t), await cart(t)];
  const urls = servers.map(({ port }) => `http://127.0.0.1:${port}`);
  const files = {
    ...FILES,
    'load.ts': `import { defineLoad } from 'mayfly/load'; export default defineLoad({ grpc: { protos: ['protos/shop.proto'] } }, ({ grpc, pair }) => grpc.unary('shop.Cart/Add', { count: pair }, { metadata: { 'x-user': String(pair) } }));`,
  };
  const { sides } = await measure(t, files, planFor(urls, { model: open(60, 0.5), workers: 2 }));
  t.match(sides, [
    { requests: 30, failed: 0, names: [{ name: 'shop.Cart/Add', requests: 30 }] },
    { requests: 30, failed: 0 },
  ]);
  for (const { calls } of servers)
    t.same(calls.splice(0).sort(), Array.from({ length: 30 }, (_, pair) => `Add ${pair}`).sort());
  const { sides: users } = await measure(t, files, planFor(urls, { model: closed(3, 4) }));
  t.match(users, [
    { requests: 12, failed: 0 },
    { requests: 12, failed: 0 },
  ]);
  for (const { calls } of servers) t.same(calls.sort(), Array.from({ length: 12 }, (_, pair) => `Add ${pair}`).sort());
});

t.test('the authority of a call is that of the script, where it gives one', async (t) => {
  const { port, peers, calls } = await cart(t);
  const script = `import { defineLoad } from 'mayfly/load'; export default defineLoad({ grpc: { protos: ['protos/shop.proto'] } }, ({ grpc }) => grpc.unary('shop.Cart/Add', { count: 1 }, { metadata: { host: 'www.shop.example', 'x-user': 'me' } }));`;
  const { sides } = await measure(t, { ...FILES, 'load.ts': script }, planFor([`http://127.0.0.1:${port}`]));
  t.match(sides, [{ failed: 0 }]);
  t.strictSame([...new Set(calls)], ['Add me']);
  for (const peer of peers) t.match(peer, / www\.shop\.example$/);
});

t.test('over TLS, refused without the authority; and a server that is not there', async (t) => {
  const { ca, key, cert } = certificates(t);
  const { port, peers } = await cart(
    t,
    ServerCredentials.createSsl(null, [{ private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }]),
  );
  const files = (tls: string) => ({
    ...FILES,
    'ca.pem': ca,
    'load.ts': `import { defineLoad } from 'mayfly/load'; export default defineLoad({ ${tls} grpc: { protos: ['protos/shop.proto'] } }, ({ grpc }) => grpc.unary('shop.Cart/Add', { count: 1 }, { name: 'add' }));`,
  });
  const plan = (url = `https://127.0.0.1:${port}`) =>
    planFor([url], { model: open(20, 0.2), target: 'https://shop:9000' });
  const [trusted, off, refused, gone] = await Promise.all(
    [files(`tls: { ca: 'ca.pem' },`), files('tls: { verify: false },'), files(''), files('')].map((one, i) =>
      measure(t, one, plan(i === 3 ? 'http://127.0.0.1:1' : undefined)),
    ),
  );
  t.match(trusted!.sides, [{ requests: 4, failed: 0, failures: [] }]);
  t.match(off!.sides, [{ requests: 4, failed: 0, failures: [] }]);
  for (const peer of peers) t.match(peer, / shop:9000$/, "the authority is the target's");
  t.match(refused!.sides, [
    { requests: 4, failed: 4, failures: [{ kind: 'tls', count: 4, example: { name: 'add', message: /certificate/ } }] },
  ]);
  t.match(gone!.sides, [
    { requests: 4, failed: 4, failures: [{ kind: 'refused', count: 4, example: { message: /ECONNREFUSED/ } }] },
  ]);
});
