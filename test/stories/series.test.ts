/**
 * What the web site draws over time, from a real run through the Query of a real archive; and from the store when that
 * is down.
 */
import { join } from 'node:path';
import t from 'tap';
import { paths } from '../../scripts/core/paths.ts';
import { runView } from '../../scripts/service/server/data/run-data.ts';
import { seriesView } from '../../scripts/service/server/run-series.ts';
import { openStore } from '../../scripts/store/db.ts';
import { bench, dataFolder, engine, mayfly, probeBenchmark, ROOT } from '../e2e/helpers.ts';
import { serviceConfig } from '../service/server/site-store.ts';

t.teardown(() => engine.close());

/** A run that the archive has just been brought up over is there at once; a busy machine gets more time. */
const SEEN_MS = 60_000;

t.test(
  'CPU, memory and latency of a run by the second, from the archive; a value a round from the store when it is down',
  async (t) => {
    const data = dataFolder(t);
    const { code, stderr, run } = await bench(probeBenchmark(t, { load: { duration: '5s' } }), data, ['--rounds=1']);
    t.equal(code, 0, stderr);
    t.teardown(() => mayfly('archive-down', [], data).done);
    const up = await mayfly('archive-up', [`--port-base=${10_000 + (process.pid % 450) * 20}`], data).done;
    t.equal(up.code, 0, up.stderr);

    const where = paths(ROOT, { MAYFLY_DATA: data });
    const store = openStore(join(data, 'mayfly.db'));
    t.teardown(() => store.close());
    let clock = Date.now();
    const ctx = { store, paths: where, config: serviceConfig(), githubSite: 'https://github.com', now: () => clock };
    let view = await seriesView(ctx, run.run_id);
    for (const until = Date.now() + SEEN_MS; view.source !== 'archive' && Date.now() < until; clock += 60_000) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      view = await seriesView(ctx, run.run_id);
    }
    t.equal(view.source, 'archive', view.reason ?? '');
    const { round: measured, window_s, samples } = run.rounds.find(({ valid }) => valid)!; // any before it were INVALID
    for (const { name, lines } of view.charts) {
      t.ok(
        lines.length > 0 &&
          lines.every(({ side, round, counts }) => side === 'candidate' && counts === (round === measured)),
        name,
      );
      const own = lines.filter(({ counts }) => counts);
      const inWindow = own[0]!.t.filter((at) => at >= 0);
      t.ok(inWindow.length >= window_s - 1 && Math.max(...inWindow) <= window_s, `${name}: ${own[0]!.t.join()}`);
      t.ok(
        own.some(({ v }) => v.some((value) => value !== null && value > 0)),
        name,
      );
    }
    const memory = view.charts.find(({ name }) => name === 'memory')!;
    t.equal(memory.unit, 'bytes');
    t.equal(memory.lines[0]!.service, 'probe');
    const most = Math.max(
      ...memory.lines.filter(({ counts }) => counts).flatMap(({ v }) => v.map((value) => value ?? 0)),
    );
    t.ok(
      most > samples.memory_peak!.value / 2 && most <= samples.memory_peak!.value * 1.5,
      `${most} and ${samples.memory_peak!.value} bytes are of the same container`,
    );
    t.match((await runView(ctx, run.run_id)).links.archives, [{ name: 'default' }]);

    const down = await mayfly('archive-down', [], data).done;
    t.equal(down.code, 0, down.stderr);
    clock += 60_000;
    t.match(await seriesView(ctx, run.run_id, ['cpu']), {
      source: 'store',
      reason: /npm run archive:up/,
      charts: [{ lines: [{ t: [0, window_s] }] }],
    });
    t.match((await runView(ctx, run.run_id)).links, { archives: [], none: /npm run archive:up/ });
  },
);
