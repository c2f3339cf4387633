/** The load of a benchmark: each model, and every rule about which fields go together. */
import t from 'tap';
import { BENCHMARK, COMPOSE, type Files, faults, load, swap } from './fixture.ts';

const FILE = 'benchmarks/shop/benchmark.yaml';
const RATE = '  rate: 200\n  duration: 20s\n';
/** The benchmark with other fields in place of rate and duration. */
const withLoad = (fields: string) => swap(BENCHMARK, RATE, fields && `${fields.replace(/^/gm, '  ')}\n`);
const image = (file: string) => swap(file, 'script: load.ts', 'image: vegeta\n  command: []\n  requests: x{$selector}');
const LOG = {
  'requests.csv':
    'at,method,path,name,body\n0,GET,/,front page,\n0.5,POST,/orders,,"{""a"":\n1}"\n2.0005,GET,/?q=1,,\n',
};

t.test('a constant rate', async (t) => {
  const { load: constant } = await load(
    t,
    withLoad('rate: 10\nduration: 2s\narrivals: poisson\ntimeout: 1.5s\nworkers: 2'),
    COMPOSE,
  );
  t.match(constant, {
    model: { kind: 'open', arrivals: 'poisson', rate: 10, durationS: 2 },
    rate: 10,
    durationS: 2,
    maxInFlight: 10,
    timeoutS: 1.5,
    workers: 2,
  });
});

t.test('stages', async (t) => {
  const text = '- {rate: 300, duration: 10s}\n- {rate: 300, duration: 20s}\n- {rate: 0, duration: 0s}';
  const stages = [
    { rate: 300, durationS: 10 },
    { rate: 300, durationS: 20 },
    { rate: 0, durationS: 0 },
  ];
  const ramp = (await load(t, withLoad(`rate: 100\nstages:\n${text}`), COMPOSE)).load;
  t.strictSame(ramp.model, { kind: 'open', arrivals: 'constant', rate: 100, durationS: 30, stages });
  t.match(ramp, { durationS: 30, warmupS: 5, maxInFlight: 75 });
  t.equal(ramp.rate, (200 * 10 + 300 * 20) / 30, 'the mean');
  t.match(
    (await load(t, withLoad(`arrivals: poisson\nstages:\n${text}`), COMPOSE)).load,
    { model: { arrivals: 'poisson', rate: 300 }, rate: 300 },
    'without a rate it begins with that of the first stage',
  );
  t.match(
    (await load(t, withLoad('warmup: 0s\nstages: [{rate: 0, duration: 0s}, {rate: 10, duration: 1s}]'), COMPOSE)).load,
    { model: { rate: 0 }, rate: 5 },
  );
});

t.test('a schedule', async (t) => {
  const file = swap(withLoad('schedule: requests.csv'), '  script: load.ts\n', '');
  const { dir, load: whole } = await load(t, file, COMPOSE, [], LOG);
  const rate = 3 / 2.002;
  t.strictSame(whole, {
    generator: { kind: 'mayfly', script: null },
    target: 'http://shop:8080',
    model: { kind: 'open', arrivals: 'file', file: `${dir}/requests.csv`, rate, durationS: 2.002 },
    rate,
    durationS: 2.002,
    warmupS: 5,
    maxInFlight: 10,
    timeoutS: 30,
    workers: 1,
  });
  t.match(
    (await load(t, withLoad('schedule: requests.csv'), COMPOSE, [], LOG)).load.generator,
    { script: `${dir}/load.ts` },
    'a script may be there too',
  );
  t.match(
    (await load(t, withLoad('schedule: requests.csv\nduration: 1s'), COMPOSE, [], LOG)).load,
    { durationS: 1, rate: 2, model: { durationS: 1, rate: 2 } },
    'it is cut',
  );
  t.match((await load(t, file, COMPOSE, ['--duration=2s'], LOG)).load, { durationS: 2, rate: 1 }, 'by a flag');
  t.match(
    (await load(t, file, COMPOSE, ['--duration=1m'], LOG)).load,
    { durationS: 2.002 },
    'a longer window than the file changes nothing',
  );
  const burst = `at,method,path\n${'0,GET,/\n'.repeat(100)}9,GET,/\n`;
  t.equal(
    (await load(t, file, COMPOSE, [], { 'requests.csv': burst })).load.maxInFlight,
    25,
    'a quarter of the busiest second',
  );
});

t.test('users', async (t) => {
  t.strictSame((await load(t, withLoad('users: 50'), COMPOSE)).load, {
    generator: { kind: 'mayfly', script: `${t.testdirName}/benchmarks/shop/load.ts` },
    target: 'http://shop:8080',
    model: { kind: 'closed', users: 50, iterations: 1, thinkS: 0, limitS: 600 },
    rate: 0,
    durationS: 600,
    warmupS: 0,
    maxInFlight: 50,
    timeoutS: 30,
    workers: 1,
  });
  const more = withLoad('users: 5\niterations: 3\nthink: 1.5s\nduration: 1m\nwarmup: 0s\nmax_in_flight: 20');
  t.match((await load(t, more, COMPOSE)).load, {
    model: { users: 5, iterations: 3, thinkS: 1.5, limitS: 60 },
    durationS: 60,
    warmupS: 0,
    maxInFlight: 20,
  });
  t.match((await load(t, more, COMPOSE, ['--duration=2m', '--warmup=0s'])).load, {
    model: { limitS: 120 },
    durationS: 120,
  });
});

const SCENARIOS = `duration: 30s
scenarios:
  migrations: {users: 30, start: 2s}
  uploads: {users: 10, iterations: 2, think: 500ms}
  browse: {rate: 50, duration: 20s, arrivals: poisson, start: 1s}
  orders: {stages: [{rate: 10, duration: 10s}], max_in_flight: 3}`;

t.test('scenarios', async (t) => {
  const { load: mixed, metrics } = await load(t, withLoad(SCENARIOS), COMPOSE);
  t.strictSame(mixed, {
    generator: { kind: 'mayfly', script: `${t.testdirName}/benchmarks/shop/load.ts` },
    target: 'http://shop:8080',
    model: {
      kind: 'scenarios',
      durationS: 30,
      scenarios: [
        {
          name: 'migrations',
          startS: 2,
          maxInFlight: 30,
          model: { kind: 'closed', users: 30, iterations: 1, thinkS: 0, limitS: 28 },
        },
        {
          name: 'uploads',
          startS: 0,
          maxInFlight: 10,
          model: { kind: 'closed', users: 10, iterations: 2, thinkS: 0.5, limitS: 30 },
        },
        {
          name: 'browse',
          startS: 1,
          maxInFlight: 13,
          model: { kind: 'open', arrivals: 'poisson', rate: 50, durationS: 20 },
        },
        {
          name: 'orders',
          startS: 0,
          maxInFlight: 3,
          model: {
            kind: 'open',
            arrivals: 'constant',
            rate: 10,
            durationS: 10,
            stages: [{ rate: 10, durationS: 10 }],
          },
        },
      ],
    },
    rate: (50 * 20 + 10 * 10) / 30,
    durationS: 30,
    warmupS: 5,
    maxInFlight: 56,
    timeoutS: 30,
    workers: 1,
  });
  t.match(
    metrics.filter(({ name }) => name.startsWith('uploads_')),
    ['avg', 'min', 'med', 'max', 'p90', 'p95', 'done', 'failed'].map((statistic) => ({
      name: `uploads_${statistic}`,
      primary: false,
      better: statistic === 'done' ? 'higher' : 'lower',
      unit: ['done', 'failed'].includes(statistic) ? 'count' : 's',
      margin: ['max', 'p90', 'p95'].includes(statistic) ? 0.03 : 0.01,
      margin_from: 'default',
    })),
    'each has metrics of its own',
  );
  const gated = `${withLoad('duration: 9s\nscenarios: {uploads: {users: 10}}')}metrics: [{name: uploads_p95, primary: true, margin: 10%}, {name: uploads_failed, primary: true}]\n`;
  const users = await load(t, gated, COMPOSE);
  t.match(users.load, { rate: 0, warmupS: 0, maxInFlight: 10 }, 'users are not warmed up');
  t.match(
    users.metrics.filter(({ primary }) => primary),
    [
      { name: 'uploads_p95', margin: 0.1 },
      { name: 'uploads_failed', better: 'lower' },
    ],
    'they gate like any other',
  );
  const closed = (await load(t, withLoad('users: 5'), COMPOSE)).metrics.map(({ name }) => name);
  t.ok(closed.includes('iteration_p95') && closed.includes('iteration_done'), 'a closed model alone has them too');
  t.notOk((await load(t, BENCHMARK, COMPOSE)).metrics.some(({ name }) => name.startsWith('iteration')));
});

t.test('a metric of a scenario that there is not', async (t) => {
  const file = `${withLoad('duration: 30s\nscenarios: {uploads: {users: 1}}')}metrics: [{name: upload_p95, primary: true}]\n`;
  const [fault] = await faults(t, file, COMPOSE);
  t.match(fault, /:15 metrics\/0\/name "upload_p95" is not built in \(did you mean uploads_p95\?\)/);
  t.match(fault, /uploads_done, uploads_failed$/);
});

t.test('flags that would change scenarios', async (t) => {
  const said = (flag: string, fields = SCENARIOS) => faults(t, withLoad(fields), COMPOSE, [flag]);
  const why =
    'load has the scenarios migrations, uploads, browse, orders, each with a rate or users and a time of its own';
  t.match(await said('--rate=5'), [`--rate cannot be given: ${why}`]);
  t.match(await said('--duration=5s'), [`--duration cannot be given: ${why}`]);
  t.equal((await load(t, withLoad(SCENARIOS), COMPOSE, ['--warmup=1s'])).load.warmupS, 1);
  t.match(await said('--warmup=1s', 'duration: 9s\nscenarios: {uploads: {users: 10}}'), [
    '--warmup must be 0s: all scenarios of load have users, and everybody does this once, measured from the first iteration on',
  ]);
});

t.test('another load generator', async (t) => {
  t.match(
    (await load(t, image(swap(BENCHMARK, 'rate: 200', 'rate: 200\n  arrivals: constant\n  max_in_flight: 7')), COMPOSE))
      .load,
    {
      generator: { kind: 'image', image: 'vegeta' },
      model: { kind: 'open', arrivals: 'constant', rate: 200, durationS: 20 },
      maxInFlight: 7,
      timeoutS: 30,
      workers: 1,
    },
  );
});

const SEES = "must be a file in the benchmark's folder, since the load generator sees nothing else; got";
const CONSTANT = 'another load generator gets a constant rate';
const CLOSED = 'in a closed model a user goes on when it has its answer';
const DUE = 'the file says when each request is due';
const OWN = 'they are those of the generator of Mayfly; give another one its own in command';
const ONE = '[{rate: 9, duration: 2s}]';

/** The first line with which a file is refused. */
const wrong: [what: string, file: string, sentence: string][] = [
  ['the old name', withLoad(`rate: 200\nduration: 20s\nvus: 50`), ':12 load/vus is called max_in_flight now'],
  [
    'a script of another kind',
    swap(BENCHMARK, 'load.ts', 'load.sh'),
    ':8 load/script must be a file that ends in .ts, .mts, .js or .mjs, got "load.sh"',
  ],
  ['a script outside', swap(BENCHMARK, 'load.ts', '../load.ts'), `:8 load/script ${SEES} "../load.ts"`],
  ['a script of the host', swap(BENCHMARK, 'load.ts', '/load.ts'), `:8 load/script ${SEES} "/load.ts"`],
  [
    'a script that is not there',
    swap(BENCHMARK, 'load.ts', 'other.mjs'),
    ":8 load/script is not there: other.mjs, counted from the benchmark's folder",
  ],
  [
    'a schedule of another kind',
    withLoad('schedule: log.txt'),
    ':10 load/schedule must be a file that ends in .csv or .jsonl, got "log.txt"',
  ],
  ['a schedule outside', withLoad('schedule: ../log.csv'), `:10 load/schedule ${SEES} "../log.csv"`],
  [
    'a schedule that is not there',
    withLoad('schedule: log.jsonl'),
    ":10 load/schedule is not there: log.jsonl, counted from the benchmark's folder",
  ],
  [
    'no amount',
    withLoad(''),
    ':7 load needs rate and duration; instead it may have stages, schedule, users or scenarios',
  ],
  ['no rate', withLoad('duration: 20s'), ':7 load needs rate; instead it may have schedule, users or scenarios'],
  ['no duration', withLoad('rate: 20'), ':7 load needs duration; instead it may have stages'],
  ['no amount for another generator', image(withLoad('')), ':7 load needs rate and duration'],
  ['no rate for another generator', image(withLoad('duration: 20s')), ':7 load needs rate'],
  [
    'a timeout of nothing',
    withLoad('rate: 200\nduration: 20s\ntimeout: 0s'),
    ':12 load/timeout must be from 1ms to 1h, got 0s',
  ],
  [
    'too long a timeout',
    withLoad('rate: 200\nduration: 20s\ntimeout: 2h'),
    ':12 load/timeout must be from 1ms to 1h, got 2h',
  ],
  ['no worker', withLoad('rate: 200\nduration: 20s\nworkers: 0'), ':12 load/workers must be >= 1 threads, got 0'],
  [
    'too many workers',
    withLoad('rate: 200\nduration: 20s\nworkers: 65'),
    ':12 load/workers must be <= 64 threads, got 65',
  ],
  [
    'unknown arrivals',
    withLoad('rate: 200\nduration: 20s\narrivals: poison'),
    ':12 load/arrivals must be constant or poisson, got "poison" (did you mean poisson?)',
  ],
  [
    'stages and a duration',
    withLoad(`duration: 20s\nstages: ${ONE}`),
    ':10 load/duration must not be given with stages: the window is as long as they are together',
  ],
  [
    'no stage',
    withLoad('stages: []'),
    ':10 load/stages must be a list of at least one stage with rate and duration, got a list of 0',
  ],
  ['a stage without its length', withLoad('stages: [{rate: 1}]'), ':10 load/stages/0 needs duration'],
  [
    'a stage of another rate',
    withLoad('stages: [{rate: -1, duration: 2s}]'),
    ':10 load/stages/0/rate must be >= 0 requests per second, got -1',
  ],
  [
    'stages of nothing',
    withLoad('rate: 5\nstages: [{rate: 0, duration: 2s}]'),
    ':11 load/stages must have a rate above 0 in one of them',
  ],
  [
    'stages that are too short',
    withLoad('stages: [{rate: 9, duration: 500ms}]'),
    ':10 load/stages must last 1s or longer together, got 500ms',
  ],
  [
    'stages of not one request',
    withLoad('stages: [{rate: 0.25, duration: 2s}]'),
    ':10 load/stages must be long enough for one request together, got 0.5 of one',
  ],
  [
    'a warm-up of no rate',
    withLoad('stages: [{rate: 0, duration: 2s}, {rate: 9, duration: 2s}]'),
    ':7 load needs rate, that of the warm-up, since the first stage has 0; or warmup: 0s',
  ],
  [
    'a schedule and a rate',
    withLoad('schedule: requests.csv\nrate: 9'),
    `:11 load/rate must not be given with schedule: ${DUE}`,
  ],
  [
    'a schedule and stages',
    withLoad(`schedule: requests.csv\nstages: ${ONE}`),
    `:11 load/stages must not be given with schedule: ${DUE}`,
  ],
  [
    'a schedule and arrivals',
    withLoad('schedule: requests.csv\narrivals: constant'),
    `:11 load/arrivals must not be given with schedule: ${DUE}`,
  ],
  [
    'too short a cut',
    withLoad('schedule: requests.csv\nduration: 500ms'),
    ':11 load/duration must be >= 1s, got 500ms',
  ],
  ['users and a rate', withLoad('users: 5\nrate: 9'), `:11 load/rate must not be given with users: ${CLOSED}`],
  ['users and stages', withLoad(`users: 5\nstages: ${ONE}`), `:11 load/stages must not be given with users: ${CLOSED}`],
  [
    'users and arrivals',
    withLoad('users: 5\narrivals: poisson'),
    `:11 load/arrivals must not be given with users: ${CLOSED}`,
  ],
  [
    'users and a schedule',
    withLoad('users: 5\nschedule: requests.csv'),
    `:11 load/schedule must not be given with users: ${CLOSED}`,
  ],
  [
    'users and a warm-up',
    withLoad('users: 5\nwarmup: 3s'),
    ':11 load/warmup must be 0s or left out with users: everybody does this once, measured from the first iteration on; got 3s',
  ],
  [
    'fewer in flight than users',
    withLoad('users: 5\nmax_in_flight: 4'),
    ':11 load/max_in_flight must be at least users (5), got 4',
  ],
  ['users and too short a window', withLoad('users: 5\nduration: 900ms'), ':11 load/duration must be >= 1s, got 900ms'],
  ['no users', withLoad('users: 0'), ':10 load/users must be >= 1 users, got 0'],
  ['too many users', withLoad('users: 100001'), ':10 load/users must be <= 100000 users, got 100001'],
  ['no iteration', withLoad('users: 5\niterations: 0'), ':11 load/iterations must be >= 1 iterations, got 0'],
  [
    'half an iteration',
    withLoad('users: 5\niterations: 0.5'),
    ':11 load/iterations must be a whole number of iterations, got 0.5',
  ],
  [
    'iterations of nobody',
    withLoad('rate: 200\nduration: 20s\niterations: 3'),
    ':7 load has iterations, so it needs users too',
  ],
  ['nobody thinks', withLoad('rate: 200\nduration: 20s\nthink: 3s'), ':7 load has think, so it needs users too'],
  [
    'users without a script',
    swap(withLoad('users: 5'), '  script: load.ts\n', ''),
    ':7 load needs exactly one of script (the generator of Mayfly), schedule (a file of requests for it, with or without a script) and image (any other load generator)',
  ],
  [
    'a metric from a schedule that there is not',
    `${withLoad('users: 5')}metrics: [{name: response_p95, primary: true}]\n`,
    ':14 metrics/0/primary cannot be true, since response_p95 counts from a schedule, which a closed model (load/users) has not',
  ],
  ...(
    [
      ['nothing', 'a: {start: 1s}', '/a needs users (a closed model), or rate or stages (an open one)'],
      ['users and a rate', 'a: {users: 1, rate: 2}', `/a/rate must not be given with users: ${CLOSED}`],
      [
        'users and a limit',
        'a: {users: 1, max_in_flight: 2}',
        `/a/max_in_flight must not be given with users: ${CLOSED}`,
      ],
      [
        'stages and a duration',
        `a: {stages: ${ONE}, duration: 2s}`,
        '/a/duration must not be given with stages: it is as long as they are together',
      ],
      ['iterations of nobody', 'a: {rate: 1, iterations: 2}', '/a has iterations, so it needs users too'],
      [
        'an unknown field',
        'a: {user: 1}',
        '/a/user is not known (did you mean users?); allowed here: users, iterations, think, rate, duration, stages, arrivals, start, max_in_flight',
      ],
      [
        'a start after the window',
        'a: {users: 1, start: 30s}',
        '/a/start must be within the window, which lasts 30 s (load/duration); got 30s',
      ],
      [
        'an end after the window',
        'a: {rate: 1, start: 11s, duration: 20s}',
        '/a/duration must end within the window, which lasts 30 s (load/duration); it ends after 31 s',
      ],
      [
        'stages that end after the window',
        'a: {start: 29s, stages: [{rate: 9, duration: 2s}]}',
        '/a/stages must end within the window, which lasts 30 s (load/duration); it ends after 31 s',
      ],
      [
        'a rate of nothing',
        'a: {rate: 0.1, duration: 5s}',
        '/a/duration must be long enough for one request: at 0.1 requests per second that is 10s',
      ],
      ['no time left', 'a: {rate: 10, start: 29500ms}', '/a must be >= 1s, got 500ms'],
      [
        'stages whose warm-up has no rate',
        'a: {stages: [{rate: 0, duration: 1s}, {rate: 9, duration: 2s}]}',
        '/a needs rate, that of the warm-up, since the first stage has 0; or warmup: 0s',
      ],
      [
        'a name of metrics that are there',
        'latency: {users: 1}',
        '/latency must have another name: latency_avg is a metric of every benchmark already',
      ],
      [
        'a name that is none',
        'Up-load: {users: 1}',
        '/Up-load must be named with lower-case letters, digits and _, starting with a letter, at most 40',
      ],
      ['none', '', ' must be a map of 1 to 10 names to scenarios, got an empty map'],
    ] as const
  ).map(([what, scenario, sentence]): [string, string, string] => [
    `scenario: ${what}`,
    withLoad(`duration: 30s\nscenarios: {${scenario}}`),
    `:11 load/scenarios${sentence}`,
  ]),
  [
    'scenarios without a window',
    withLoad('scenarios: {a: {users: 1}}'),
    ':7 load needs duration, the length of the window in which its scenarios are',
  ],
  [
    'scenarios in no window',
    withLoad('duration: 100ms\nscenarios: {a: {users: 1}}'),
    ':10 load/duration must be >= 1s, got 100ms',
  ],
  ...(['rate: 9', 'users: 9', 'schedule: requests.csv', 'max_in_flight: 9'] as const).map(
    (field): [string, string, string] => [
      `scenarios beside ${field}`,
      withLoad(`duration: 30s\n${field}\nscenarios: {a: {users: 1}}`),
      `:11 load/${field.split(':')[0]} must not be given with scenarios: each scenario has its own`,
    ],
  ),
  [
    'users of scenarios and a warm-up',
    withLoad('duration: 30s\nwarmup: 2s\nscenarios: {a: {users: 1}}'),
    ':11 load/warmup must be 0s or left out where all scenarios have users: they are measured from the first iteration on; got 2s',
  ],
  [
    'scenarios of users and a metric from a schedule',
    `${withLoad('duration: 30s\nscenarios: {a: {users: 1}}')}metrics: [{name: response_p95, primary: true}]\n`,
    ':15 metrics/0/primary cannot be true, since response_p95 counts from a schedule, which a closed model (users of load/scenarios) has not',
  ],
  [
    'another generator and scenarios',
    image(withLoad('duration: 9s\nscenarios: {a: {users: 1}}')),
    `:13 load/scenarios must not be given with image: ${CONSTANT}`,
  ],
  [
    'another generator and stages',
    image(withLoad(`rate: 9\nstages: ${ONE}`)),
    `:13 load/stages must not be given with image: ${CONSTANT}`,
  ],
  [
    'another generator and users',
    image(withLoad('users: 5')),
    `:12 load/users must not be given with image: ${CONSTANT}`,
  ],
  [
    'another generator and a schedule',
    image(withLoad('schedule: requests.csv')),
    ':7 load needs exactly one of script (the generator of Mayfly), schedule (a file of requests for it, with or without a script) and image (any other load generator)',
  ],
  [
    'another generator and arrivals',
    image(withLoad('rate: 200\nduration: 20s\narrivals: poisson')),
    `:14 load/arrivals must not be poisson with image: ${CONSTANT}`,
  ],
  [
    'another generator and workers',
    image(withLoad('rate: 200\nduration: 20s\nworkers: 1')),
    `:14 load/workers must not be given with image: ${OWN}`,
  ],
  [
    'another generator and a timeout',
    image(withLoad('rate: 200\nduration: 20s\ntimeout: 1s')),
    `:14 load/timeout must not be given with image: ${OWN}`,
  ],
];
for (const [what, file, sentence] of wrong) {
  t.test(what, async (t) => {
    t.strictSame((await faults(t, file, COMPOSE, [], LOG))[0], FILE + sentence);
  });
}

t.test('a link out of the folder', async (t) => {
  const files: Files = {
    'linked.ts': t.fixture('symlink', '../../store.yaml'),
    'inner.ts': t.fixture('symlink', 'load.ts'),
  };
  const [fault] = await faults(t, swap(BENCHMARK, 'load.ts', 'linked.ts'), COMPOSE, [], files);
  t.ok(
    fault!.startsWith(`${FILE}:8 load/script ${SEES} "linked.ts", a link to /`) && fault!.endsWith('/store.yaml'),
    String(fault),
  );
  t.strictSame(await faults(t, swap(BENCHMARK, 'load.ts', 'inner.ts'), COMPOSE, [], files), []);
});

const STAGES = withLoad(`stages: ${ONE}`);
const SCHEDULE = withLoad('schedule: requests.csv');
const USERS = withLoad('users: 5');
const wrongFlags: [file: string, flag: string, sentence: string][] = [
  [
    STAGES,
    '--rate=9',
    '--rate cannot be given: load has stages, which say how many requests are sent and for how long',
  ],
  [
    STAGES,
    '--duration=9s',
    '--duration cannot be given: load has stages, which say how many requests are sent and for how long',
  ],
  [SCHEDULE, '--rate=9', '--rate cannot be given: load has a schedule, which says when each request is due'],
  [SCHEDULE, '--duration=9ms', '--duration must be >= 1s, got 9ms'],
  [USERS, '--rate=9', '--rate cannot be given: load has users, and a closed model has no rate'],
  [USERS, '--duration=9ms', '--duration must be >= 1s, got 9ms'],
  [
    USERS,
    '--warmup=9s',
    '--warmup must be 0s: load has users, and everybody does this once, measured from the first iteration on',
  ],
];
for (const [file, flag, sentence] of wrongFlags) {
  t.test(sentence, async (t) => {
    t.strictSame(await faults(t, file, COMPOSE, [flag], LOG), [sentence]);
    if (sentence.includes('load has'))
      await t.rejects(load(t, file, COMPOSE, [flag], LOG), {
        message: sentence,
        hint: 'Leave the flag out, or change load in benchmark.yaml.',
      });
  });
}
