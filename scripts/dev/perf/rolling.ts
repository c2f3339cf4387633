/**
 * npm run perf:rolling: whether a rolling update loses a request. All real: a small service with two replicas behind
 * HAProxy, its capacity by a closed model, and at half of that 20 rolling updates, four in each window.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command, wholeNumber } from '../../app/command.ts';
import type { Context } from '../../app/context.ts';
import { ROOT, withContext } from '../../app/open.ts';
import { loadConfig } from '../../config/config.ts';
import { EXIT, InfrastructureError } from '../../core/errors.ts';
import type { RunDocument } from '../../documents/run.ts';
import { RUN_IMAGES } from '../../images/images.ts';
import { median } from '../../judge/statistics.ts';
import { bench } from '../../pipeline.ts';
import { columns } from '../../report/columns.ts';
import { formatValue } from '../../report/units.ts';
import { makeRollingService, type RollingService } from './servers/rolling-service.ts';

const REPLICAS = 2;
const [USERS, ITERATIONS] = [32, 100];
/** One begins when the one before it should be over. */
const [FIRST_S, EVERY_S, IN_A_WINDOW] = [2, 9, 4];
const WINDOW_S = FIRST_S + EVERY_S * IN_A_WINDOW + 2;
/** Only requests count here: a busy host makes no round invalid. */
const TOLERANT = { throttled: 1, steal: 1, outside_load: 1, saturation: 1, start_lag: '10s' };

await command(
  {
    name: 'perf:rolling',
    about:
      'Makes rolling updates of a service under load at half of its capacity; prints what each cost. Takes 5 minutes.',
    flags: [{ name: 'updates', value: 'N', help: 'rolling updates; default 20' }],
  },
  async (io, { text }) => {
    const updates = wholeNumber('updates', text('updates'), { least: 1, most: 1000, fallback: 20 });
    const folder = await mkdtemp(join(tmpdir(), 'mayfly-rolling-'));
    try {
      const { lines, met } = await withContext({ quiet: false, images: RUN_IMAGES }, (ctx) =>
        measure(folder, updates, ctx),
      );
      io.stdout(lines.join('\n'));
      return met ? EXIT.pass : EXIT.regression;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);

async function measure(folder: string, updates: number, ctx: Context): Promise<{ lines: string[]; met: boolean }> {
  const service = await makeRollingService(folder, { path: '/work' });
  const commit = await service.commit('good');
  const deployed = {
    replicas: { api: REPLICAS },
    balancer: { service: 'api', port: 8080, health: '/healthz', drain: '5s' },
    allow: TOLERANT,
  };
  const closed = { users: USERS, iterations: ITERATIONS, duration: '60s', warmup: '0s' };
  await service.lay({ ...deployed, rounds: 1, load: closed });
  const capacity = sampleOf(await measured(service, commit, ctx), 'request_rate');
  const rate = Math.floor(capacity / 2);
  const disturbances = Array.from({ length: IN_A_WINDOW }, (_, i) => ({
    at: `${FIRST_S + i * EVERY_S}s`,
    kind: 'rolling-update',
    service: 'api',
  }));
  const load = { rate, duration: `${WINDOW_S}s`, warmup: '2s' };
  const rounds = Math.ceil(updates / IN_A_WINDOW);
  await service.lay({
    ...deployed,
    rounds,
    retries: rounds,
    load,
    disturbances,
    allow: { ...TOLERANT, disturbed_failures: 1 },
  });
  const run = await measured(service, commit, ctx);
  const done = run.rounds
    .filter(({ valid }) => valid)
    .flatMap(({ round, disturbances = [] }) => disturbances.map((one) => ({ round, ...one })));
  const failed = done.reduce((sum, one) => sum + one.failed_requests, 0);
  const time = (value: number | null) => (value === null ? '-' : formatValue(value, 's'));
  const rows = done.map((one) => [
    `${one.round}`,
    time(one.at_s),
    time(one.ended_s - one.at_s),
    one.requests.toLocaleString('en'),
    `${one.failed_requests}`,
    time(one.recovery_s),
    time(one.p99_inside),
    time(one.p99_outside),
  ]);
  const inAll = run.rounds.reduce((sum, { answers }) => sum + (answers?.failed ?? 0), 0);
  const met = done.length >= updates && failed === 0 && inAll === 0;
  return {
    lines: [
      columns(['round', 'at', 'took', 'requests', 'failed', 'recovery', 'p99 inside', 'p99 outside'], rows, {
        color: false,
      }),
      '',
      `capacity of ${REPLICAS} replicas ${capacity.toFixed(0)} requests a second (${USERS} users, closed model); the load is ${rate} a second`,
      `an update of ${REPLICAS} replicas takes ${time(median(done.map((one) => one.ended_s - one.at_s)) ?? null)} in the middle`,
      `goal ${met ? 'met' : 'MISSED'}: ${failed} failed requests in ${done.length} rolling updates, ${inAll} in their windows as a whole`,
      ...done.flatMap(({ round, why }) => (why === undefined ? [] : [`round ${round}: ${why}`])),
    ],
    met,
  };
}

async function measured({ benchmark }: RollingService, commit: string, ctx: Context): Promise<RunDocument> {
  const options = { benchmark, commit, against: 'none', labels: { purpose: 'perf-rolling' } };
  return bench(await loadConfig(options, { root: ROOT, cwd: ROOT }), ctx);
}

function sampleOf(run: RunDocument, name: string): number {
  const found = run.rounds.find(({ valid }) => valid)?.samples[name];
  if (!found)
    throw new InfrastructureError(`the run ${run.run_id} has no value of ${name}`, {
      hint: `npm run show -- ${run.run_id} says why.`,
    });
  return found.value;
}
