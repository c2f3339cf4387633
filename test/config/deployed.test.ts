/** `--target`: what cannot be asked for with it, how much load there may be, and what is left of a benchmark. */
import t, { type Test } from 'tap';
import { asDeployed } from '../../scripts/config/deployed.ts';
import type { BrokerConfig, Config } from '../../scripts/config/types.ts';
import type { UsageError } from '../../scripts/core/errors.ts';
import { BENCHMARK, COMPOSE, load, swap } from './fixture.ts';

const URL = 'https://staging.example.org';
const OWNED = [`--target=${URL}/`, '--i-own-this-target'];

async function refused(t: Test, args: string[], benchmark = BENCHMARK): Promise<Pick<UsageError, 'message' | 'hint'>> {
  const error = await load(t, benchmark, COMPOSE, args).then(
    () => t.fail(`${args.join(' ')} is refused`) as unknown as UsageError,
    (error: UsageError) => error,
  );
  t.equal(error.exitCode, 2, error.message);
  return { message: error.message.replace(/\S*\/benchmarks\/shop\//g, ''), hint: error.hint };
}

t.test('what is left of a benchmark', async (t) => {
  const metrics = `metrics:
  - {name: cpu_seconds_per_request, primary: true}
  - {name: latency_med, primary: true}
  - {name: search_p95, promql: 'histogram_quantile(0.95, sum by (le) (rate(shop_seconds_bucket{$selector}[$window])))', unit: s, better: lower}
  - {name: sent, promql: 'sum(increase(mayfly_requests_total{$selector}[$window]))', unit: count, better: higher}
telemetry: [{service: shop}]
`;
  const config = await load(t, BENCHMARK + metrics, COMPOSE, [...OWNED, '--rate=50', '--duration=5s']);
  t.match(config, {
    commit: 'deployed',
    against: 'none',
    builds: {},
    scrape: [],
    telemetry: [],
    traces: null,
    load: { target: URL, rate: 50, durationS: 5, maxInFlight: 13 },
    deployed: {
      url: URL,
      notes: [
        'left out, since Mayfly sees nothing of the service but its answers: cpu_seconds_per_request, memory_peak, search_p95, telemetry',
      ],
    },
  });
  const names = config.metrics.map(({ name }) => name);
  for (const kept of ['latency_med', 'response_p95', 'request_rate', 'failed_requests', 'sent'])
    t.ok(names.includes(kept), kept);
  for (const left of ['cpu_seconds_per_request', 'memory_peak', 'search_p95']) t.notOk(names.includes(left), left);
  t.equal((await load(t, BENCHMARK, COMPOSE, [...OWNED, '--commit=v41'])).commit, 'v41', 'a label, of no repository');
  t.equal((await load(t, BENCHMARK, COMPOSE, [...OWNED, '--against=none'])).against, 'none');
  t.notOk('deployed' in (await load(t, BENCHMARK, COMPOSE)), 'without the flag nothing is different');
});

t.test('the address, and whose it is', async (t) => {
  t.strictSame(await refused(t, [`--target=${URL}`]), {
    message:
      '--target=https://staging.example.org needs --i-own-this-target: a load is an attack on who did not ask for it',
    hint: 'Add it only where the address is yours, or its owner knows. Nothing was sent.',
  });
  t.match(await refused(t, ['--target=http://127.0.0.1:8080']), {
    message: '--target=http://127.0.0.1:8080 needs --i-own-this-target: a load is an attack on who did not ask for it',
  });
  t.strictSame(await refused(t, ['--i-own-this-target']), {
    message: '--i-own-this-target is given without --target',
    hint: 'Name the address that is yours, for example --target=https://staging.example.org.',
  });
  for (const [wrong, message] of [
    ['shop:8080', '--target must be a URL such as http://127.0.0.1:8080, got "shop:8080"'],
    ['ftp://shop', '--target must be a URL such as http://127.0.0.1:8080, got "ftp://shop"'],
    ['https://me:secret@shop', '--target must not hold a user or a password'],
    ['https://shop/api', '--target must end after host and port, got "https://shop/api"'],
  ] as const)
    t.equal((await refused(t, [`--target=${wrong}`, '--i-own-this-target'])).message, message);
});

t.test('flags that mean nothing then are refused, with what to do instead', async (t) => {
  const side = 'there is one side, what is deployed at the address';
  const branch = 'what is deployed at an address is no part of the history of a branch';
  const variant = 'how the service is deployed there is not for Mayfly to say';
  const verdict = 'there is one side, so there is no verdict to wait for';
  const nothing = 'Mayfly starts nothing of the service, and sees nothing of it but its answers';
  for (const [flag, name, why, hint] of [
    ['--against=main', 'against=main', side, /^Measure it before and after .* npm run compare -- RUN RUN\. /],
    ['--against=https://other.example', 'against=https://other.example', side, /leave out --target\.$/],
    ['--variant=scaled', 'variant', variant, /--label=variant=NAME/],
    ['--against-variant=one', 'against-variant', variant, /--label=variant=NAME/],
    ['--branch=main', 'branch', branch, /--commit=LABEL/],
    ['--master', 'master', branch, /--commit=LABEL/],
    ['--paths=src/**', 'paths', branch, /--commit=LABEL/],
    ['--pairing=alternating', 'pairing', verdict, /--rounds=N/],
    ['--max-rounds=9', 'max-rounds', verdict, /--rounds=N/],
    ['--max-minutes=9', 'max-minutes', verdict, /--rounds=N/],
    ['--resume=last', 'resume', 'only a comparison is gone on with', /Leave one of them out\./],
    ['--profile', 'profile', nothing, /^Leave it out, or leave out --target/],
    ['--traces=10%', 'traces', nothing, /^Leave it out, or leave out --target/],
    ['--log-format=json', 'log-format', nothing, /^Leave it out, or leave out --target/],
  ] as const) {
    const said = await refused(t, [...OWNED, flag]);
    t.equal(said.message, `--${name} cannot be given with --target: ${why}`);
    t.match(said.hint, hint);
  }
});

t.test('parts of a benchmark that need what Mayfly starts are refused', async (t) => {
  const image = swap(
    BENCHMARK,
    '  script: load.ts',
    "  image: tool:1\n  command: [run]\n  requests: 'sum(x{$selector})'",
  );
  t.strictSame(await refused(t, OWNED, image), {
    message:
      "benchmark.yaml: it names another load generator (tool:1), and with --target only Mayfly's own has bounds that hold",
    hint: 'Leave out --target: Mayfly then starts all of it. Or write a benchmark without it for the address (docs/deployments.md).',
  });
});

t.test('what a benchmark names that Mayfly would have to start or disturb is refused', async (t) => {
  const config = await load(t, BENCHMARK, COMPOSE);
  const file = { load: config.load, rounds: config.rounds };
  const of = (changes: Partial<Config>) => () => asDeployed({ ...config, file: 'b.yaml', ...changes }, URL, file);
  const plain = config.deployments.candidate;
  const autoscale = { service: 'shop', metric: 'cpu' as const, target: 0.5, min: 1, max: 2, cooldownS: 15 };
  const refusals: [Partial<Config>, string][] = [
    [{ broker: {} as BrokerConfig }, 'it names a broker, and with --target nobody says what became of its events'],
    [
      { disturbances: [{ atS: 1, service: 'shop', kind: 'restart' }] },
      'it names disturbances, and with --target Mayfly disturbs nothing: it does so only to what it has started',
    ],
    [
      { deployments: { candidate: { ...plain, autoscale }, baseline: plain } },
      'it names an autoscaler, and with --target there are no replicas of its own to scale',
    ],
  ];
  for (const [changes, message] of refusals) t.throws(of(changes), { message: `b.yaml: ${message}`, exitCode: 2 });
});

t.test('the load of scenarios is added up', async (t) => {
  const config = await load(t, BENCHMARK, COMPOSE);
  const file = { load: config.load, rounds: config.rounds };
  const open = (rate: number) => ({ kind: 'open' as const, arrivals: 'constant' as const, rate, durationS: 10 });
  const of = (rate: number, users: number) => () => {
    const model = {
      kind: 'scenarios' as const,
      durationS: 10,
      scenarios: [
        { name: 'a', startS: 0, maxInFlight: 50, model: open(rate) },
        { name: 'b', startS: 0, maxInFlight: 50, model: open(500) },
        {
          name: 'c',
          startS: 0,
          maxInFlight: 1,
          model: { kind: 'closed' as const, users, iterations: 1, thinkS: 0, limitS: 10 },
        },
      ],
    };
    return asDeployed({ ...config, file: 'b.yaml', load: { ...config.load, model, durationS: 10 } }, URL, file);
  };
  t.equal(of(500, 150)().deployed?.url, URL);
  t.throws(of(501, 150), {
    message: 'b.yaml: with --target at most 1,000 iterations per second are sent, and the load asks for 1,001',
  });
  t.throws(of(500, 151), {
    message:
      'b.yaml: with --target at most 250 iterations may be under way at once, and the load asks for 251 (max_in_flight, or users)',
  });
});

t.test('the load: never more than the file asks for', async (t) => {
  for (const [flag, most] of [
    ['--rate=201', '--rate may be at most 200 per second'],
    ['--duration=21s', '--duration may be at most 20 s'],
    ['--warmup=6s', '--warmup may be at most 5 s'],
    ['--rounds=4', '--rounds may be at most 3'],
  ] as const)
    t.strictSame(await refused(t, [...OWNED, flag]), {
      message: `${most} with --target, which is what benchmark.yaml asks for`,
      hint: 'With --target a flag asks for less load, never for more. Who owns the benchmark changes its file.',
    });
  t.match(await load(t, BENCHMARK, COMPOSE, [...OWNED, '--rate=200', '--duration=20s', '--warmup=5s', '--rounds=3']), {
    load: { rate: 200, durationS: 20 },
  });
});

t.test('the load: limits that neither flag nor file lifts', async (t) => {
  const hint = 'Ask for less by --rate, --duration or --rounds, or in the file. No flag lifts this limit.';
  for (const [from, to, message] of [
    ['rate: 200', 'rate: 1001', 'at most 1,000 iterations per second are sent, and the load asks for 1,001'],
    [
      'rate: 200\n  duration: 20s',
      'stages: [{rate: 10, duration: 5s}, {rate: 1200, duration: 5s}]',
      'at most 1,000 iterations per second are sent, and the load asks for 1,200',
    ],
    [
      'rate: 200',
      'rate: 200\n  max_in_flight: 251',
      'at most 250 iterations may be under way at once, and the load asks for 251 (max_in_flight, or users)',
    ],
    [
      'rate: 200',
      'users: 251',
      'at most 250 iterations may be under way at once, and the load asks for 251 (max_in_flight, or users)',
    ],
    [
      'rate: 200\n  duration: 20s',
      'rate: 200\n  duration: 5m',
      'a run may send at most 300,000 iterations, and 3 rounds and 2 more for INVALID ones, of 61,000 each, are 305,000',
    ],
    [
      'rate: 200\n  duration: 20s',
      'users: 100\n  iterations: 601\n  duration: 20s',
      'a run may send at most 300,000 iterations, and 3 rounds and 2 more for INVALID ones, of 60,100 each, are 300,500',
    ],
  ] as const)
    t.strictSame(await refused(t, OWNED, swap(BENCHMARK, from, to)), {
      message: `benchmark.yaml: with --target ${message}`,
      hint,
    });
  t.match(await load(t, swap(BENCHMARK, 'rate: 200', 'rate: 1001'), COMPOSE, [...OWNED, '--rate=1000']), {
    load: { rate: 1000 },
  });
});
