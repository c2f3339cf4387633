import t from 'tap';
import type { CalibrationQuote } from '../../scripts/documents/calibration.ts';
import type { Metric, RunDocument } from '../../scripts/documents/run.ts';
import { judgeRun } from '../../scripts/judge/judge-run.ts';
import { verdictMarkdown } from '../../scripts/report/markdown.ts';
import { verdictOpenMetrics } from '../../scripts/report/openmetrics.ts';
import { runTable } from '../../scripts/report/run-table.ts';
import { invalidRounds, verdictText } from '../../scripts/report/verdict-text.ts';
import { type JudgedOptions, makeJudged } from '../run-document.ts';

const PLAIN = { color: false };
const textOf = (options: JudgedOptions = {}, color = false) => verdictText(makeJudged(options).verdict!, { color });
/** Escape sequences of colours, bold not among them. */
const COLOUR = /\u001b\[[39]\d/;

const calibration: CalibrationQuote = {
  run_id: '01C',
  at: '2026-01-01T00:00:00.000Z',
  rounds: 60,
  decisions: 400,
  false_alarms: { share: 0.005, low: 0.0006, high: 0.018 },
  detects: { latency_med: 0.012, cpu_seconds_per_request: null, latency_p95: 0.04 },
  observations: 40,
};

t.test('a regression: the sentence, then what it rests on', async (t) => {
  const lines = textOf({ factors: { latency_med: 1.08 } }).split('\n');
  t.match(
    lines[0],
    /^REGRESSION {2}shop at HEAD \(a{12}\) against main \(b{12}\): latency med: 8\.\d % slower, 95 % interval 7\.\d to 8\.\d %$/,
  );
  t.match(lines[2], /^primary metric +candidate +baseline +change +95 % interval +what is sure +verdict$/);
  t.match(
    lines[3],
    /^latency med +1\.\d\d ms +1\.\d\d ms +\+8\.\d\d % +\+7\.\d\d % to \+8\.\d\d % +at least 7\.\d % worse +REGRESSION$/,
  );
  t.match(lines[4], /^CPU per request .* no increase above 0\.\d\d % +PASS$/);
  t.match(
    lines.join('\n'),
    /\nother metric .*\nlatency avg [^]*\nsearch_p95 .*\nOther metrics never change the verdict\./,
  );
  t.match(
    lines.join('\n'),
    /\n\d+ rounds counted, none INVALID\nno calibration of this benchmark on this host yet: npm run calibrate -- --benchmark=shop /,
  );
});

t.test('every other verdict', async (t) => {
  t.match(
    textOf({
      factors: { latency_med: 0.92, cpu_seconds_per_request: 0.92 },
      comparison: { design: 'fixed', min: 12, max: 12 },
    }),
    /^IMPROVEMENT {2}.*latency med: [78]\.\d % faster[^]*at least [78]\.\d % better +IMPROVEMENT\n/,
  );
  t.match(textOf(), /^PASS {2}.*: no slowdown or increase of a primary metric above 0\.\d\d %\n/);
  const open = makeJudged({ noise: 0.05, count: 8 }).verdict!;
  t.match(
    verdictText(open, PLAIN),
    /^INCONCLUSIVE {2}.*: Not decided after 8 rounds; about \d+ more probably would\. So far: [^]* INCONCLUSIVE\n[^]*about \d+ more probably would decide: npm run bench -- --commit=\w+ --against=\w+ --max-rounds=\d+/,
  );
  const deployments = {
    ...open,
    candidate: { ...open.candidate, variant: 'scaled' },
    baseline: { ...open.baseline, variant: 'single' },
  };
  t.match(verdictText(deployments, PLAIN), / --against=\w+ --variant=scaled --against-variant=single --max-rounds=\d+/);
  t.notMatch(verdictText(deployments, PLAIN), 'calibration', 'one is of one variant against itself');
  const scaled = { ...deployments, baseline: { ...open.baseline, variant: 'scaled' } };
  t.match(
    verdictText(scaled, PLAIN),
    /no calibration of this benchmark in scaled on this host yet: npm run calibrate -- --benchmark=\w+ --variant=scaled measures/,
  );
  t.notMatch(verdictText({ ...open, more: null }, PLAIN), 'max-rounds');
  const spoilt = makeJudged({ count: 2, status: 'invalid' });
  const run: RunDocument = {
    ...spoilt,
    rounds: spoilt.rounds.map((round) => ({
      ...round,
      valid: false,
      reasons: [{ code: 'host-steal', message: 'the host was stolen from' }],
    })),
  };
  t.match(
    verdictText(judgeRun(run), { ...PLAIN, invalid: invalidRounds(run) }),
    /^INVALID {2}.*: it was not measured: round 1, candidate: the host was stolen from \(and 3 other reasons\)\n[^]*0 rounds counted, 2 rounds INVALID\n {2}round 1, candidate: the host was stolen from\n/,
  );
  t.match(
    textOf({ metrics: makeJudged().metrics.map((metric) => ({ ...metric, primary: false })) }),
    /^INCONCLUSIVE[^]*note: no metric of this benchmark is primary/,
  );
});

t.test('a median that stays and a spread that explodes', async (t) => {
  const run = makeJudged({ count: 40, comparison: { design: 'fixed', min: 40, max: 40 } });
  const wild = run.rounds.map((round) => {
    const { latency_med: sample, ...rest } = round.samples;
    return round.side === 'candidate'
      ? {
          ...round,
          samples: { ...rest, latency_med: { ...sample!, value: sample!.value * (round.round % 2 === 0 ? 3 : 1 / 3) } },
        }
      : round;
  });
  t.match(
    verdictText(judgeRun({ ...run, rounds: wild }), PLAIN),
    /^REGRESSION[^]*latency med .* varies \d+\.\d times as much +REGRESSION/,
  );
});

t.test('where more is better, a decrease is what is excluded', async (t) => {
  const metrics = makeJudged().metrics.map((metric) => ({ ...metric, primary: metric.name === 'request_rate' }));
  t.match(textOf({ metrics }), /\nrequests .* no decrease above 0\.\d\d % +PASS\n/);
  t.match(
    textOf({ metrics, factors: { request_rate: 0.9 } }),
    /\nrequests .* -10\.\d\d % .* at least 9\.\d % worse +REGRESSION\n/,
  );
});

t.test('colour only for what is decided and outside the noise', async (t) => {
  for (const options of [{}, { noise: 0.05, count: 8 }]) t.notMatch(textOf(options, true), COLOUR);
  const lines = textOf({ factors: { latency_med: 1.08 } }, true).split('\n');
  t.match(lines[0], /^\u001b\[31mREGRESSION\u001b\[39m {2}/);
  t.strictSame(
    lines.filter((line) => COLOUR.test(line)).map((line) => line.split(' ')[0]),
    ['\u001b[31mREGRESSION\u001b[39m', 'latency'],
    'the metric that passed has none, nor have the others',
  );
  t.match(
    textOf(
      {
        factors: { latency_med: 0.92, cpu_seconds_per_request: 0.92 },
        comparison: { design: 'fixed', min: 12, max: 12 },
      },
      true,
    ),
    /^\u001b\[32mIMPROVEMENT\u001b\[39m/,
  );
  t.notMatch(textOf({ factors: { latency_med: 1.08 } }), /\u001b|[\u2190-\u21ff]/);
});

t.test('the calibration is quoted', async (t) => {
  const run = makeJudged();
  t.match(
    verdictText(judgeRun(run, calibration), PLAIN),
    '\nfalse alarms on this host: 0.5 % of 400 decisions from 60 rounds (95 % interval 0.06 to 1.8 %); finds 1.2 % in latency med with 95 % power in 40 rounds; finds nothing below 100 % in CPU per request',
  );
  t.match(
    verdictText(
      judgeRun(run, { ...calibration, false_alarms: { share: 0, low: 0, high: 0.0092 }, detects: {} }),
      PLAIN,
    ),
    /: 0 % of 400 decisions from 60 rounds \(95 % interval 0 to 0\.9 %\)\n?$/m,
  );
  t.notMatch(verdictText({ ...run.verdict!, kind: 'levels' }, PLAIN), /calibrat/, 'it says nothing of two runs');
});

t.test('alternating blocks, and commits as they are', async (t) => {
  const run = makeJudged();
  t.match(
    verdictText({ ...run.verdict!, pairing: 'alternating', observations: 1, invalid_rounds: 1 }, PLAIN),
    '\n1 block counted, 1 round INVALID\n',
  );
  t.match(
    verdictText({ ...run.verdict!, candidate: { ref: 'v1.2', commit: 'v1.2' } }, PLAIN),
    /^PASS {2}shop at v1\.2 against main/,
  );
});

t.test('nothing that others wrote can act on the terminal', async (t) => {
  const evil = '\u001b[2J\u001b]0;owned\u0007\r\u202eevil\nREGRESSION';
  const run = makeJudged({ run_id: '01A' });
  run.sides.candidate = { ...run.sides.candidate, ref: evil, subject: evil };
  const verdict = { ...judgeRun(run), benchmark: evil, summary: evil, notes: [evil], reasons: [evil] };
  for (const text of [verdictText(verdict, PLAIN), runTable({ ...run, verdict }, PLAIN)])
    t.notMatch(text, /\u001b|\u0007|\r|\u202e|\nREGRESSION/);
});

t.test('the whole result of a run begins with its verdict', async (t) => {
  const run = makeJudged();
  run.rounds.push({
    ...run.rounds[0]!,
    round: 13,
    valid: false,
    reasons: [{ code: 'throttled', message: 'shop was throttled' }],
  });
  const shown = runTable({ ...run, verdict: judgeRun(run) }, PLAIN);
  t.match(
    shown,
    /^PASS {2}[^]*1 round INVALID\n {2}round 13 is INVALID \(candidate\): shop was throttled\n[^]*\nshop at HEAD \(a{12}\): Make search faster\nagainst shop at main[^]*\nmetrics: 1 block in data\/bucket, verified\n\nWhere to look next:\n[^]*\n {2}npm run judge -- 01J/,
  );
  t.equal(shown.match(/shop was throttled/g)!.length, 1);
  t.notMatch(runTable({ ...run, verdict: undefined }, PLAIN), 'npm run judge');
});

/** A comparison with a metric `retries` of these values in each round, judged. */
function withRetries(candidate: number | undefined, baseline: number | undefined, laid: Partial<Metric> = {}) {
  const run = makeJudged();
  const retries: Metric = { name: 'retries', unit: 'count', better: 'lower', primary: true, margin: 0.01, ...laid };
  const rounds = run.rounds.map((round) => {
    const value = round.side === 'candidate' ? candidate : baseline;
    return value === undefined ? round : { ...round, samples: { ...round.samples, retries: { value, unit: 'count' } } };
  });
  const judged = { ...run, metrics: [...run.metrics, retries], rounds };
  return { ...judged, verdict: judgeRun(judged) };
}

t.test('was 0, is 3', async (t) => {
  const { verdict } = withRetries(3, 0);
  const text = verdictText(verdict, PLAIN);
  t.match(text, /^REGRESSION {2}.*: retries: was 0, is 3, more in 10 of 10 observations\n/);
  t.match(text, /\nretries +3 +0 +\+3 +- +more in 10 of 10 observations +REGRESSION\n/);
  t.match(
    text,
    '\nnote: retries is 0 on one side, or below it, where there is no ratio: it is judged on its difference, and its values are means over the rounds',
  );
  t.match(verdictOpenMetrics(verdict), /\nmayfly_sample_mean\{.*metric="retries".*side="candidate".*\} 3\n/);
  t.notMatch(verdictOpenMetrics(verdict), /\nmayfly_sample_median\{.*metric="retries"/);
  t.match(verdictText(withRetries(0.0017, 0, { unit: 'ratio' }).verdict, PLAIN), / 0\.17 % +0 % +\+0\.17 % points +- /);
  const once = withRetries(0, 0);
  once.rounds[0]!.samples.retries!.value = 1;
  const rounds = [...once.rounds, ...once.rounds.slice(2).map((round) => ({ ...round, round: round.round + 20 }))];
  t.match(judgeRun({ ...once, rounds }), {
    verdict: 'PASS',
    summary:
      /^no slowdown or increase of a primary metric above 0\.\d\d %; retries: was 0, is 0\.0500, more in 1 of 20 observations$/,
  });
});

t.test('a primary metric that one side alone has is said, and the rest is judged', async (t) => {
  const { verdict } = withRetries(3, undefined);
  t.match(verdict, { verdict: 'PASS', notes: ['retries is not judged: the baseline has no value of it'] });
  const text = verdictText(verdict, PLAIN);
  t.match(
    text,
    /^PASS {2}.*: no slowdown or increase of a primary metric above 0\.\d\d %; retries is not judged: the baseline has no value of it\n/,
  );
  t.match(text, /\nretries +- +- +- +- +- +-\n/, 'it keeps its row');
  t.match(withRetries(undefined, 3).verdict.notes, ['retries is not judged: the candidate has no value of it']);
  t.match(withRetries(undefined, undefined).verdict.notes, ['retries is not judged: neither side has a value of it']);
});

t.test('a metric whose values are not of one scale', async (t) => {
  const why = 'the bucket bounds of x_bucket differ, so its quantiles are of two scales: le 1 in the candidate alone';
  const { verdict } = withRetries(3, 1, { incomparable: why });
  t.match(verdict, { verdict: 'PASS', notes: [`retries is not judged: ${why}`] });
  t.match(verdictText(verdict, PLAIN), /\nretries +3 +1 +- +- +not comparable +-\n/);
  const shown = withRetries(3, 1, { incomparable: why, primary: false, promql: 'x' }).verdict;
  t.match(shown.notes, [`retries is not comparable: ${why}`]);
});

t.test('where neither direction is better, the words are of a change', async (t) => {
  const metrics = makeJudged().metrics.map((metric) => ({
    ...metric,
    primary: metric.name === 'search_p95',
    ...(metric.name === 'search_p95' ? { better: 'neither' as const } : {}),
  }));
  t.match(textOf({ metrics }), /^PASS {2}.*: no change of a primary metric above 0\.\d\d %\n/);
  const less = textOf({ metrics, factors: { search_p95: 0.9 } });
  t.match(less, /^REGRESSION {2}.*: search_p95: \d+\.\d % faster, 95 % interval/);
  t.match(less, /\nsearch_p95 .* at least \d\.\d % less +REGRESSION\n/);
});

t.test('what the columns mean stands under them', async (t) => {
  const { verdict } = makeJudged();
  const change = 'change: the median of the changes within rounds, not the change of the two medians beside it';
  const sure = 'what is sure: what the verdict rests on; it holds at every look, the interval at the last one alone';
  t.match(verdictText(verdict!, PLAIN), `\n${change}\n${sure}\n`);
  t.match(verdictText({ ...verdict!, pairing: 'alternating' }, PLAIN), 'the median of the changes within blocks, not');
  t.match(
    verdictText({ ...verdict!, kind: 'levels' }, PLAIN),
    'the median of the changes from each round of the one run to each of the other, not',
  );
  t.match(verdictMarkdown(verdict!, makeJudged(), []), `\n- ${change}\n- ${sure}\n`);
});
