/** npm run logs, as a user starts it, on log files as a run leaves them. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { paths } from '../../scripts/core/paths.ts';
import { type KeptLine, writeLogFile } from '../../scripts/logs/kept.ts';
import { openStore } from '../../scripts/store/db.ts';
import { makeComparison, makeRun } from '../run-document.ts';

const data = t.testdir();
const where = paths('/', { MAYFLY_DATA: data });
const FILE = join(import.meta.dirname, '../../scripts/commands/logs.ts');
const env = { ...process.env, MAYFLY_DATA: data };
const logs = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [FILE, ...args], {
    env,
    encoding: 'utf8',
    maxBuffer: 1e9,
  });
  return { status, stdout, stderr };
};

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const at = (ms: number) => `2026-11-28T22:00:${(ms / 1000).toFixed(3).padStart(6, '0')}000000Z`;
const line = (ms: number, side: KeptLine['side'], service: string, text: string): KeptLine => ({
  time: at(ms),
  stream: 'o',
  side,
  service,
  replica: 1,
  text,
});

const RUN = '01K0000000000000000000000A';
const compose = {
  'mayfly-x-candidate': { services: { shop: {}, consumer: {} } },
  'mayfly-x': { services: { prometheus: {} } },
};
const run = { ...makeComparison(1), run_id: RUN, compose };
const { archive: _, ...bare } = run;
const store = openStore(where.db);
for (const one of [
  bare,
  { ...makeRun({ run_id: '01BBB' }), compose },
  { ...makeRun({ run_id: '01CCC', status: 'running', rounds: [] }) },
  { ...bare, run_id: '01DDD', logs: { files: ['logs-1.gz'], bytes: 7 } },
  {
    ...bare,
    run_id: '01EEE',
    archive: { bucket: '/b', blocks: ['B'], verified: true, pending: false, removed_at: '2026-02-03T00:00:00Z' },
  },
  { ...makeRun({ run_id: '01FFF' }), compose },
])
  store.addRun(one);
store.close();

const folder = join(where.runs, RUN, 'logs');
mkdirSync(folder, { recursive: true });
await writeLogFile(folder, 'logs-1.gz', [
  line(100, 'candidate', 'shop', `ts=${at(90)} level=info trace=${TRACE} msg="order placed" order=7`),
  line(105, 'baseline', 'shop', JSON.stringify({ ts: at(95), level: 'warn', msg: 'slow', ms: 12 })),
  line(110, 'candidate', 'consumer', 'a plain line \u001b[31mred'),
]);
await writeLogFile(folder, 'logs-2.gz', [
  line(7100, 'candidate', 'shop', `ts=${at(7090)} level=error trace=${TRACE} msg=failed`),
  line(60, null, 'loadgen', 'early'),
]);
await writeLogFile(folder, 'logs-stack.gz', [
  line(50, null, 'prometheus', 'time=2026-11-28T22:00:00.040Z level=INFO msg=ready'),
]);
writeFileSync(
  join(folder, 'harness.log'),
  `ts=${at(30)} level=info service=harness msg="begin round 1"\nts=${at(8000)} level=warn service=harness msg=end\n`,
);

t.test('all lines, merged by time', (t) => {
  t.strictSame(logs(RUN), {
    status: 0,
    stdout: [
      `ts=${at(30)} level=info service=harness msg="begin round 1"`,
      `ts=${at(40)} level=info service=prometheus msg=ready`,
      `ts=${at(60)} round=2 service=loadgen msg=early`,
      `ts=${at(90)} level=info side=candidate round=1 service=shop trace=${TRACE} msg="order placed" order=7`,
      `ts=${at(95)} level=warn side=baseline round=1 service=shop msg=slow ms=12`,
      `ts=${at(110)} side=candidate round=1 service=consumer msg="a plain line \\u001b[31mred"`,
      `ts=${at(7090)} level=error side=candidate round=2 service=shop trace=${TRACE} msg=failed`,
      `ts=${at(8000)} level=warn service=harness msg=end`,
      '',
    ].join('\n'),
    stderr: '',
  });
  t.same(JSON.parse(logs(RUN, '--json', '--side=baseline').stdout), {
    ts: at(95),
    level: 'warn',
    side: 'baseline',
    round: 1,
    service: 'shop',
    msg: 'slow',
    ms: 12,
  });
  t.end();
});

t.test('lines that are asked for', (t) => {
  const messages = (...args: string[]) =>
    logs(RUN, '--json', ...args)
      .stdout.split('\n')
      .filter(Boolean)
      .map((text) => JSON.parse(text).msg);
  t.same(messages('--service=shop', '--side=candidate'), ['order placed', 'failed']);
  t.same(messages('--service=harness'), ['begin round 1', 'end']);
  t.same(messages('--service=prometheus'), ['ready']);
  t.same(messages('--round=2'), ['early', 'failed']);
  t.same(messages('--trace', TRACE.toUpperCase()), ['order placed', 'failed']);
  t.same(messages('--trace=0af76519', '--round=1'), ['order placed']);
  t.same(messages(`--since=${at(7000)}`), ['failed', 'end']);
  t.same(messages('--since=2026-11-29T00:00:08+02:00'), ['end']);
  t.same(messages('--since=1s'), ['failed', 'end'], 'before the last line');
  t.same(messages('--since=500ms', '--service=shop'), ['failed'], 'before the last that is asked for');
  t.same(messages('--since=7.5s', '--service=shop').length, 3);
  t.match(logs(RUN, '--level=warn'), {
    stdout: /slow[^]*failed[^]*end/,
    stderr: '2 lines without a level left out; without --level they are printed\n',
  });
  t.strictSame(logs(RUN, '--trace=deadbeef'), { status: 0, stdout: '', stderr: 'no line of its logs is like that\n' });
  t.end();
});

t.test('what is not there, or makes no sense, is refused', (t) => {
  for (const [args, said] of [
    [
      [RUN, '--service=shp'],
      `run ${RUN} has no service "shp" (did you mean shop?)\nIt has consumer, harness, loadgen, prometheus, shop, telemetry.\n`,
    ],
    [[RUN, '--round=99'], `run ${RUN} has no round 99\nIt has rounds 1 to 3.\n`],
    [[RUN, '--round=x'], '--round must be a whole number from 1 to 999999, got "x"\n'],
    [[RUN, '--side=both'], '--side must be candidate or baseline, got "both"\n'],
    [[RUN, '--level=loud'], '--level must be one of debug, info, warn, error, got "loud"\n'],
    [
      [RUN, '--trace=xyz'],
      '--trace must be the id of a trace, 32 hexadecimal digits, or at least its first 8, got "xyz"\n',
    ],
    [
      [RUN, '--since=yesterday'],
      '--since must be a time like 2026-11-28T22:00:00Z, or a duration like 5s, got "yesterday"\n',
    ],
    [['nonsense'], 'there is no run "nonsense"\nnpm run runs lists the runs of this data folder.\n'],
    [['01BBB'], 'run 01BBB has no logs\nRuns of before logs were kept have none.\n'],
    [['01CCC'], 'run 01CCC has no logs\nIt is still going on: those of a round are there when it has ended.\n'],
    [
      ['01DDD'],
      'the logs of run 01DDD are not on this host\nIt has no block in the archive; the logs of such runs give way to those of newer ones.\n',
    ],
    [['01EEE'], 'the logs of run 01EEE were removed with its metrics on 2026-02-03\n'],
  ] as const)
    t.strictSame(logs(...args), { status: 2, stdout: '', stderr: `mayfly: ${said}` }, args.join(' '));
  t.match(logs(), { status: 2, stderr: /^mayfly: logs needs one run, got 0\n/ });
  t.end();
});

t.test('a file that is damaged is told, and the rest is printed', async (t) => {
  const dir = join(where.runs, '01FFF', 'logs');
  mkdirSync(dir, { recursive: true });
  await writeLogFile(dir, 'logs-1.gz', [line(1, 'candidate', 'shop', 'whole')]);
  writeFileSync(join(dir, 'logs-2.gz'), readFileSync(join(dir, 'logs-1.gz')).subarray(0, 30));
  t.strictSame(logs('01FFF'), {
    status: 0,
    stdout: `ts=${at(1)} side=candidate round=1 service=shop msg=whole\n`,
    stderr: 'not all of it can be read: logs-2.gz is damaged: unexpected end of file\n',
  });
  t.match(logs('01FFF', '--round=2'), {
    status: 4,
    stderr:
      /mayfly: none of the log files of run 01FFF can be read to its end\nnpm run archive -- verify --run=01FFF looks/,
  });
  t.strictSame(logs('01FFF', '--side=baseline').stderr, 'mayfly: run 01FFF has no baseline\nIt has candidate.\n');
});

t.test('many lines go through a reader that ends early, and through one that is slow', async (t) => {
  const many = Array.from({ length: 200_000 }, (_, i) => line(i % 60_000, 'candidate', 'shop', `line ${i}`));
  for (const round of [3, 4]) await writeLogFile(folder, `logs-${round}.gz`, many);
  const head = spawn(process.execPath, [FILE, RUN], { env });
  await once(head.stdout, 'data');
  head.stdout.destroy();
  let said = '';
  head.stderr.on('data', (text) => (said += text));
  const [code] = await once(head, 'exit');
  t.same([code, said], [0, ''], 'a closed pipe is no error');
  const { status, stdout } = logs(RUN, '--service=shop');
  t.equal(status, 0);
  t.equal(stdout.split('\n').length - 1, 400_003);
});
