/** npm run traces as a user sees it: Zipkin comes up with the kept traces, and nothing of it stays after Ctrl-C. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { ROOT } from '../../scripts/app/open.ts';
import { EXIT } from '../../scripts/core/errors.ts';
import { LABEL } from '../../scripts/engine/names.ts';
import { openStore } from '../../scripts/store/db.ts';
import { tracesName, writeKept } from '../../scripts/traces/kept.ts';
import { dataFolder, engine } from '../e2e/helpers.ts';
import { makeRun } from '../run-document.ts';
import { made } from '../traces/made.ts';

t.teardown(() => engine.close());

t.test('the traces of a run in Zipkin, from the first line to Ctrl-C', { timeout: 900_000 }, async (t) => {
  const data = dataFolder(t);
  const { archive: _, ...run } = makeRun({ run_id: '01K00000000000000000000000' });
  run.rounds[0]!.traces = {
    sampling: 1,
    traces: 30,
    complete: 30,
    holes: 0,
    unfinished: 0,
    spans: 60,
    total_avg: 0.01,
    hops: [],
    kept: { file: tracesName('candidate', 1), slowest: 20, sample: 20 },
  };
  const store = openStore(join(data, 'mayfly.db'));
  store.addRun(run);
  store.close();
  const folder = join(data, 'runs', run.run_id, 'traces');
  mkdirSync(folder, { recursive: true });
  await writeKept(
    join(folder, tracesName('candidate', 1)),
    Array.from({ length: 30 }, (_, i) => {
      const more = { traceId: (i + 0xabc000).toString(16).padStart(32, 'f'), kind: 'SERVER' };
      return [
        made('producer', null, i * 1e6, i * 1e6 + 9000 + i, more),
        made('consumer', 'producer', i * 1e6 + 500, i * 1e6 + 8000, more),
      ];
    }),
  );

  const child = spawn('sh', ['scripts/run.sh', 'traces', run.run_id], {
    cwd: ROOT,
    env: { ...process.env, MAYFLY_DATA: data },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit');
  t.teardown(() => child.kill('SIGKILL'));
  const errors: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => errors.push(line));
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (line.startsWith('all of them: ')) break;
  }
  const [head, first] = lines;
  t.match(head, /^address +took +most of it in +there +side +round +spans$/, errors.join('\n'));
  t.match(
    first,
    /^http:\/\/127\.0\.0\.1:\d+\/zipkin\/traces\/f{26}abc01d +9\.03 ms +consumer +7\.50 ms +candidate +1 +2$/,
    'the slowest first',
  );
  t.equal(lines.length, 23, 'twenty of them, and where the others are');
  t.equal(lines[21], 'and 10 more');
  const page = new URL(lines[22]!.slice('all of them: '.length));
  const address = new URL(first!.split(' ')[0]!);

  const site = await fetch(page);
  t.equal(site.status, 200);
  t.match(await site.text(), /<title>[^<]*Zipkin[^<]*<\/title>/i, "Zipkin's own page");
  const traceId = address.pathname.split('/').at(-1);
  const trace = (await (await fetch(`${address.origin}/api/v2/trace/${traceId}`)).json()) as { name: string }[];
  t.same(trace.map(({ name }) => name).sort(), ['consumer', 'producer']);
  const asked = new URLSearchParams({
    endTs: page.searchParams.get('endTs')!,
    lookback: String(Number(page.searchParams.get('endTs')) - Number(page.searchParams.get('startTs'))),
    limit: page.searchParams.get('limit')!,
  });
  const all = (await (await fetch(`${address.origin}/api/v2/traces?${asked}`)).json()) as unknown[];
  t.equal(all.length, 30, 'the page searches the time that the traces are of');

  const mine = async () =>
    (await engine.containers(LABEL.run)).filter(({ labels }) => labels[LABEL.pid] === String(child.pid));
  const label = (await engine.containers(LABEL.run)).filter(({ labels }) => labels[LABEL.run]?.startsWith('zipkin-'));
  t.equal(label.length, 1, 'a container with labels, which the sweep would find');
  t.equal((await mine()).length, 1, 'of that process');
  child.kill('SIGINT');
  const [code] = await ended;
  t.equal(code, EXIT.pass, errors.join('\n'));
  t.match(errors.at(-1), 'Ctrl-C ends Zipkin.');
  t.same(await mine(), []);
  t.same(
    (await engine.networks(LABEL.run)).filter(({ name }) => name === `mayfly-${label[0]!.labels[LABEL.run]}`),
    [],
    'no container and no network stays',
  );
});
