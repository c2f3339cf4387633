/**
 * A replica is killed, one is paused, one is started anew, all real and in the window of one round: what was done and why
 * requests failed is told. The service never hears of SIGTERM, so whoever ends it loses what is under way.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { makeRollingService } from '../../scripts/dev/perf/servers/rolling-service.ts';
import { bench, dataFolder, engine, nothingLeft } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

t.test('kill-replica, pause and restart, one after the other', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-test-disturbances-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const service = await makeRollingService(folder, { path: '/wait', graceS: 1, waitS: 4 });
  const commit = await service.commit('ignoring');
  await service.lay({
    replicas: { api: 3 },
    balancer: { service: 'api', port: 8080, health: '/healthz' },
    disturbances: [
      { at: '1s', kind: 'kill-replica', service: 'api' },
      { at: '2200ms', kind: 'pause', service: 'api', for: '500ms' },
      { at: '3500ms', kind: 'restart', service: 'api' },
    ],
    load: { rate: 20, duration: '9s', warmup: '0s', max_in_flight: 500 },
    retries: 3, // a host that stands still may leave the restart no time
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
  const { run, code, stderr } = await bench(service.benchmark, data, [
    `--commit=${commit}`,
    '--rounds=1',
    '--no-profile',
  ]);
  t.equal(code, 0, stderr);
  const round = run.rounds?.findLast(({ valid }) => valid);
  t.ok(round, stderr);
  const [killed, paused, restarted] = round!.disturbances!;
  const whats = ({ actions }: NonNullable<typeof killed>) => actions.map(({ what }) => what);

  t.equal(killed!.kind, 'kill-replica');
  t.same(whats(killed!), ['api-1 was killed']);
  t.equal(killed!.why, 'api-1 was killed, with what it had under way');
  t.ok(killed!.failed_requests > 0, JSON.stringify(killed));

  t.equal(paused!.kind, 'pause');
  t.match(whats(paused!), [/^api-[23] is paused$/, /^api-[23] goes on$/]);
  const [from, to] = paused!.actions;
  t.ok(to!.at_s - from!.at_s >= 0.49, JSON.stringify(paused));
  t.equal(paused!.why, undefined);

  t.equal(restarted!.kind, 'restart');
  t.match(whats(restarted!), [
    /^api-[23] is told to end$/,
    /^api-[23] takes requests again, \d+\.\ds after it was told to end$/,
  ]);
  t.match(
    restarted!.why,
    /^api-[23] ignored SIGTERM for \d+\.\ds and was killed: does an init process or a shell swallow the signal\?$/,
  );
  t.ok(restarted!.failed_requests > 0, JSON.stringify(restarted));
  const failed = round!.samples.disturbed_failures!.value;
  t.ok(failed >= killed!.failed_requests, 'the metric is of all of them');
  t.ok(failed <= round!.answers!.failed, 'and none of them twice');
  await nothingLeft(t, data);
});
