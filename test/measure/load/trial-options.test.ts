/** The flags of `npm run load`, by value. */
import { join } from 'node:path';
import t from 'tap';
import { parseFlags } from '../../../scripts/config/flags.ts';
import { UsageError } from '../../../scripts/core/errors.ts';
import { trialContainer, trialPlan } from '../../../scripts/measure/load/trial.ts';
import { benchmarkFolder, checkTarget, readTrial, TRIAL_FLAGS } from '../../../scripts/measure/load/trial-options.ts';

const folder = t.testdir({
  bench: { 'benchmark.yaml': '', 'load.ts': '', scripts: { 'deep.ts': '' }, 'load.py': '' },
  scenarios: {
    'benchmark.yaml':
      'load:\n  script: load.ts\n  duration: 9s\n  timeout: 60s\n  scenarios: {uploads: {users: 10}, browse: {rate: 50}}\n',
    'load.ts': '',
    'other.ts': '',
    wrong: {
      'benchmark.yaml': 'load: {script: load.ts, duration: 9s, scenarios: {browse: {rate: 50, duration: 10s}}}\n',
      'load.ts': '',
    },
  },
  alone: { 'load.ts': '' },
  away: t.fixture('symlink', 'alone'),
});
const TARGET = '--target=http://127.0.0.1:8080';

const options = (script: string, ...flags: string[]) => {
  const { values } = parseFlags(flags, TRIAL_FLAGS, 'load');
  return readTrial(script, { text: (name) => values[name]?.[0], has: (name) => values[name] !== undefined }, folder);
};

function refused(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof UsageError ? error.message : `no UsageError: ${(error as Error).stack}`;
  }
  return 'nothing was refused';
}

t.test('an open model, with what nobody said', async (t) => {
  t.strictSame(options('bench/load.ts', TARGET, '--rate=50', '--duration=5s'), {
    dir: join(folder, 'bench'),
    script: 'bench/load.ts',
    target: 'http://127.0.0.1:8080',
    load: {
      generator: { kind: 'mayfly', script: join(folder, 'bench/load.ts') },
      target: 'http://127.0.0.1:8080',
      model: { kind: 'open', arrivals: 'constant', rate: 50, durationS: 5 },
      rate: 50,
      durationS: 5,
      warmupS: 0,
      maxInFlight: 13,
      timeoutS: 30,
      workers: 1,
    },
  });
  t.match(options('bench/load.ts', TARGET, '--rate=0.5').load, { durationS: 10, maxInFlight: 10 });
});

t.test('every flag', async (t) => {
  t.match(
    options(
      'bench/load.ts',
      TARGET,
      '--rate=5',
      '--stages=10:5s,50:1m30s',
      '--poisson',
      '--warmup=2s',
      '--max-in-flight=7',
      '--timeout=500ms',
      '--workers=2',
    ).load,
    {
      model: {
        kind: 'open',
        arrivals: 'poisson',
        rate: 5,
        durationS: 95,
        stages: [
          { rate: 10, durationS: 5 },
          { rate: 50, durationS: 90 },
        ],
      },
      warmupS: 2,
      maxInFlight: 7,
      timeoutS: 0.5,
      workers: 2,
    },
  );
  t.match(options('bench/load.ts', TARGET, '--users=30', '--iterations=4', '--think=1s', '--duration=20s').load, {
    model: { kind: 'closed', users: 30, iterations: 4, thinkS: 1, limitS: 20 },
    warmupS: 0,
    maxInFlight: 30,
  });
  t.equal(
    options('bench/load.ts', TARGET, '--rate=1', '--requests-out=bench/x.parquet').requestsOut,
    join(folder, 'bench/x.parquet'),
  );
});

t.test('the folder of the benchmark is the nearest with a benchmark.yaml', async (t) => {
  t.equal(benchmarkFolder(join(folder, 'bench/scripts/deep.ts')), join(folder, 'bench'));
  const trial = options('bench/scripts/deep.ts', TARGET, '--rate=1');
  t.equal(trial.dir, join(folder, 'bench'));
  t.equal(trialPlan(trial, '01A').script, 'scripts/deep.ts');
  t.equal(options('alone/load.ts', TARGET, '--rate=1').dir, join(folder, 'alone'));
});

t.test('only this machine, unless the user owns the target', async (t) => {
  for (const own of [
    'http://127.0.0.1:8080',
    'http://127.9.8.7',
    'https://localhost:1',
    'http://LOCALHOST',
    'http://[::1]:80',
    'http://127.1:80',
    'http://0x7f000001',
    'http://2130706433/',
  ])
    t.equal(checkTarget(own, false), new URL(own).origin, own);
  for (const other of [
    'http://10.0.0.1',
    'http://shop:8080',
    'http://127.0.0.1.example.com',
    'http://localhost.example.com',
    'http://0.0.0.0',
    'http://[::]',
    'http://[::2]',
    'http://128.0.0.1',
    'http://1270.0.0.1.x',
  ]) {
    t.match(
      refused(() => checkTarget(other, false)),
      /^--target=http\S+ is not this machine$/,
      other,
    );
    t.equal(checkTarget(other, true), new URL(other).origin);
  }
  t.match(
    refused(() => checkTarget(undefined, true)),
    '--target must be given',
  );
  for (const wrong of ['127.0.0.1:8080', 'localhost:80', 'ftp://127.0.0.1', 'x', ''])
    t.match(
      refused(() => checkTarget(wrong, true)),
      '--target must be a URL such as',
      wrong,
    );
  t.match(
    refused(() => checkTarget('http://127.0.0.1/api', false)),
    '--target must end after host and port',
  );
  t.match(
    refused(() => checkTarget('http://u:p@127.0.0.1', false)),
    'must not hold a user or a password',
  );
});

t.test('what is wrong is said in the words of the flags', async (t) => {
  const cases: [string, string[], string][] = [
    ['no.ts', ['--rate=1'], 'there is no file no.ts'],
    ['bench', ['--rate=1'], 'there is no file bench'],
    ['bench/load.py', ['--rate=1'], 'the script must be a file that ends in .ts, .mts, .js or .mjs, got "load.py"'],
    ['bench/load.ts', [], '--rate, --stages or --users must say how many requests are made'],
    ['bench/load.ts', ['--rate=many'], '--rate must be a number of requests per second, got "many"'],
    ['bench/load.ts', ['--rate=0'], '--rate must be > 0 requests per second, got 0'],
    [
      'bench/load.ts',
      ['--rate=1', '--duration=soon'],
      '--duration must be a duration such as 500ms, 20s, 2m, 1m30s or 1h, got "soon"',
    ],
    ['bench/load.ts', ['--rate=1', '--duration=10ms'], '--duration must be >= 1s, got 10ms'],
    ['bench/load.ts', ['--rate=1', '--stages=10'], '--stages must be RATE:TIME, several separated by commas, got "10"'],
    [
      'bench/load.ts',
      ['--stages=10:5s', '--duration=5s'],
      '--duration must not be given with stages: the window is as long as they are together',
    ],
    [
      'bench/load.ts',
      ['--users=2', '--rate=5'],
      '--rate must not be given with users: in a closed model a user goes on when it has its answer',
    ],
    ['bench/load.ts', ['--users=20', '--max-in-flight=5'], '--max-in-flight must be at least users (20), got 5'],
    ['bench/load.ts', ['--rate=1', '--think=1s'], 'the load has think, so it needs users too'],
    ['bench/load.ts', ['--rate=1', '--timeout=2h'], '--timeout must be from 1ms to 1h, got 2h'],
    ['bench/load.ts', ['--rate=1', '--workers=65'], '--workers must be <= 64 threads, got 65'],
    [
      'bench/load.ts',
      ['--rate=x', '--users=y'],
      '--rate must be a number of requests per second, got "x"\n--users must be a whole number of users, got "y"',
    ],
    ['bench/load.ts', ['--rate=1', '--requests-out=no/x'], '--requests-out=no/x: there is no folder "no"'],
    [
      'bench/load.ts',
      ['--rate=1', '--requests-out=bench/load.ts'],
      '--requests-out=bench/load.ts: it is there already',
    ],
  ];
  for (const [script, flags, sentence] of cases)
    t.equal(
      refused(() => options(script, TARGET, ...flags)),
      sentence,
      `${script} ${flags.join(' ')}`,
    );
});

t.test('its container: the network of the host, of its files only the generator and the folder, capped', async (t) => {
  const trial = options('bench/load.ts', TARGET, '--rate=1', '--workers=3');
  const spec = trialContainer(trial, '01TRY', 'node:24', { cores: 2, memory_bytes: 100 * 2 ** 30 }, { root: '/src' });
  t.match(spec, {
    name: 'mayfly-01try-load',
    image: 'node:24',
    networks: ['host'],
    cpus: 2,
    memoryBytes: 4 * 2 ** 30,
    scratchBytes: 64 * 2 ** 20,
    labels: { 'dev.mayfly.run': '01TRY', 'dev.mayfly.pid': String(process.pid) },
  });
  t.ok(spec.pidsLimit! < 200);
  t.same(spec.binds, [
    '/src/loadgen:/mayfly/loadgen:ro',
    '/src/node_modules:/mayfly/node_modules:ro',
    '/src/package.json:/mayfly/package.json:ro',
    `${join(folder, 'bench')}:/benchmark:ro`,
  ]);
  t.same(Object.keys(spec.env!), ['MAYFLY_LOAD']);
  t.match(JSON.parse(spec.env!.MAYFLY_LOAD!), {
    script: 'load.ts',
    target: 'http://127.0.0.1:8080',
    sides: [{ name: 'candidate', url: 'http://127.0.0.1:8080' }],
    waitForGo: false,
    metrics: null,
    keepRows: 0,
    gapS: 0,
  });
  const kept = options('bench/load.ts', TARGET, '--rate=1', '--warmup=1s', '--requests-out=x');
  t.equal(
    trialContainer(kept, '01TRY', 'node:24', { cores: 2, memory_bytes: 2 ** 30 }, { root: '/src' }).scratchBytes,
    undefined,
    'the file is on the disk',
  );
  t.match(trialPlan(kept, '01TRY'), {
    keepRows: 2_000_000,
    gapS: 0.5,
    warmupS: 1,
    seed: trialPlan(trial, '01TRY').seed,
  });
});

t.test('a script of scenarios: benchmark.yaml says when each begins', async (t) => {
  const { load } = options('scenarios/load.ts', TARGET, '--warmup=1s', '--workers=2');
  t.match(load, {
    target: 'http://127.0.0.1:8080',
    model: {
      kind: 'scenarios',
      durationS: 9,
      scenarios: [
        { name: 'uploads', model: { kind: 'closed', users: 10 } },
        { name: 'browse', model: { rate: 50, durationS: 9 } },
      ],
    },
    warmupS: 1,
    timeoutS: 60,
    workers: 2,
  });
  for (const flag of ['--rate=5', '--duration=5s', '--users=5', '--poisson', '--max-in-flight=3'])
    t.equal(
      refused(() => options('scenarios/load.ts', TARGET, flag)),
      `${flag.split('=')[0]} cannot be given: load.ts is a script of scenarios, and benchmark.yaml says when each begins and how much it does`,
    );
  t.equal(
    refused(() => options('scenarios/wrong/load.ts', TARGET)),
    'benchmark.yaml: load/scenarios/browse/duration must end within the window, which lasts 9 s (load/duration); it ends after 10 s',
  );
  t.match(
    options('scenarios/other.ts', TARGET, '--rate=5').load,
    { rate: 5 },
    'another script of the folder has flags',
  );
});
