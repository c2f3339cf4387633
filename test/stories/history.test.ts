/** The history of a default branch with a step in it, as a user reads it. The runs are made, the commands are real. */
import t from 'tap';
import { paths } from '../../scripts/core/paths.ts';
import { openStore } from '../../scripts/store/db.ts';
import { dataFolder, mayfly } from '../e2e/helpers.ts';
import { masterRun } from '../store/master-runs.ts';

t.test('a step on the default branch is drawn, suspected once, and settled for good', async (t) => {
  const data = dataFolder(t);
  const store = openStore(paths('/', { MAYFLY_DATA: data }).db);
  t.teardown(() => store.close());
  const level = (i: number) => 0.002 * (1 + 0.003 * Math.sin(i * 7)) * (i >= 28 ? 1.08 : 1);
  const runs = Array.from({ length: 40 }, (_, i) => masterRun(i, level(i)));
  for (const run of runs.slice(0, 30)) store.addRun(run);
  store.addRun(masterRun(70, 9, { laid: { master: false } }));
  store.addRun(masterRun(71, 9, { laid: { status: 'invalid' } }));
  const history = (...args: string[]) => mayfly('history', ['--benchmark=shop', ...args], data).done;
  const json = async (...args: string[]) => JSON.parse((await history('--json', ...args)).stdout);

  t.match(
    await json(),
    {
      schema: 'mayfly.history/v1',
      host_id: 'h0st',
      suspected: [],
      series: [{ metric: 'latency_med', points: { length: 30 } }, { metric: 'cpu_seconds_per_request' }],
    },
    'too early to tell; other runs do not count',
  );
  for (const run of runs.slice(30)) store.addRun(run);

  const read = await history();
  t.equal(read.code, 0, read.stderr);
  t.match(read.stdout, /latency med\n[^]*•[^]*└─+a─*\n/);
  t.match(read.stdout, /8\.\d % slower, suspected, not confirmed yet/);
  t.match(read.stdout, /2 suspected changes wait for a comparison/);
  t.ok(
    read.stdout
      .split('\n')
      .filter((line) => /[┤│└]/.test(line))
      .every((line) => line.length <= 80),
  );
  t.notMatch(read.stdout, '\u001b', 'no colour where it is no terminal');

  const first = await json();
  t.match(
    first.suspected,
    [
      { metric: 'latency_med', state: 'open' },
      { metric: 'cpu_seconds_per_request', state: 'open' },
    ].sort((a, b) => (a.metric < b.metric ? -1 : 1)),
  );
  t.same((await json()).suspected, first.suspected, 'reading again changes nothing, nor does it find it twice');
  const [suspect] = first.suspected;
  store.settleSuspectedChange(suspect, 'confirmed', runs[39]!.run_id);
  store.addChangePoint({ ...suspect, ratio: 1.078 });
  for (let i = 40; i < 60; i++) store.addRun(masterRun(i, level(i)));
  const later = await json('--limit=15');
  t.match(
    later,
    {
      change_points: [{ metric: suspect.metric, ratio: 1.078 }],
      suspected: { length: 2 },
      series: [{ points: { length: 15 }, older: 45 }],
    },
    'more runs move nothing',
  );
  t.match(
    (await history('--metric=cpu_seconds_per_request')).stdout,
    /^shop: .*\n\nCPU per request\n[^]*7\.8 % more \(regression\), confirmed by run/,
  );
  t.match((await history('--metric=memory_peak')).stdout, 'not primary: changes are not looked for');
});

t.test('what cannot be read or confirmed is refused, with what to do', async (t) => {
  const data = dataFolder(t);
  const store = openStore(paths('/', { MAYFLY_DATA: data }).db);
  store.addRun(masterRun(1, 0.002));
  store.close();
  const cases: [string[], RegExp][] = [
    [
      ['--benchmark=caddy'],
      /^mayfly: there is no complete run of the default branch of "caddy"\nnpm run bench -- --benchmark=caddy --master makes one/,
    ],
    [['--host=other'], /on host other\n/],
    [['--metric=latency'], /^mayfly: shop has no metric "latency"\nOne of latency_avg, /],
    [['--limit=0'], /^mayfly: --limit must be a whole number/],
    [['--max-minutes=5'], /^mayfly: --max-minutes needs --confirm\n/],
    [['--confirm', '--json'], /^mayfly: --json does not go with --confirm\n/],
    [['--confirm', '--max-minutes=x'], /^mayfly: --max-minutes must be a .*number of minutes/],
    [['--benchmark=./nowhere'], /^mayfly: there is no benchmark\.yaml in \.\/nowhere\n/],
    [['--confirm', '--benchmark=caddy'], /^mayfly: there is no complete run/],
  ];
  for (const [args, sentence] of cases) {
    const { code, stdout, stderr } = await mayfly('history', args, data).done;
    t.match({ code, stdout, stderr }, { code: 2, stdout: '', stderr: sentence }, args.join(' '));
  }
});
