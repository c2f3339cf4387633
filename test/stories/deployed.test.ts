/**
 * What is deployed already is measured where it is: here a server of this test, on the loopback of this host. Nothing of
 * the benchmark is built or started, and its load script reaches that address and no other.
 */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTcp } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { bench, dataFolder, engine, mayfly, nothingLeft, probeBenchmark, rawBlocks } from '../e2e/helpers.ts';
import { listening } from '../loadgen/generator.ts';

t.teardown(() => engine.close());

/** Tries every address of this host, and tells the service what came of it. */
const scriptOf = (port: number, hosts: string[]) => `import { connect } from 'node:net';
import { defineLoad } from 'mayfly/load';

const reach = (host: string) =>
  new Promise<string>((resolve) => {
    const socket = connect({ host, port: ${port}, timeout: 300 });
    socket.once('connect', () => resolve('reached')).once('timeout', () => resolve('silent'));
    socket.once('error', (error) => resolve((error as NodeJS.ErrnoException).code ?? 'failed'));
  });

export default defineLoad(
  {
    setUp: async ({ http }) => {
      for (const host of ${JSON.stringify(hosts)}) await http.post('/tried', { json: { host, came: await reach(host) } });
      return true;
    },
  },
  ({ http }) => http.get('/page', { name: 'page' }),
);
`;

t.test('an address on the loopback, measured alone', async (t) => {
  const seen = { pages: 0, hosts: new Set<string | undefined>(), tried: new Map<string, string>() };
  const url = await listening(
    t,
    createServer((request, response) => {
      seen.hosts.add(request.headers.host);
      if (request.url === '/page') seen.pages++;
      let body = '';
      request
        .on('data', (chunk) => (body += chunk))
        .on('end', () => {
          if (request.url === '/tried') {
            const { host, came } = JSON.parse(body) as { host: string; came: string };
            seen.tried.set(host, came);
          }
          response.end('ok');
        });
    }),
  );
  let reached = 0;
  const other = createTcp((socket) => {
    reached++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => other.listen(0, '0.0.0.0', resolve));
  t.teardown(() => other.close());
  const hosts = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family }) => family === 'IPv4')
    .map(({ address }) => address)
    .slice(0, 6);
  const folder = probeBenchmark(t, { top: { rounds: 2 } });
  writeFileSync(join(folder, 'load.ts'), scriptOf((other.address() as { port: number }).port, hosts));
  const data = dataFolder(t);
  const flags = [`--target=${url}`, '--i-own-this-target', '--commit=v41'];
  const { code, stderr, run } = await bench(folder, data, flags);
  t.equal(code, 0, stderr);
  t.match(run, {
    status: 'complete',
    pairing: 'solo',
    deployed: { url },
    sides: { candidate: { ref: 'v41', commit: 'v41', images: [] } },
    load: { target: url, rate: 50 },
    notes: ['left out, since Mayfly sees nothing of the service but its answers: cpu_seconds_per_request, memory_peak'],
  });
  t.notMatch(stderr, /build/, 'nothing was built');
  const valid = run.rounds.filter((round) => round.valid);
  t.equal(valid.length, 2);
  for (const { samples } of valid) {
    t.ok(samples.latency_p95!.value > 0);
    t.equal(samples.failed_requests!.value, 0);
    t.notOk('cpu_seconds_per_request' in samples || 'memory_peak' in samples);
  }
  // 50 a second, 1 s of warm-up and 3 s of window, of each round; the limits on retries bound the rest
  t.ok(seen.pages >= 2 * 200 && seen.pages <= 5 * 200, `${seen.pages} requests`);
  t.strictSame([...seen.hosts], [new URL(url).host], 'the service sees its own name');
  t.equal(seen.tried.size, hosts.length);
  for (const [host, came] of seen.tried) t.not(came, 'reached', host);
  t.equal(reached, 0, 'no other port of this host was reached');
  t.equal(rawBlocks(join(data, 'bucket')).length, 1, 'its metrics are shipped as those of any run');

  const { stdout } = await mayfly('show', [run.run_id], data).done;
  t.match(stdout, `probe at ${url} (v41)\n`);
  const { stdout: runs } = await mayfly('runs', [], data).done;
  t.match(runs, `v41 at ${url}`);
  await nothingLeft(t, data);
});

t.test('an address at which nobody answers: nothing is started', async (t) => {
  const closed = createTcp();
  const url = await listening(t, closed);
  await new Promise((resolve) => closed.close(resolve));
  const data = dataFolder(t);
  const { code, stderr, stdout } = await bench(probeBenchmark(t), data, [`--target=${url}`, '--i-own-this-target']);
  t.equal(code, 4);
  t.equal(stdout, '');
  t.match(stderr, `nobody answers at ${url}: connect ECONNREFUSED`);
  t.notMatch(stderr, /start the stack/);
});

t.test('without --i-own-this-target, and for a verdict, it is refused', async (t) => {
  const folder = probeBenchmark(t);
  const data = dataFolder(t);
  const unowned = await bench(folder, data, ['--target=http://127.0.0.1:9']);
  t.equal(unowned.code, 2);
  t.match(unowned.stderr, 'a load is an attack on who did not ask for it');
  const judged = await bench(folder, data, ['--target=http://127.0.0.1:9', '--i-own-this-target', '--markdown=v.md']);
  t.equal(judged.code, 2);
  t.match(judged.stderr, '--markdown is for a verdict, and with --target there is none');
});
