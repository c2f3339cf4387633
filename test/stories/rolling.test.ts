/**
 * A rolling update in the window of a round, all real: who answers what is under way at SIGTERM loses nothing, who never
 * hears of the signal loses it, and is told why. Both are the sides of one comparison.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { makeRollingService } from '../../scripts/dev/perf/servers/rolling-service.ts';
import { bench, dataFolder, engine, nothingLeft } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

const AT_S = 2;
/** Long enough for a busy host. */
const WINDOW_S = 16;

t.test('a service that answers at SIGTERM, against one that a shell keeps it from', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-test-rolling-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const service = await makeRollingService(folder, { path: '/wait', init: false, graceS: 1 });
  const good = await service.commit('good');
  const other = await service.commit('shell');
  await service.lay({
    replicas: { api: 1 },
    balancer: { service: 'api', port: 8080, health: '/healthz', drain: '0s' },
    disturbances: [{ at: `${AT_S}s`, kind: 'rolling-update', service: 'api' }],
    load: { rate: 10, duration: `${WINDOW_S}s`, warmup: '0s', max_in_flight: 500 },
    retries: 3, // a host that stands still may leave the update no time
    allow: {
      failed_requests: 0,
      disturbed_failures: 1,
      throttled: 1,
      steal: 1,
      outside_load: 1,
      saturation: 1,
      start_lag: '10s',
    },
  });
  const data = dataFolder(t);
  const { run, stderr } = await bench(service.benchmark, data, [
    `--commit=${other}`,
    `--against=${good}`,
    '--pairing=interleaved',
    '--rounds=1',
    '--no-profile',
  ]);
  const disturbed = (side: string) => {
    const round = run?.rounds.findLast((one) => one.side === side && one.valid);
    t.ok(round, stderr);
    return round!.disturbances![0]!;
  };
  const [lost, kept] = [disturbed('candidate'), disturbed('baseline')];
  t.equal(kept.failed_requests, 0, JSON.stringify(kept));
  t.equal(kept.why, undefined);
  t.ok(lost.failed_requests > 0, JSON.stringify(lost));
  t.match(
    lost.why,
    /^api-1 ignored SIGTERM for \d\.\ds and was killed; \d+ requests were under way when it was told to end: does an init process or a shell swallow the signal\?$/,
  );
  t.match(lost.actions.at(-1)!.what, 'api-1 is stopped (1 of 1)');
  await nothingLeft(t, data);
});
