/** Calibrations of made-up runs whose truth is known; the false alarms of the design are simulated by perf:verdict. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { generator } from '../../loadgen/schedule.ts';
import { compile } from '../../scripts/config/schema.ts';
import type { Metric, RoundDocument, RunDocument } from '../../scripts/documents/run.ts';
import {
  CAPS,
  calibrate,
  calibratedMargins,
  correlation,
  isCalibrationRun,
  observationCount,
  quoteOf,
} from '../../scripts/judge/calibration.ts';
import { binomialAtMost, shareOf } from '../../scripts/judge/clopper-pearson.ts';
import { calibrationRun, type Truth } from './calibration-run.ts';

const EFFORT = { decisions: 200, primary: 60, other: 40 };
const fits = compile(
  JSON.parse(readFileSync(join(import.meta.dirname, '../../docs/schemas/mayfly.calibration.v1.json'), 'utf8')),
);
const calm: Record<string, Truth> = { latency_med: { noise: 0.01 }, latency_p95: { noise: 0.03 } };
const made = (truths: Record<string, Truth>, rounds = 60) => calibrationRun(truths, rounds);
const ofCalm = calibrate(made(calm), EFFORT);
const metricOf = (calibration: ReturnType<typeof calibrate>, name: string) =>
  calibration.metrics.find((metric) => metric.name === name)!;

t.test('the exact interval of a share', async (t) => {
  const near = (actual: number, wanted: number) => t.ok(Math.abs(actual - wanted) < 5e-5, `${actual} is ${wanted}`);
  // Known values: 0 of n is 1 - 0.025^(1/n); 5 of 10 and 1 of 20 stand in every table of Clopper-Pearson limits.
  t.strictSame(shareOf(0, 100).low, 0);
  near(shareOf(0, 100).high, 1 - 0.025 ** (1 / 100));
  near(shareOf(100, 100).low, 0.025 ** (1 / 100));
  t.strictSame(shareOf(100, 100).high, 1);
  near(shareOf(5, 10).low, 0.1871);
  near(shareOf(5, 10).high, 0.8129);
  near(shareOf(1, 20).low, 0.0013);
  near(shareOf(1, 20).high, 0.2487);
  near(shareOf(50, 5000).high, 0.013164);
  t.strictSame(shareOf(0, 0), { share: 0, low: 0, high: 1 });
  near(binomialAtMost(1, 3, 0.5), 0.5);
  near(binomialAtMost(0, 10_000, 1e-4), 0.36786);
});

t.test(
  'a build that is like itself: hardly a false alarm, the noise as it was made, more rounds see more',
  async (t) => {
    const run = made(calm);
    const calibration = ofCalm;
    t.ok(fits(JSON.parse(JSON.stringify(calibration))), JSON.stringify(fits.errors));
    t.match(calibration, {
      schema: 'mayfly.calibration/v1',
      run_id: run.run_id,
      benchmark: 'shop',
      host_id: 'h0st',
      pairing: 'interleaved',
      rounds: 60,
      decisions: 200,
      observations: 40,
    });
    t.ok(calibration.false_alarms.share <= 0.01, `false alarms ${calibration.false_alarms.share}`);
    t.ok(calibration.false_improvements!.share <= 0.01);
    t.ok(
      calibration.length.median >= 6 &&
        calibration.length.median <= calibration.length.p95 &&
        calibration.length.p95 <= 40,
    );
    for (const [name, noise] of [
      ['latency_med', 0.01],
      ['latency_p95', 0.03],
    ] as const) {
      const metric = metricOf(calibration, name);
      t.ok(metric.noise > noise * 0.7 && metric.noise < noise * 1.4, `${name}: noise ${metric.noise}`);
      t.ok(Math.abs(metric.correlation) < 0.4);
      t.ok(metric.difference!.low < 0.005 && metric.difference!.high > -0.005);
      t.strictSame(
        metric.detects.map(({ observations }) => observations),
        [...CAPS],
      );
      const found = metric.detects.map(({ slowdown }) => slowdown!);
      t.ok(found[0]! >= found[1]! && found[1]! >= found[2]! && found[2]! < found[0]!, `${name}: ${found}`);
      t.ok(found[2]! >= noise / 2 && found[2]! <= 2 * noise, `${name} is found at ${found[2]}`);
      t.equal(metric.why, undefined);
      t.ok(metric.fit);
      t.equal(calibration.detects[name], found[2]);
    }
    t.strictSame(calibrate(run, EFFORT), calibration, 'the same rounds give the same document');
  },
);

t.test('a side that is always 2 % slower raises alarms, and does not make slowdowns seem easier to find', async (t) => {
  const calibration = calibrate(
    made({ latency_med: { noise: 0.01, bias: 0.02 }, latency_p95: { noise: 0.03 } }),
    EFFORT,
  );
  t.ok(calibration.false_alarms.low > 0.5, `false alarms ${calibration.false_alarms.share}`);
  t.ok(metricOf(calibration, 'latency_med').difference!.low > 0.01);
  t.equal(calibration.detects.latency_med, ofCalm.detects.latency_med);
  const faster = calibrate(made({ latency_med: { noise: 0.01, bias: -0.03 } }), EFFORT);
  t.equal(faster.false_alarms.share, 0, 'one that is faster raises none');
  t.ok(faster.false_improvements!.low > 0.5, `false improvements ${faster.false_improvements!.share}`);
});

t.test('neighbours stay together', async (t) => {
  const random = generator(3);
  let level = 0;
  const walk = Array.from({ length: 400 }, () => (level = 0.8 * level + random() - 0.5));
  t.ok(correlation(walk) > 0.6);
  t.ok(Math.abs(correlation(walk.map(() => random()))) < 0.2);
  t.equal(correlation([1, 1, 1]), 0);
  t.equal(correlation([1, -1, 1, -1]), -0.75);
});

t.test('which metrics may gate', async (t) => {
  const run = made({
    latency_med: { noise: 0.01 },
    latency_p99: { noise: 0.02 },
    latency_max: { noise: 0.4 },
    request_rate: { noise: 0.0001 },
    failed_requests: { noise: 0, level: 0 },
    order_p95: { noise: 0.01, missing: 10 },
  });
  const calibration = calibrate(
    {
      ...run,
      metrics: [...run.metrics, { name: 'nothing', unit: 's', better: 'lower', primary: false, margin: 0.01 }],
    },
    EFFORT,
  );
  const why = Object.fromEntries(calibration.metrics.map(({ name, why }) => [name, why]));
  t.match(why, {
    latency_med: undefined,
    latency_p99: '4000 requests for each side and round are too few: 10000 or more',
    latency_max: /^\d+\.\d % is the smallest slowdown found in 40 observations/,
    request_rate: 'it tells of the load, not of the service',
    failed_requests: 'it is 0 or missing in 60 of 60 observations',
    order_p95: 'it is 0 or missing in 10 of 60 observations',
    nothing: 'it has no value',
  });
  t.equal(metricOf(calibration, 'latency_med').fit, true);
  t.equal(calibration.detects.failed_requests, null);
  t.equal(calibration.detects.nothing, null);
  t.ok(fits(JSON.parse(JSON.stringify(calibration))), JSON.stringify(fits.errors));
  const enough = calibrate({ ...run, load: { ...run.load, rate: 500 } }, EFFORT);
  t.equal(metricOf(enough, 'latency_p99').fit, true, '10,000 requests are enough');
});

t.test('more is better: a decrease is what is found', async (t) => {
  const run = made({ latency_med: { noise: 0.01, bias: -0.03 } });
  const turned = { ...run, metrics: run.metrics.map((metric) => ({ ...metric, better: 'higher' as const })) };
  const calibration = calibrate(turned, EFFORT);
  t.ok(calibration.false_alarms.low > 0.5);
  t.ok(calibration.detects.latency_med! < 0.02);
});

t.test('alternating: an observation is a block of four', async (t) => {
  const run = made(calm, 80);
  const sides = ['candidate', 'baseline', 'baseline', 'candidate'] as const;
  const rounds = Array.from({ length: 80 }, (_, i): RoundDocument => {
    const side = sides[i % 4]!;
    return { ...run.rounds.find((one) => one.side === side && one.round === i + 1)!, block: Math.floor(i / 4) + 1 };
  });
  const alternating: RunDocument = { ...run, pairing: 'alternating', rounds };
  t.equal(observationCount(alternating), 20);
  t.match(calibrate(alternating, EFFORT), { rounds: 20, observations: 20, pairing: 'alternating' });
});

t.test('what cannot be a calibration is refused', async (t) => {
  t.throws(() => calibrate(made(calm, 9), EFFORT), /needs 10 observations, got 9/);
  const run = made(calm);
  const other = { ...run, sides: { ...run.sides, baseline: { ...run.sides.baseline!, commit: 'b'.repeat(40) } } };
  t.equal(isCalibrationRun(run), true);
  t.equal(isCalibrationRun(other), false);
  t.throws(() => calibrate(other, EFFORT), /not one build against itself/);
  const { baseline, ...solo } = run.sides;
  t.equal(isCalibrationRun({ ...run, sides: solo }), false);
});

t.test('margins from a calibration', async (t) => {
  const quote = quoteOf(ofCalm);
  t.strictSame(Object.keys(quote), ['run_id', 'at', 'rounds', 'decisions', 'false_alarms', 'detects', 'observations']);
  const metric = (name: string, margin: number, from: Metric['margin_from']): Metric => ({
    name,
    unit: 's',
    better: 'lower',
    primary: true,
    margin,
    margin_from: from,
  });
  const metrics = [
    metric('a', 0.01, 'default'),
    metric('b', 0.01, 'benchmark'),
    metric('c', 0.03, 'default'),
    metric('d', 0.01, 'default'),
    metric('e', 0.01, 'default'),
  ];
  const margins = calibratedMargins(metrics, { ...quote, detects: { a: 0.04, b: 0.04, c: 0.02, d: null } });
  t.strictSame(
    margins.map(({ name, margin, margin_from }) => [name, margin, margin_from]),
    [
      ['a', 0.04, 'calibration'],
      ['b', 0.01, 'benchmark'],
      ['c', 0.03, 'default'],
      ['d', 0.01, 'default'],
      ['e', 0.01, 'default'],
    ],
  );

  const run = made({ latency_med: { noise: 0.01 } });
  const widened = {
    ...run,
    metrics: run.metrics.map((one) => ({ ...one, margin: 0.2, margin_from: 'calibration' as const })),
  };
  t.strictSame(
    calibrate(widened, EFFORT).detects,
    calibrate(run, EFFORT).detects,
    'a calibration does not rest on the one before',
  );
});
