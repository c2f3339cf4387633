/** What the comparisons say to the search, and what the user reads at its end. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { compile } from '../../../scripts/config/schema.ts';
import { CandidateError, InfrastructureError, Interrupted, UsageError } from '../../../scripts/core/errors.ts';
import type { MetricVerdict, Verdict, VerdictDocument } from '../../../scripts/documents/verdict.ts';
import { type BisectComparison, type BisectDocument, bisectText } from '../../../scripts/report/bisect-text.ts';
import { readOptions } from '../../../scripts/studies/bisect/bisect-options.ts';
import { findings, foundBy, judgedBy, metricsOf, nextStep } from '../../../scripts/studies/bisect/judged.ts';
import { looksUnbuildable } from '../../../scripts/studies/bisect/unbuildable.ts';

const validate = compile(
  JSON.parse(readFileSync(join(import.meta.dirname, '../../../docs/schemas/mayfly.bisect.v1.json'), 'utf8')),
);
const fits = (document: unknown) =>
  validate(JSON.parse(JSON.stringify(document)))
    ? []
    : validate.errors!.map(({ instancePath, message }) => `${instancePath} ${message}`);
const hash = (n: number) => String(n).repeat(40);

/** Commits 0 to 5; 1 and 4 change nothing. */
function bisection(comparisons: Partial<BisectComparison>[] = [], laid: Partial<BisectDocument> = {}): BisectDocument {
  return {
    schema: 'mayfly.bisect/v1',
    bisection_id: '01J',
    benchmark: 'shop',
    host_id: 'h',
    started_at: '2026-01-02T03:04:05.000Z',
    good: 'v1',
    bad: 'HEAD',
    metric: null,
    flags: [],
    commits: [0, 0, 1, 2, 2, 3].map((build, i) => ({
      commit: hash(i),
      subject: `change ${i}`,
      author_date: '2026-01-02T03:04:05+01:00',
      build,
    })),
    judged: { name: 'latency_med', unit: 's', better: 'lower', change: 0.2, margin: 0.157, others: [] },
    comparisons: comparisons.map((one) => ({
      candidate: hash(5),
      baseline: hash(0),
      why: 'search',
      found: 'slow',
      verdict: 'REGRESSION',
      run_id: '01R',
      change: 0.2,
      words: '20.0 % slower',
      ...one,
    })),
    answer: null,
    ...laid,
  };
}
const whole = { why: 'whole' as const };
const answerOf = (document: BisectDocument) => {
  const step = nextStep(document);
  if (step.step === 'compare') return step;
  const ended = { ...document, answer: step.answer };
  t.same(fits(ended), [], 'it fits the schema');
  return { ...step.answer, text: bisectText(ended, { color: false }) };
};

t.test('the search goes by the first commits of builds', async (t) => {
  t.match(nextStep(bisection()), { step: 'compare', build: 3, against: 0, why: 'whole' });
  t.match(nextStep(bisection([whole])), { build: 1, against: 0, why: 'search' });
  t.same(findings(bisection([whole, { candidate: hash(2), found: 'fast' }])), [
    { build: 3, against: 0, found: 'slow' },
    { build: 1, against: 0, found: 'fast' },
  ]);
  t.match(nextStep(bisection([whole, { candidate: hash(2), found: 'fast' }])), { build: 2, against: 0 });
  t.match(nextStep(bisection([whole, { candidate: hash(2), found: 'fast' }, { candidate: hash(3) }])), {
    build: 2,
    against: 1,
    why: 'verify',
  });
});

t.test('every answer, in words', async (t) => {
  const found = [whole, { candidate: hash(2), found: 'fast' as const }, { candidate: hash(3) }];
  const verified = (laid: Partial<BisectComparison>) =>
    bisection([...found, { candidate: hash(3), baseline: hash(2), why: 'verify', ...laid }]);
  const culprit: any = answerOf(verified({ change: 0.19, words: '19.0 % slower, 95 % interval 15 to 23 %' }));
  t.match(culprit, {
    outcome: 'culprit',
    commits: [hash(3)],
    summary: 'latency med 19.0 % slower, 95 % interval 15 to 23 %, verified against the build before it (222222222222)',
  });
  t.match(
    culprit.text,
    /^First slow commit: latency med 19.0 % slower.*\n {2}333333333333 {2}2026-01-02 {2}change 3\n\n4 comparisons, 5 commits of shop \(3 of them change the build\), bisection 01J\n\ncommit/,
  );
  t.match(culprit.text, /npm run show -- 01R/);
  t.notMatch(culprit.summary, /the rest/);
  t.match(answerOf(verified({ change: 0.1, words: '10.0 % slower' })), {
    outcome: 'culprit',
    summary: /brings 10.0 % of 20.0 %, the rest came in other commits \(--good=333333333333/,
  });
  t.match(answerOf(verified({ found: 'fast', verdict: 'PASS', change: 0.05 })), {
    outcome: 'several-steps',
    commits: [hash(3)],
    summary: /several steps: this commit brings 5.0 % of 20.0 %/,
  });
  t.match(answerOf(verified({ found: 'skipped', verdict: 'INCONCLUSIVE' })), {
    outcome: 'unverified',
    text: /^Probably the first slow commit: .*INCONCLUSIVE/,
  });
  t.match(
    answerOf(
      bisection([
        whole,
        { candidate: hash(2), found: 'skipped', verdict: null, run_id: null, change: null, words: 'the build failed' },
        { candidate: hash(3) },
      ]),
    ),
    {
      outcome: 'range',
      commits: [hash(2), hash(3)],
      text: /222222222222 +000000000000 +skipped +not measured +- +the build failed/,
    },
  );
  t.match(
    answerOf(
      bisection([{ ...whole, found: 'fast', verdict: 'PASS', words: 'no slowdown above 1 %' }], { judged: null }),
    ),
    { outcome: 'not-slower', commits: [], summary: /is PASS \(no slowdown above 1 %\)/ },
  );
  t.match(answerOf(bisection([{ ...whole, found: 'skipped', verdict: 'INCONCLUSIVE' }], { judged: null })), {
    outcome: 'undecided',
    summary: /--max-rounds/,
  });
  t.match(answerOf(bisection([], { commits: bisection().commits.slice(0, 2) })), { outcome: 'same-build' });
  t.match(
    answerOf(bisection([whole], { commits: [bisection().commits[0]!, { ...bisection().commits[5]!, build: 1 }] })),
    { outcome: 'culprit' },
    'the only build is compared with its parent already',
  );
  t.not(fits({ ...bisection(), state: 'running' }).length, 0, 'and the schema refuses what it does not know');
});

t.test('the metric that stands out most, with a margin of most of the effect', async (t) => {
  const metric = (name: string, change: number, noise: number, laid: Partial<MetricVerdict> = {}) =>
    ({
      name,
      unit: 's',
      better: 'lower',
      primary: true,
      verdict: 'REGRESSION',
      change,
      noise,
      worse: { at_least: Math.abs(change) > 0.05 ? Math.abs(change) / 2 : -0.01, at_most: null },
      ...laid,
    }) as MetricVerdict;
  const of = (...metrics: MetricVerdict[]) => judgedBy({ metrics } as VerdictDocument);
  t.match(
    of(
      metric('a', 0.1, 0.05),
      metric('b', 0.08, 0.01),
      metric('c', 0.5, 0.01, { verdict: 'PASS' }),
      metric('d', 0.9, 0.01, { primary: false, verdict: null }),
    ),
    { name: 'b', change: 0.08, others: ['a'] },
  );
  t.ok(Math.abs(of(metric('a', 0.1, 0.05))!.margin - (1.1 ** 0.8 - 1)) < 1e-12);
  t.ok(
    Math.abs(of(metric('a', -0.1, 0.05, { better: 'higher' }))!.margin - (0.9 ** -0.8 - 1)) < 1e-12,
    'where more is better',
  );
  t.equal(of(metric('a', -0.01, 0.05)), null, 'only its dispersion is worse');
  t.equal(of(metric('a', 0.1, 0.05, { verdict: 'PASS' })), null);
  const metrics = [
    { name: 'a', unit: 's', better: 'lower' as const, primary: false, margin: 0.01 },
    { name: 'b', unit: 's', better: 'lower' as const, primary: true, margin: 0.01 },
  ];
  t.match(metricsOf(metrics, { name: 'a', margin: 0.5 }), [
    { name: 'a', primary: true, margin: 0.5, margin_from: 'benchmark' },
    { name: 'b', primary: false, margin: 0.01 },
  ]);
  t.match(metricsOf(metrics, { name: 'a' }), [{ primary: true, margin: 0.01 }, { primary: false }]);
  t.same(
    (['REGRESSION', 'PASS', 'IMPROVEMENT', 'INCONCLUSIVE', 'INVALID'] as Verdict[]).map((verdict) =>
      foundBy({
        verdict,
        metrics: [
          {
            primary: true,
            verdict: verdict === 'REGRESSION' ? 'REGRESSION' : 'PASS',
            worse: { at_least: 0.1, at_most: null },
          },
        ] as never,
      }),
    ),
    ['slow', 'fast', 'fast', 'skipped', 'skipped'],
  );
  t.equal(foundBy({ verdict: 'REGRESSION', metrics: [metric('a', 0.01, 0.05)] }), 'skipped', 'what only varies more');
});

t.test('what a commit is to blame for, and what not', async (t) => {
  const commit = 'ab'.repeat(20);
  const build = `the build of shop at ${commit} (abababababab) failed: docker build ended with exit code 1\n    COPY failed: no such file`;
  const unhealthy = 'candidate (topic, abababababab): shop ended with exit code 3 before it was healthy';
  const cases: [unknown, boolean][] = [
    [new InfrastructureError(build), true],
    [new CandidateError(`this commit does not start; the baseline does: ${unhealthy}`), true],
    [new InfrastructureError(build.replaceAll('abababababab', 'cdcdcdcdcdcd').replace(commit, 'x')), false],
    [new InfrastructureError(`${build}\n    write /x: no space left on device`), false],
    [new InfrastructureError(`${build}\n    npm error code EAI_AGAIN`), false],
    [new InfrastructureError(`neither side starts, so this commit is not to blame: ${unhealthy}`), false],
    [new InfrastructureError(unhealthy), false],
    [new InfrastructureError('the Docker engine went away in the middle of the run'), false],
    [new SuppressedError(new Error('not removed'), new InfrastructureError(build)), false],
    [new UsageError(build), false],
    [new Interrupted(), false],
    [new Error(build), false],
  ];
  for (const [error, expected] of cases)
    t.equal(looksUnbuildable(error, commit), expected, (error as Error).message.split('\n')[0] ?? '');
});

t.test('flags', async (t) => {
  const options = (values: Record<string, string>) => readOptions((name) => values[name], '/here');
  t.same(options({ good: 'v1', rate: '20', benchmark: 'there/x', 'max-minutes': '3' }), {
    good: 'v1',
    bad: 'HEAD',
    flags: ['--benchmark=/here/there/x', '--rate=20', '--max-minutes=3'],
  });
  t.same(options({ resume: '01J' }), { bad: 'HEAD', resume: '01J', flags: [] });
  t.throws(() => options({}), { name: 'UsageError', message: /--good must name/ });
  t.throws(() => options({ resume: '01J', rate: '3' }), {
    name: 'UsageError',
    message: /--rate cannot be given with it/,
  });
});
