import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { compile } from '../../scripts/config/schema.ts';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { accountFor } from '../../scripts/events/account.ts';
import { calibrate, quoteOf } from '../../scripts/judge/calibration.ts';
import { judgeRun } from '../../scripts/judge/judge-run.ts';
import { judgeTwoRuns } from '../../scripts/judge/two-runs.ts';
import { aWorld, live, WINDOW } from '../events/history.ts';
import { K6_LOAD, makeComparison, makeJudged, makeRound, makeRun } from '../run-document.ts';

const schemaOf = (name: string) =>
  compile(JSON.parse(readFileSync(join(import.meta.dirname, `../../docs/schemas/mayfly.${name}.v1.json`), 'utf8')));
const [validateRun, validateVerdict] = [schemaOf('run'), schemaOf('verdict')];

/** What the schema says about a document as it is printed. */
function faults(document: unknown, validate = validateRun): string[] {
  return validate(JSON.parse(JSON.stringify(document)))
    ? []
    : validate.errors!.map(({ instancePath, keyword }) => `${instancePath} ${keyword}`);
}

t.test('every run document fits its schema', async (t) => {
  t.strictSame(faults(makeRun()), []);
  t.strictSame(faults(makeComparison(1.02)), []);
  t.strictSame(
    faults(
      makeRun({
        status: 'running',
        finished_at: undefined,
        archive: undefined,
        rounds: [],
        cpusets: { services: null, loadgen: null, metrics: null },
      }),
    ),
    [],
  );
  t.strictSame(
    faults(
      makeRun({
        status: 'invalid',
        status_reason: 'x',
        rounds: [makeRound('candidate', 1, {}, [{ code: 'throttled', message: 'x' }])],
      }),
    ),
    [],
  );
});

t.test('what became of the events of any round fits it', async (t) => {
  await fc.assert(
    fc.asyncProperty(aWorld, async (world) => {
      const events = await accountFor(live(world).records, { ...WINDOW, drained: world.drained });
      const services = ['mail', 'stock'].map((service) => ({ service, cpu_seconds_per_request: 0.001 }));
      t.strictSame(faults(makeRun({ rounds: [{ ...makeRound('candidate', 1, {}), events, services }] })), []);
    }),
    { numRuns: 50 },
  );
});

t.test('every kind of load fits it, and that of an older run', async (t) => {
  const { load } = makeRun();
  const { arrivals: _, ...any } = load;
  const loads: RunDocument['load'][] = [
    { ...load, arrivals: 'poisson' },
    {
      ...load,
      rate: 150,
      stages: [
        { rate: 200, duration_s: 15 },
        { rate: 0, duration_s: 5 },
      ],
    },
    { ...load, arrivals: 'file', workload: undefined },
    { ...any, model: 'closed', rate: 0, warmup_s: 0, users: 30, iterations: 1, think_s: 0 },
    K6_LOAD,
  ];
  for (const one of loads) t.strictSame(faults(makeRun({ load: one })), []);
  t.strictSame(faults(makeRun({ load: { ...load, stages: [] } })), ['/load/stages minItems']);
});

t.test('and one that is not as it says does not', async (t) => {
  t.strictSame(faults({ ...makeRun(), schema: 'mayfly.run/v2' }), ['/schema enum']);
  t.strictSame(faults({ ...makeRun(), extra: 1 }), [' additionalProperties']);
  t.strictSame(faults({ ...makeRun(), run_id: undefined }), [' required']);
  t.strictSame(faults(makeRun({ rounds: [{ ...makeRound('candidate', 1, {}), started_at: 'yesterday' }] })), [
    '/rounds/0/started_at pattern',
  ]);
  t.strictSame(faults(makeRun({ rounds: [makeRound('candidate', 1, { latency_med: Number.NaN })] })), [
    '/rounds/0/samples/latency_med/value type',
  ]);
});

t.test('what a comparison and a search for the capacity add to it', async (t) => {
  const judged = makeJudged({
    master: true,
    metrics: makeRun().metrics.map((metric) => ({ ...metric, margin_from: 'calibration' })),
  });
  t.strictSame(faults(judged), []);
  t.strictSame(
    faults({
      ...judged,
      pairing: 'alternating',
      comparison: { design: 'fixed', min: 20, max: 20, max_minutes: 10 },
      rounds: judged.rounds.map((round, i) => ({ ...round, block: 1 + Math.floor(i / 4) })),
    }),
    [],
  );
  t.strictSame(
    faults(
      makeRun({ rounds: [{ ...makeRound('candidate', 1, {}, [{ code: 'saturated', message: 'x' }]), rate: 400 }] }),
    ),
    [],
  );
  const capacity = {
    schema: 'mayfly.capacity/v1',
    capacity: 410,
    fails_at: null,
    limited_by: 'cap',
    objectives: { latency_p99: 0.05 },
    probes: [
      { rate: 400, met: true, round: 1 },
      { rate: 420, met: false, why: 'x', round: 2 },
    ],
  } as const;
  t.strictSame(faults(makeRun({ capacity: { ...capacity, probes: [...capacity.probes] } })), []);
  t.strictSame(faults({ ...judged, verdict: { ...judged.verdict, schema: 'mayfly.verdict/v2' } }), [
    '/verdict/schema enum',
  ]);
  t.strictSame(faults({ ...judged, comparison: { design: 'endless', min: 6, max: 40 } }), ['/comparison/design enum']);
});

t.test('every verdict document fits its schema', async (t) => {
  const { candidate } = makeRun().sides;
  const calibration = quoteOf(
    calibrate(makeJudged({ count: 20, sides: { candidate, baseline: candidate } }), {
      decisions: 20,
      primary: 20,
      other: 1,
    }),
  );
  const spoilt = (run: RunDocument): RunDocument => ({
    ...run,
    status: 'invalid',
    rounds: run.rounds.map((round) => ({ ...round, valid: false, reasons: [{ code: 'throttled', message: 'x' }] })),
  });
  const runs: RunDocument[] = [
    makeJudged(),
    makeJudged({ factors: { latency_med: 1.08 } }),
    makeJudged({
      factors: { latency_med: 0.9, cpu_seconds_per_request: 0.9 },
      comparison: { design: 'fixed', min: 12, max: 12 },
    }),
    makeJudged({ noise: 0.05, count: 8 }),
    makeJudged({ noise: 0.3, count: 2 }),
    makeJudged({ count: 0 }),
    spoilt(makeJudged()),
    makeComparison(1.1),
    makeJudged({ metrics: [] }),
  ];
  const verdicts = runs.map((run) => judgeRun(run, calibration));
  t.strictSame(
    [...new Set(verdicts.map(({ verdict }) => verdict))].sort(),
    ['IMPROVEMENT', 'INCONCLUSIVE', 'INVALID', 'PASS', 'REGRESSION'],
    'all of them',
  );
  for (const verdict of verdicts) t.strictSame(faults(verdict, validateVerdict), [], verdict.verdict);
  for (const run of runs) t.strictSame(faults(judgeRun(run), validateVerdict), []);
  for (const [a, b] of [
    [runs[0]!, runs[1]!],
    [makeRun(), makeRun()],
    [makeRun(), runs[0]!],
  ] as const)
    t.strictSame(faults(judgeTwoRuns(a, { ...b, run_id: '01B' }), validateVerdict), []);
});

t.test('and one that is not as it says does not', async (t) => {
  const verdict = makeJudged().verdict!;
  const [first, ...others] = verdict.metrics;
  t.strictSame(faults({ ...verdict, schema: 'mayfly.verdict/v2' }, validateVerdict), ['/schema enum']);
  t.strictSame(faults({ ...verdict, extra: 1 }, validateVerdict), [' additionalProperties']);
  t.strictSame(faults({ ...verdict, verdict: 'MAYBE' }, validateVerdict), ['/verdict enum']);
  t.strictSame(faults({ ...verdict, metrics: [{ ...first, verdict: 'INVALID' }, ...others] }, validateVerdict), [
    '/metrics/0/verdict enum',
  ]);
  t.strictSame(
    faults({ ...verdict, metrics: [{ ...first, interval: { level: 0.95, low: 0 } }, ...others] }, validateVerdict),
    ['/metrics/0/interval required'],
  );
  t.strictSame(
    faults({ ...verdict, metrics: [{ ...first, change: Number.NaN }, ...others] }, validateVerdict),
    [],
    'JSON has no NaN: it is null',
  );
});
