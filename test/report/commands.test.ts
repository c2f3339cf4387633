/** The commands that read the store, as the user starts them. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import runSchema from '../../docs/schemas/mayfly.run.v1.json' with { type: 'json' };
import { loadConfig } from '../../scripts/config/config.ts';
import { compile } from '../../scripts/config/schema.ts';
import { explain } from '../../scripts/core/cli.ts';
import { InfrastructureError, Interrupted } from '../../scripts/core/errors.ts';
import { paths } from '../../scripts/core/paths.ts';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { verdictText } from '../../scripts/report/verdict-text.ts';
import { openStore } from '../../scripts/store/db.ts';
import { BENCHMARK, COMPOSE } from '../config/fixture.ts';
import { makeComparison, makeJudged, makeRun } from '../run-document.ts';

const SCRIPTS = join(import.meta.dirname, '../../scripts/commands');
const data = t.testdir();
const env = { ...process.env, MAYFLY_DATA: data };
const command = (name: string, ...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(SCRIPTS, `${name}.ts`), ...args], {
    env,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
};

t.test('with an empty store', async (t) => {
  t.strictSame(command('runs'), {
    status: 0,
    stdout: 'no run is kept that fits; npm run bench makes one\n',
    stderr: '',
  });
  t.strictSame(command('show', 'last'), {
    status: 2,
    stdout: '',
    stderr: 'mayfly: there is no run in the store yet\nnpm run bench makes one.\n',
  });
});

t.test('with two runs', async (t) => {
  const store = openStore(paths('/', { MAYFLY_DATA: data }).db);
  const [first, second] = [
    makeRun({ run_id: '01AAA' }),
    { ...makeComparison(1.1), run_id: '01BBB', started_at: '2026-01-03T00:00:00.000Z' },
  ];
  store.addRun(first);
  store.addRun(second);
  store.close();

  const listed = command('runs');
  t.match(listed.stdout, /01BBB[^]*\n01AAA/);
  t.match(JSON.parse(command('runs', '--json', '--label=branch=main', '--limit=1').stdout), {
    schema: 'mayfly.runs/v1',
    runs: [{ run_id: '01BBB', observations: 6 }],
  });
  t.match(command('runs', '--benchmark=caddy').stdout, 'no run is kept that fits');

  const shown = JSON.parse(command('show', '01a', '--json').stdout);
  t.strictSame(shown, JSON.parse(JSON.stringify(first)));
  t.ok(compile(runSchema)(shown), 'what is printed fits the schema');
  t.match(command('show', 'last').stdout, /^shop at HEAD \(aaaaaaaaaaaa\)/);

  const compared = command('compare', '01AAA', '01BBB');
  t.equal(compared.status, 3);
  t.match(
    compared.stdout,
    /^INVALID {2}shop at HEAD \(a{12}\) against HEAD \(a{12}\): they cannot be compared: one was measured alone[^]*\nlatency med \* +1\.20 ms/,
  );
  t.match(JSON.parse(command('compare', '01A', '01B', '--json').stdout), {
    schema: 'mayfly.verdict/v1',
    verdict: 'INVALID',
    run_id: '01BBB',
    other_run_id: '01AAA',
  });
});

t.test('judging stored rounds again', async (t) => {
  const keep = (run: RunDocument) => {
    const store = openStore(paths('/', { MAYFLY_DATA: data }).db);
    store.addRun(run);
    store.close();
  };
  const [worse, pass, open] = [
    makeJudged({ run_id: '01CWORSE', factors: { latency_med: 1.08 } }),
    makeJudged({ run_id: '01CPASS', seed: 5 }),
    makeJudged({ run_id: '01COPEN', noise: 0.05, count: 8 }),
  ];
  for (const run of [worse, pass, { ...open, verdict: undefined }]) keep(run);

  const files = t.testdir();
  const flags = ['markdown', 'junit', 'bmf', 'openmetrics'].map((format) => `--${format}=${join(files, format)}`);
  t.strictSame(
    command('judge', '01CWORSE', ...flags),
    { status: 1, stdout: `${verdictText(worse.verdict!, { color: false })}\n`, stderr: '' },
    'the stored rounds give the same verdict',
  );
  t.strictSame(readdirSync(files).sort(), ['bmf', 'junit', 'markdown', 'openmetrics']);
  t.match(readFileSync(join(files, 'markdown'), 'utf8'), /^\*\*REGRESSION\*\*/);
  t.strictSame(JSON.parse(command('judge', '01CPASS', '--json').stdout), JSON.parse(JSON.stringify(pass.verdict)));

  t.match(command('judge', '01COPEN'), {
    status: 0,
    stdout: /^INCONCLUSIVE/,
    stderr: 'no verdict of this run was kept; npm run judge -- 01COPEN --save keeps this one\n',
  });
  t.match(JSON.parse(command('show', '01COPEN', '--json').stdout).verdict, undefined, 'looking keeps nothing');
  t.match(command('judge', '01COPEN', '--strict', '--save'), {
    status: 1,
    stderr: 'no verdict of this run was kept; this one is kept now\n',
  });
  t.match(command('show', '01COPEN').stdout, /^INCONCLUSIVE {2}[^]*npm run judge -- 01COPEN/);

  keep({ ...makeJudged({ run_id: '01COLD' }), verdict: { ...worse.verdict!, run_id: '01COLD' } });
  t.match(command('judge', '01COLD'), {
    status: 0,
    stdout: /^PASS/,
    stderr: /^the verdict that was kept is REGRESSION: .*; npm run judge -- 01COLD --save keeps this one\n$/,
  });
  t.match(command('show', '01COLD').stdout, /^REGRESSION/, 'it is not written over');
  keep({ ...makeJudged({ run_id: '01COTHER' }), verdict: { ...pass.verdict!, run_id: '01COTHER' } });
  t.match(command('judge', '01COTHER').stderr, /^the verdict that was kept is the same on other grounds/);

  const compared = command('compare', '01CPASS', '01CWORSE', `--junit=${join(files, 'two')}`);
  t.match(compared, {
    status: 1,
    stdout: /^REGRESSION {2}[^]*\nnote: the changes are of the ratios[^]*\nA {2}shop at HEAD[^]*B against A/,
    stderr: '',
  });
  t.match(readFileSync(join(files, 'two'), 'utf8'), 'failures="1"');
  const alone = makeRun({ run_id: '01CSOLO' });
  keep(alone);
  t.match(command('compare', '01AAA', '01CSOLO', '--strict'), { status: 1, stdout: /^INCONCLUSIVE {2}/ });
});

t.test('mistakes of the user: one sentence, what to do, exit code 2, no stack trace', async (t) => {
  const cases: [string[], RegExp][] = [
    [['show'], /^mayfly: show needs one run, got 0\nusage: npm run show -- RUN/],
    [['show', '01ZZZ'], /^mayfly: there is no run "01ZZZ"\nnpm run runs lists/],
    [
      ['show', '01AAA', '--jsn'],
      /^mayfly: --jsn is not a flag \(did you mean --json\?\)\nsee npm run show -- --help\n$/,
    ],
    [['compare', '01AAA'], /^mayfly: compare needs two runs, got 1\n/],
    [['compare', '01AAA', '01AA'], /^mayfly: both are the same run, 01AAA\nnpm run runs lists the runs\.\n$/],
    [
      ['compare', '01BBB', '01BBB'],
      /^mayfly: both are the same run, 01BBB\nIt compared two commits itself: npm run judge -- 01BBB judges it again\.\n$/,
    ],
    [
      ['compare', '01AAA', '01BBB', '--bmf=/no/such/x'],
      /^mayfly: --bmf=\/no\/such\/x: there is no folder "\/no\/such"\n/,
    ],
    [
      ['judge', '01AAA'],
      /^mayfly: run 01AAA measured one commit alone: there is nothing to judge\nnpm run bench -- --commit=REF --against=REF /,
    ],
    [['judge'], /^mayfly: judge needs one run, got 0\n/],
    [['judge', '01BBB', '--markdown=.'], /^mayfly: --markdown=\.: it is a folder\n/],
    [['runs', '--limit=0'], /^mayfly: --limit must be a whole number from 1 to 999999, got "0"\n/],
    [['runs', 'shop'], /^mayfly: "shop" is not a flag\n/],
  ];
  for (const [args, sentence] of cases) {
    const { status, stdout, stderr } = command(args[0]!, ...args.slice(1));
    t.match(stderr, sentence, args.join(' '));
    t.strictSame({ status, stdout }, { status: 2, stdout: '' });
    t.notMatch(stderr, /\n {4}at /);
  }
});

t.test('a benchmark outside of the checkout is known by its path and by its name', async (t) => {
  const folder = join(
    t.testdir({
      perf: { service: { Dockerfile: '' }, 'benchmark.yaml': BENCHMARK, 'compose.yaml': COMPOSE, 'load.ts': '' },
    }),
    'perf',
  );
  const env = { root: join(SCRIPTS, '../..'), cwd: '/' };
  const { benchmark, elsewhere } = await loadConfig({ benchmark: folder }, env);
  const store = openStore(paths('/', { MAYFLY_DATA: data }).db);
  store.keepBenchmark(benchmark, elsewhere!);
  store.addRun(makeRun({ run_id: '01PERF', benchmark, master: true }));
  store.close();
  for (const asked of [folder, benchmark]) {
    const { stdout } = command('runs', `--benchmark=${asked}`, '--json');
    t.strictSame(
      JSON.parse(stdout).runs.map(({ run_id }: { run_id: string }) => run_id),
      ['01PERF'],
      asked,
    );
    t.match(command('history', `--benchmark=${asked}`).stdout, benchmark);
    t.match(
      command('queue', 'add', `--benchmark=${asked}`, '--commit=HEAD', '--rate=no').stderr,
      '--rate must be',
      'what measures finds its folder',
    );
  }
  t.strictSame(command('runs', '--benchmark=./nowhere'), {
    status: 2,
    stdout: '',
    stderr:
      'mayfly: there is no benchmark.yaml in ./nowhere\nName a folder that holds one, or a benchmark of this checkout.\n',
  });
});

t.test('the history of another branch than the default one, and what is queued for it', async (t) => {
  const store = openStore(paths('/', { MAYFLY_DATA: data }).db);
  store.addRun(makeRun({ run_id: '01LINE', benchmark: 'lines', master: true, branch: 'release-1.4' }));
  store.close();
  const none = { status: 2, stdout: '' };
  const hint = 'makes one; npm run runs lists all runs.\n';
  t.strictSame(command('history', '--benchmark=lines'), {
    ...none,
    stderr: `mayfly: there is no complete run of the default branch of "lines"\nnpm run bench -- --benchmark=lines --master ${hint}`,
  });
  t.strictSame(command('history', '--benchmark=lines', '--branch=lts'), {
    ...none,
    stderr: `mayfly: there is no complete run of the branch "lts" of "lines"\nnpm run bench -- --benchmark=lines --master --branch=lts ${hint}`,
  });
  t.match(command('history', '--benchmark=lines', '--branch=release-1.4'), {
    status: 0,
    stdout: /^lines: the branch release-1\.4 on host /,
  });
  t.match(JSON.parse(command('history', '--benchmark=lines', '--branch=release-1.4', '--json').stdout), {
    branch: 'release-1.4',
    benchmark: 'lines',
  });
  const add = (...args: string[]) => command('queue', 'add', '--commit=HEAD', '--json', ...args);
  t.match(JSON.parse(add('--branch=release-1.4', '--master').stdout).job, {
    kind: 'new-master',
    branch: 'release-1.4',
  });
  t.match(JSON.parse(add('--branch=feature-a').stdout).job, { kind: 'new-test', branch: 'feature-a' });
  const again = openStore(paths('/', { MAYFLY_DATA: data }).db);
  const pull = { repository: 'acme/shop', number: 7, head: 'a'.repeat(40), base_ref: 'feature-b', onto_default: false };
  again.inbox.savePullRequest({ ...pull, from_fork: false, open: true, labels: [], updated_ms: 1 });
  again.close();
  const own = ['--repository=acme/shop', '--pull-request=7'];
  t.match(JSON.parse(add(...own).stdout).job, { branch: 'feature-b' }, 'that of its pull request');
  t.notOk('branch' in JSON.parse(add(...own, '--against=HEAD').stdout).job);
  const { stdout } = command('queue', 'list');
  t.match(stdout, / release-1\.4 /);
  t.match(stdout, / into feature-a /);
});

t.test('help', async (t) => {
  for (const name of ['runs', 'show', 'compare', 'judge'])
    t.match(command(name, '--help'), { status: 0, stdout: /^usage: npm run/, stderr: '' });
});

t.test('a reader that closes the pipe is no error', async (t) => {
  const child = spawn(process.execPath, [join(SCRIPTS, 'show.ts'), '01AAA', '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const [code] = await once(child, 'close');
  t.strictSame({ code, stderr }, { code: 0, stderr: '' });
});

t.test('what an error prints', async (t) => {
  t.strictSame(explain(new InfrastructureError('no engine', { hint: 'Start it.' }), {}), {
    text: 'mayfly: no engine\nStart it.',
    exitCode: 4,
  });
  t.strictSame(explain(new Interrupted(), {}), {
    text: 'mayfly: interrupted; everything was taken down',
    exitCode: 130,
  });
  const fault = new TypeError('x is not a function');
  t.match(explain(fault, {}), {
    text: /^mayfly: a fault of Mayfly itself: x is not a function\nRun it again with MAYFLY_DEBUG=1/,
    exitCode: 4,
  });
  t.match(explain(fault, { MAYFLY_DEBUG: '1' }).text, /\n {4}at /);
});
