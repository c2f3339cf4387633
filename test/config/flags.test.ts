import { join } from 'node:path';
import t from 'tap';
import { loadConfig, parseBenchArgs } from '../../scripts/config/config.ts';
import { FLAGS } from '../../scripts/config/flags.ts';
import { nearest } from '../../scripts/config/nearest.ts';
import { parseDuration, parseShare } from '../../scripts/config/quantities.ts';
import { BENCHMARK, COMPOSE, faults, load } from './fixture.ts';

t.test('flags lie over the file', async (t) => {
  const args = [
    '--commit',
    'abc',
    '--against=main',
    '--rate=400',
    '--duration=1m',
    '--warmup',
    '0s',
    '--rounds=5',
    '--label=team=web',
    '--label',
    'pr=7=8',
    '--paths=src/**',
    '--paths=!src/gen/**',
    '--keep',
    '--live',
    '--objstore=store.yaml',
    '--json',
  ];
  const config = await load(t, BENCHMARK, COMPOSE, args);
  t.match(config, {
    commit: 'abc',
    against: 'main',
    rounds: 5,
    keep: true,
    live: true,
    labels: { team: 'web', pr: '7=8' },
    paths: ['src/**', '!src/gen/**'],
  });
  t.match(config.load, { rate: 400, durationS: 60, model: { rate: 400, durationS: 60 }, warmupS: 0, maxInFlight: 100 });
  t.match(config.objstore, /\/store\.yaml$/);
});

t.test('more requests may be under way at a higher rate, never fewer than the file says', async (t) => {
  const file = BENCHMARK.replace('rate: 200', 'rate: 200\n  max_in_flight: 60');
  t.equal((await load(t, file, COMPOSE)).load.maxInFlight, 60);
  t.equal((await load(t, file, COMPOSE, ['--rate=100'])).load.maxInFlight, 60);
  t.equal((await load(t, file, COMPOSE, ['--rate=401'])).load.maxInFlight, 101);
  t.equal((await load(t, BENCHMARK, COMPOSE, ['--rate=1'])).load.maxInFlight, 10);
});

t.test('a run longer than a block ships while it goes on', async (t) => {
  t.equal((await load(t, BENCHMARK, COMPOSE, ['--duration=39m', '--warmup=1m', '--rounds=3'])).live, false);
  t.equal((await load(t, BENCHMARK, COMPOSE, ['--duration=40m', '--warmup=1m', '--rounds=3'])).live, true);
});

t.test('how two sides are compared', async (t) => {
  const args = [
    '--against=main',
    '--pairing=alternating',
    '--max-rounds=12',
    '--max-minutes=2.5',
    '--strict',
    '--markdown=c.md',
    '--junit=j.xml',
    '--master',
  ];
  const config = await load(t, BENCHMARK, COMPOSE, args);
  t.match(config, { against: 'main', master: true });
  t.strictSame(config.comparison, { pairing: 'alternating', min: 6, max: 12, maxMinutes: 2.5 });
  t.strictSame((await load(t, BENCHMARK, COMPOSE, ['--rounds=8'])).comparison, { pairing: 'auto', min: 6, fixed: 8 });
  t.strictSame(parseBenchArgs(args).verdict, { strict: true, files: { markdown: 'c.md', junit: 'j.xml' } });
  for (const against of ['merge-base', 'anchor', 'master-set', 'none'])
    t.equal((await load(t, BENCHMARK, COMPOSE, [`--against=${against}`])).against, against);
  t.equal((await load(t, BENCHMARK, COMPOSE, ['--resume=01JZ'])).resume, '01JZ');
});

const wrong: [args: string[], sentence: string][] = [
  [['--rate=0'], '--rate must be > 0 requests per second, got 0'],
  [['--rate', '-5'], '--rate must be > 0 requests per second, got -5'],
  [['--rate=1e3'], '--rate must be a number of requests per second, got "1e3"'],
  [['--rate=0x10'], '--rate must be a number of requests per second, got "0x10"'],
  [['--rate=2000000'], '--rate must be <= 1000000 requests per second, got 2000000'],
  [['--duration=20'], '--duration must be a duration such as 500ms, 20s, 2m, 1m30s or 1h, got "20"'],
  [['--duration=500ms'], '--duration must be >= 1s, got 500ms'],
  [
    ['--rate=0.5', '--duration=1s'],
    '--duration must be long enough for one request: at 0.5 requests per second that is 2s',
  ],
  [['--rounds=0'], '--rounds must be >= 1 rounds, got 0'],
  [['--rounds=2.5'], '--rounds must be a whole number of rounds, got "2.5"'],
  [['--rounds=1001'], '--rounds must be <= 1000 rounds, got 1001'],
  [['--comit=x'], '--comit is not a flag (did you mean --commit?)'],
  [['-c', 'x'], '-c is not a flag'],
  [['--commit'], '--commit needs a value: --commit=REF'],
  [['--commit='], '--commit needs a value: --commit=REF'],
  [['--commit', '--keep'], '--commit needs a value: --commit=REF'],
  [['--commit=a', '--commit=b'], '--commit is given twice'],
  [['--keep=yes'], '--keep takes no value, got "yes"'],
  [['--no-keep'], '--no-keep is not a flag'],
  [['HEAD'], '"HEAD" is not a flag'],
  [['--commit=--upload-pack=x'], '--commit must not start with -, got "--upload-pack=x"'],
  [['--commit=a\u001b[2J'], '--commit must not hold control characters, got "a\\u001b[2J"'],
  [['--against=a\nb'], '--against must not hold control characters, got "a\\nb"'],
  [[`--commit=${'a'.repeat(201)}`], '--commit must have at most 200 characters, got "'],
  [['--benchmark=shpo'], 'there is no benchmark "shpo" (did you mean shop?)'],
  [['--benchmark=..'], 'there is no benchmark ".."'],
  [['--label=x'], '--label must be KEY=VALUE, with letters, digits and _ . - in the key, got "x"'],
  [['--label=a=1', '--label=a=2'], '--label a is given twice'],
  [['--pairing=both'], '--pairing must be auto, interleaved or alternating, got "both"'],
  [['--max-rounds=5'], '--max-rounds must be at least 6, the least number of rounds of a comparison, got 5'],
  [
    ['--rounds=8', '--max-rounds=10'],
    '--rounds and --max-rounds exclude each other: --rounds measures exactly so many',
  ],
  [['--max-minutes=0'], '--max-minutes must be a number of minutes above 0 and up to 1440, got "0"'],
  [['--max-minutes=1h'], '--max-minutes must be a number of minutes above 0 and up to 1440, got "1h"'],
  [['--resume=last', '--rate=7'], '--resume goes on with a run as it was begun, so --rate cannot be given with it'],
  [['--resume=last', '--branch=x'], '--resume goes on with a run as it was begun, so --branch cannot be given with it'],
  ...['-x', 'a b', 'a..b', 'a:b', '+a*', 'a/', '/a', 'a~1', 'a@{1}', '@', 'a.lock', '.a', 'a//b', 'a\tb', 'a\\b'].map(
    (name): [string[], string] => [
      [`--branch=${name}`],
      `--branch must be the name of a branch, such as release-1.4, got ${JSON.stringify(name)}`,
    ],
  ),
  [['--resume=last', '--paths=src'], '--resume goes on with a run as it was begun, so --paths cannot be given with it'],
  [
    ['--paths=/src/**'],
    '--paths must be a path from the root of the repository such as src/** or !**/*.md, without a slash before it, got "/src/**"',
  ],
  [
    ['--paths=!docs/**', '--paths=src/**'],
    '--paths takes files out, and no path before it has let any in; put "**" first for all files, got "!docs/**"',
  ],
  [['--resume=last', '--master'], '--resume goes on with a run as it was begun, so --master cannot be given with it'],
  [['--resume=../x'], '--resume must be the id of a run, the beginning of one, or last, got "../x"'],
  [
    ['--objstore=none.yaml'],
    '--objstore must be a file with a Thanos object-store configuration, but none.yaml is not there',
  ],
];
for (const [args, sentence] of wrong) {
  t.test(args.join(' ').slice(0, 60), async (t) => {
    const [first] = await faults(t, BENCHMARK, COMPOSE, args);
    t.ok(first?.startsWith(sentence), String(first));
  });
}

t.test('a branch may be called almost anything', async (t) => {
  for (const name of ['$(touch x)', '`id`', 'feature/a;b', 'HEAD~3', 'v1^{}', '@{upstream}', 'fünf', ':/fix the bug']) {
    t.equal((await load(t, BENCHMARK, COMPOSE, [`--commit=${name}`])).commit, name);
  }
});

t.test('where nothing is built from git', async (t) => {
  const file = BENCHMARK.replace(/ {4}git:\n {6}context: service/, '    command: [./build]');
  t.match(await faults(t, file), [/--commit must be given: shop is not built from git, so there is no HEAD/]);
  t.match(await faults(t, file, COMPOSE, ['--commit=$(touch x)']), [/--commit must be a version of letters, digits/]);
  t.match(await faults(t, file, COMPOSE, ['--commit=v2', '--branch=x']), [
    '--branch means nothing: this benchmark is not built from git',
  ]);
  t.match(await faults(t, file, COMPOSE, ['--commit=v2', '--paths=src']), [
    '--paths means nothing: this benchmark is not built from git',
  ]);
  t.equal((await load(t, file, COMPOSE, ['--commit=v2.10.0'])).commit, 'v2.10.0');
});

t.test('which benchmark', async (t) => {
  const folder = (name: string) => ({
    'benchmark.yaml': BENCHMARK.replace('A shop', name),
    'compose.yaml': COMPOSE,
    'load.ts': '',
  });
  const of = async (benchmarks: Record<string, object>, args: string[] = []) => {
    const root = t.testdir({ benchmarks } as Parameters<typeof t.testdir>[0]);
    return (await loadConfig(parseBenchArgs(args), { root, cwd: root })).benchmark;
  };
  t.equal(await of({ a: folder('a') }), 'a', 'the only one');
  t.equal(await of({ a: folder('a'), shop: folder('shop') }), 'shop');
  t.equal(await of({ a: folder('a'), shop: folder('shop') }, ['--benchmark=a']), 'a');
  t.equal(await of({ 'My Bench': folder('a') }, ['--benchmark=./benchmarks/My Bench']), 'my-bench', 'any folder');
  await t.rejects(of({ a: folder('a'), b: folder('b') }), /there are several benchmarks, so --benchmark must name one/);
  await t.rejects(of({}), /there is no benchmark: no benchmarks\/<name>\/benchmark\.yaml/);
});

t.test('the help names every flag', async (t) => {
  const { help } = parseBenchArgs(['-h']);
  for (const { name } of FLAGS) t.match(help, `--${name}`);
  t.equal(parseBenchArgs([]).help, undefined);
  t.match(parseBenchArgs(['--json', '--quiet']), { json: true, quiet: true });
});

t.test('durations and shares', async (t) => {
  const durations: [string, number | null][] = [
    ['500ms', 0.5],
    ['20s', 20],
    ['2m', 120],
    ['1m30s', 90],
    ['1h', 3600],
    ['1h2m3s4ms', 3723.004],
    ['1.5s', 1.5],
    ['0s', 0],
    ['', null],
    ['20', null],
    ['s', null],
    ['-1s', null],
    ['1s1m', null],
    ['1 s', null],
  ];
  for (const [text, seconds] of durations) t.equal(parseDuration(text), seconds, JSON.stringify(text));
  for (const [share, value] of [
    ['0.3%', 0.003],
    ['7%', 0.07],
    ['100%', 1],
    ['0.5 %', 0.005],
    [0.25, 0.25],
  ] as const)
    t.equal(parseShare(share), value);
});

t.test('did you mean', async (t) => {
  t.equal(nearest('comit', ['commit', 'rounds']), 'commit');
  t.equal(nearest('shpo', ['shop']), 'shop');
  t.equal(nearest('RATE', ['rate']), 'rate');
  t.equal(nearest('quux', ['commit', 'rounds']), undefined);
});

t.test('the benchmarks of this repository are right', async (t) => {
  const root = join(import.meta.dirname, '../..');
  t.equal((await loadConfig({}, { root, cwd: root })).benchmark, 'shop');
  t.equal((await loadConfig({ benchmark: 'caddy', commit: 'v2.10.0' }, { root, cwd: root })).benchmark, 'caddy');
});
