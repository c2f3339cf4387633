/** npm run resources, as the user starts it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { paths } from '../../../scripts/core/paths.ts';
import type { RunDocument } from '../../../scripts/documents/run.ts';
import { openStore } from '../../../scripts/store/db.ts';
import { aRun, MIB, used } from './runs.ts';

const COMMAND = join(import.meta.dirname, '../../../scripts/commands/resources.ts');

function calling(t: Test, runs: RunDocument[]) {
  const data = t.testdir();
  const store = openStore(paths('/', { MAYFLY_DATA: data }).db);
  for (const run of runs) store.addRun(run);
  store.close();
  return (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...args], {
      env: { ...process.env, MAYFLY_DATA: data },
      encoding: 'utf8',
    });
    return { status, stdout, stderr };
  };
}

const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
const COMPOSE = {
  services: { api: { deploy: { resources: { reservations: { memory: String(64 * MIB) } } }, mem_limit: '134217728' } },
};
const aged = (id: string, days: number, mib: number): RunDocument => ({
  ...aRun(id, [used(1, 'candidate', [{ service: 'api', replica: 1, memory_peak: mib * MIB, cpu_peak: 0.2 }])], COMPOSE),
  started_at: daysAgo(days),
});

t.test('what it refuses', async (t) => {
  const call = calling(t, [aged('01A', 100, 50)]);
  for (const [args, stderr] of [
    [[], 'mayfly: resources needs --benchmark=NAME\nnpm run runs lists what was measured.\n'],
    [
      ['--benchmark=shap'],
      'mayfly: there is no run of shap (did you mean shop?)\nnpm run bench -- --benchmark=shop makes one.\n',
    ],
    [['--benchmark=shop', '--format=xml'], 'mayfly: --format must be table, compose or kubernetes, got "xml"\n'],
    [
      ['--benchmark=shop', '--format=compose', '--check'],
      'mayfly: --format and --check each say what is printed\nGive one of them.\n',
    ],
    [
      ['--benchmark=shop', '--days=200', '--variant=scaled'],
      'mayfly: no run of shop in that time ran in the variant scaled\nLeave --variant out: its runs have none.\n',
    ],
  ] as const)
    t.strictSame(call(...args), { status: 2, stdout: '', stderr }, args.join(' '));
  const { status, stderr } = call('--benchmark=shop');
  t.equal(status, 2);
  t.match(
    stderr,
    /^mayfly: there is no run of shop in the last 90 days\nThe newest began at .*: --days=N goes further back\.\n$/,
  );
});

t.test('runs of the last days are counted, and their figures proposed in each form', async (t) => {
  const call = calling(t, [aged('01A', 100, 900), aged('01B', 3, 50), aged('01C', 2, 60)]);
  const table = call('--benchmark=shop');
  t.match(table, { status: 0, stderr: '' });
  t.match(table.stdout, /api +memory +2 +60 MiB +60 MiB +69 MiB +64 MiB +69 MiB +128 MiB/);
  t.match(table.stdout, /shop: 2 runs on 2 days of the last 90, /);
  t.match(table.stdout, /request = 90th percentile over runs of the peak of one replica \+ 15 %/);
  t.equal(
    parse(call('--benchmark=shop', '--format=compose').stdout).services.api.deploy.resources.limits.memory,
    '69M',
  );
  t.match(JSON.parse(call('--benchmark=shop', '--json', '--days=200').stdout), {
    schema: 'mayfly.resources/v1',
    variant: null,
    days: { asked: 200 },
    runs: { counted: 3, read_from_archive: 0, unknown: [] },
    services: [{ service: 'api', memory: { max: 900 * MIB } }],
    set_by: '01C',
  });
});

t.test('--check ends with 1 where a run used more than is set', async (t) => {
  const call = calling(t, [aged('01A', 3, 50), aged('01B', 2, 60)]);
  t.strictSame(call('--benchmark=shop', '--check'), {
    status: 0,
    stdout: '2 runs within what the Compose file sets\n',
    stderr: '',
  });
  const above = calling(t, [aged('01A', 3, 80), aged('01B', 2, 60)]);
  t.strictSame(above('--benchmark=shop', '--check'), {
    status: 1,
    stdout:
      'run 01A, round 1 of the candidate: api (replica 1) exceeds its memory request: 80 MiB of 64 MiB, 25.0 % more\n',
    stderr: '',
  });
});

t.test('a run whose figures are not known is counted, with the reason', async (t) => {
  const { rounds, ...old } = aged('01B', 2, 50);
  const pruned: RunDocument = {
    ...old,
    rounds: rounds.map(({ resources: _, ...round }) => round),
    archive: { bucket: '/b', blocks: ['01X'], verified: true, pending: false, removed_at: '2026-01-02T03:04:05.000Z' },
  };
  const some = calling(t, [aged('01A', 3, 50), pruned])('--benchmark=shop', '--json');
  t.match(JSON.parse(some.stdout).runs, {
    counted: 1,
    unknown: [{ run_id: '01B', why: 'its blocks were pruned on 2026-01-02' }],
  });
  t.strictSame(calling(t, [pruned])('--benchmark=shop'), {
    status: 2,
    stdout: '',
    stderr:
      'mayfly: what the containers of shop used is known of none of 1 run: its blocks were pruned on 2026-01-02\nEvery new run keeps it: npm run bench makes one.\n',
  });
});
