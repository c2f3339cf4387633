/** What is measured next follows from what is stored. */
import t from 'tap';
import { VERSION } from '../../loadgen/version.ts';
import type { RoundDocument, RunDocument } from '../../scripts/documents/run.ts';
import { asBegun, mustBeTheSame, runToResume, takenOver } from '../../scripts/measure/resume.ts';
import { nextRound, nothingToJudge, unreadWarnings } from '../../scripts/measure/rounds.ts';
import { designComparison } from '../../scripts/plan/plan.ts';
import { aConfig, aPlan } from '../fixtures/plan.ts';
import { makeComparison, makeRound, makeRun } from '../run-document.ts';

const plan = (pairing: 'interleaved' | 'alternating') =>
  aPlan(['candidate', 'baseline'], { pairing, comparison: designComparison(aConfig(), pairing) });

t.test('a comparison is sequential, unless the number of rounds is given', async (t) => {
  t.same(designComparison(aConfig(), 'interleaved'), { design: 'sequential', min: 6, max: 40 });
  t.same(designComparison(aConfig(), 'alternating'), { design: 'sequential', min: 6, max: 20 });
  t.same(
    designComparison(aConfig({ comparison: { pairing: 'auto', min: 6, max: 12, maxMinutes: 3 } }), 'interleaved'),
    { design: 'sequential', min: 6, max: 12, max_minutes: 3 },
  );
  t.same(designComparison(aConfig({ comparison: { pairing: 'auto', min: 6, fixed: 3 } }), 'interleaved'), {
    design: 'fixed',
    min: 3,
    max: 3,
  });
});

t.test('interleaved: both sides in every round; a round that was invalid keeps its number', async (t) => {
  const invalid = [{ code: 'rate-missed' as const, message: 'slow' }];
  t.match(nextRound({ rounds: [] }, plan('interleaved')), {
    round: 1,
    title: 'round 1 of at most 40',
    plan: { sides: { length: 2 } },
  });
  const rounds = [
    makeRound('candidate', 1, {}),
    makeRound('baseline', 1, {}),
    makeRound('candidate', 2, {}, invalid),
    makeRound('baseline', 2, {}),
  ];
  t.match(nextRound({ rounds }, plan('interleaved')), {
    round: 3,
    title: 'round 3 (1 valid so far, of at most 40)',
  });
  t.equal(nextRound({ rounds: [] }, plan('alternating')).title, 'round 1 (candidate; 1 of 4 in block 1 of at most 20)');
});

t.test('alternating: A B B A, then B A A B; an invalid round is measured again in its place', async (t) => {
  const rounds: RoundDocument[] = [];
  const order: string[] = [];
  for (let i = 0; i < 9; i++) {
    const next = nextRound({ rounds }, plan('alternating'));
    const side = next.plan.sides.map(({ name }) => name);
    t.equal(side.length, 1);
    const reasons = i === 5 ? [{ code: 'rate-missed' as const, message: 'slow' }] : [];
    rounds.push({ ...makeRound(side[0]!, next.round, {}, reasons), block: next.block! });
    order.push(`${next.block}${side[0]![0]}`);
  }
  t.same(order, ['1c', '1b', '1b', '1c', '2b', '2c', '2c', '2c', '2b']);
  t.same(
    rounds.map(({ round }) => round),
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
});

const interrupted = (laid: Partial<RunDocument> = {}): RunDocument => ({
  ...makeComparison(1.05),
  benchmark: 'probe',
  status: 'interrupted',
  comparison: { design: 'sequential', min: 6, max: 40 },
  load: {
    ...makeRun().load,
    generator: `mayfly ${VERSION}`,
    target: 'http://probe:8080',
    rate: 77,
    duration_s: 4,
    warmup_s: 1,
    max_in_flight: 20,
  },
  metrics: [],
  ...laid,
});
const resumed = (run: RunDocument, successor?: string) =>
  runToResume(aConfig({ resume: run.run_id }), { store: { run: () => run, continuedBy: () => successor } as never });

t.test('an interrupted comparison is gone on with as it was begun', async (t) => {
  const run = resumed(interrupted({ pairing: 'alternating', labels: { pr: '7' } }));
  const config = asBegun(aConfig(), run);
  t.match(config, {
    commit: 'a'.repeat(40),
    against: 'b'.repeat(40),
    load: {
      model: { kind: 'open', arrivals: 'constant', rate: 77, durationS: 4 },
      rate: 77,
      durationS: 4,
      warmupS: 1,
      maxInFlight: 20,
    },
    comparison: { pairing: 'alternating', min: 6, max: 40 },
    labels: { pr: '7' },
  });
  t.ok(takenOver(run).every(({ from_run }) => from_run === run.run_id));
  t.equal(
    takenOver({ ...run, rounds: takenOver(run), run_id: 'LATER' })[0]!.from_run,
    run.run_id,
    'the run that measured it',
  );
  const same = aPlan(['candidate'], { host: run.host, stackVersion: run.stack_version, workload: run.load.workload! });
  const images = same.sides[0]!.builds.map(({ name, tag }) => ({
    name,
    tag,
    id: 'sha256:1',
    source: 'built' as const,
  }));
  const built = { ...run, sides: { ...run.sides, candidate: { ...run.sides.candidate, images } } };
  t.doesNotThrow(() => mustBeTheSame(same, built));
  t.throws(
    () => mustBeTheSame({ ...same, host: { ...run.host, id: 'other' } }, built),
    /it was measured on another host/,
  );
  t.throws(() => mustBeTheSame({ ...same, stackVersion: 'new' }, built), /it was measured by another stack/);
  t.throws(() => mustBeTheSame({ ...same, workload: 'other' }, built), {
    name: 'UsageError',
    message: /it was measured with another load script/,
    hint: /npm run bench -- --commit=a{12} --against=b{12}/,
  });
  t.throws(
    () => mustBeTheSame(same, { ...built, load: { ...built.load, workload: undefined } }),
    /another load script/,
    'of a run of before it was known nobody can say that it is the same',
  );
  t.throws(() => mustBeTheSame(same, run), /probe is built in another way now/);
  t.equal(
    asBegun(aConfig(), { ...run, pairing: 'interleaved', rounds: [] }).comparison.pairing,
    'auto',
    'as long as no round is valid',
  );
  t.equal(asBegun(aConfig(), { ...run, pairing: 'interleaved' }).comparison.pairing, 'interleaved');
});

t.test('a run is gone on with as it was traced, whatever its file or its flags said', async (t) => {
  const traces = { sampling: 0.5, keep: 5 };
  const run = (laid: Partial<RunDocument>) => interrupted({ pairing: 'interleaved', ...laid });
  t.strictSame(asBegun(aConfig(), run({ traces })).traces, traces);
  t.equal(asBegun(aConfig({ traces }), run({})).traces, null);
  const metric = {
    name: 'consumer_self',
    unit: 's',
    better: 'lower',
    primary: false,
    margin: 0.01,
    trace: { hop: 'consumer', value: 'self_avg' },
  } as const;
  const config = aConfig({ traces, metrics: [metric] });
  const ctx = (stored: RunDocument) => ({ store: { run: () => stored, continuedBy: () => undefined } }) as never;
  const of = (stored: RunDocument) => runToResume({ ...config, resume: stored.run_id }, ctx(stored));
  t.doesNotThrow(() => of(run({ metrics: [] })), 'begun with --no-traces');
  t.doesNotThrow(() => of(run({ traces, metrics: [metric] })));
  const another = { ...metric, trace: { hop: 'consumer', value: 'self_p95' } } as const;
  t.throws(() => of(run({ traces, metrics: [another] })), {
    message: /its benchmark has other metrics now \(consumer_self\)/,
  });
});

for (const [why, run, successor] of [
  [/it is no comparison of two sides/, makeRun()],
  [/it is complete, and its verdict is final/, interrupted({ status: 'complete' })],
  [/it is running/, interrupted({ status: 'running' })],
  [/it is invalid/, interrupted({ status: 'invalid' })],
  [/it is of the benchmark shop, not probe/, interrupted({ benchmark: 'shop' })],
  [/its benchmark has another load now/, interrupted({ load: { ...interrupted().load, target: 'http://other:1' } })],
  [/its benchmark has another load now/, interrupted({ load: { ...interrupted().load, generator: 'k6' } })],
  [
    /load\/scenarios of its benchmark are others now/,
    interrupted({
      load: {
        ...interrupted().load,
        scenarios: [
          { name: 'uploads', model: 'closed', start_s: 0, max_in_flight: 9, users: 9, iterations: 1, think_s: 0 },
        ],
      },
    }),
  ],
  [/its benchmark has other metrics now/, interrupted({ metrics: makeRun().metrics })],
  [/run NEXT has resumed it already/, interrupted(), 'NEXT'],
] as [RegExp, RunDocument, string?][]) {
  t.test(`not gone on with: ${why.source}`, async (t) => {
    t.throws(() => resumed(run, successor), { name: 'UsageError', message: why });
  });
}

t.test('a metric without a value is named once, with its query', async (t) => {
  const told = new Set<string>();
  const one = (side: 'candidate' | 'baseline', name: string, why: string) => ({
    document: makeRound(side, 1, {}),
    unread: [{ name, promql: 'sum(x{$selector})', why }],
  });
  const nothing = 'its query gives nothing';
  t.same(unreadWarnings([one('candidate', 'hits', nothing), one('baseline', 'hits', nothing)], told), [
    'hits has no value of candidate and baseline: its query gives nothing: sum(x{$selector})',
  ]);
  t.same(
    unreadWarnings([one('baseline', 'hits', nothing), one('baseline', 'misses', nothing)], told),
    ['misses has no value of baseline: its query gives nothing: sum(x{$selector})'],
    'and not again',
  );
});

t.test('a primary metric that a side never had is told as one that is not judged', async (t) => {
  const unread = [
    { name: 'hits', promql: 'sum(x{$selector})', why: 'its query gives nothing', isLeftOut: true as const },
  ];
  t.same(unreadWarnings([{ document: makeRound('baseline', 1, {}), unread }], new Set()), [
    'hits is primary and is not judged: it has no value of baseline: its query gives nothing: sum(x{$selector})',
  ]);
});

t.test('a run in which no primary metric can be judged ends', async (t) => {
  const metric = (name: string, laid = {}) => ({
    name,
    unit: 'count',
    better: 'lower' as const,
    primary: true,
    margin: 0.01,
    ...laid,
  });
  const rounds = [makeRound('candidate', 1, { hits: 1, cpu: 1 }), makeRound('baseline', 1, { cpu: 1 })];
  t.equal(
    nothingToJudge({ metrics: [metric('hits')], rounds }),
    'no primary metric can be judged, so measuring again would tell the same: hits has no value of baseline',
  );
  t.equal(
    nothingToJudge({ metrics: [metric('cpu', { incomparable: 'the bounds differ' }), metric('miss')], rounds }),
    'no primary metric can be judged, so measuring again would tell the same: cpu: the bounds differ; miss has no value of candidate and baseline',
  );
  t.equal(nothingToJudge({ metrics: [metric('hits'), metric('cpu')], rounds }), null, 'the others decide');
  t.equal(nothingToJudge({ metrics: [metric('hits', { primary: false })], rounds }), null);
  t.equal(nothingToJudge({ metrics: [metric('hits')], rounds: rounds.slice(0, 1) }), null, 'the baseline comes yet');
  const spoilt = [rounds[0]!, makeRound('baseline', 1, {}, [{ code: 'host-load', message: 'busy' }])];
  t.equal(nothingToJudge({ metrics: [metric('hits')], rounds: spoilt }), null, 'it may come in a round that counts');
});
