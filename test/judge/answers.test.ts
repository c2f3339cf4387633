/** Whether both sides answer the same: by hand, and by simulation of answers that vary and of answers that differ. */
import t from 'tap';
import { generator } from '../../loadgen/schedule.ts';
import { normal } from '../../scripts/dev/perf/verdict-models.ts';
import type { RoundDocument, RunDocument } from '../../scripts/documents/run.ts';
import { ALPHA_ANSWERS, compareAnswers } from '../../scripts/judge/answers.ts';
import { withAnswers } from '../../scripts/judge/answers-verdict.ts';
import { binomialAtMost } from '../../scripts/judge/clopper-pearson.ts';
import { judgeRun } from '../../scripts/judge/judge-run.ts';
import type { Observation } from '../../scripts/judge/observations.ts';
import { studentTail } from '../../scripts/judge/student-t.ts';
import { judgeTwoRuns } from '../../scripts/judge/two-runs.ts';
import { verdictJunit } from '../../scripts/report/junit.ts';
import { verdictText } from '../../scripts/report/verdict-text.ts';
import { foundBy } from '../../scripts/studies/bisect/judged.ts';
import { type JudgedOptions, makeJudged, makeRound } from '../run-document.ts';

type Answers = NonNullable<RoundDocument['answers']>;
type Kind = Answers['names'][number]['answers'][number];

const REQUESTS = 3600;

/** `200 × 3600 of 20480 bytes`, in short. */
const kind = (status: number, count: number, bytes = 20_480, deviation = 0, failure: string | null = null): Kind => ({
  status,
  failure,
  count,
  bytes,
  deviation,
});
const failed = (count: number, status = 500) => kind(status, count, 10, 0, 'status');

function answers(names: Record<string, Kind[]>): Answers {
  const listed = Object.entries(names).map(([name, all]) => {
    const kept = all.filter(({ count }) => count > 0);
    const sum = (some: Kind[]) => some.reduce((total, { count }) => total + count, 0);
    return { name, requests: sum(kept), failed: sum(kept.filter(({ failure }) => failure !== null)), answers: kept };
  });
  return {
    requests: listed.reduce((sum, { requests }) => sum + requests, 0),
    failed: listed.reduce((sum, { failed }) => sum + failed, 0),
    names: listed,
  };
}

type Side = (round: number) => Answers;
const page =
  (...kinds: Kind[]): Side =>
  () =>
    answers({ page: kinds });

const observed = (rounds: number, candidate: Side, baseline: Side): Observation[] =>
  Array.from({ length: rounds }, (_, i) => ({
    candidate: [{ ...makeRound('candidate', i + 1, {}), answers: candidate(i) }],
    baseline: [{ ...makeRound('baseline', i + 1, {}), answers: baseline(i) }],
  }));

const compare = (rounds: number, candidate: Side, baseline: Side, declared: string[] = []) =>
  compareAnswers(observed(rounds, candidate, baseline), declared);
const wordsOf = (...given: Parameters<typeof compare>) => compare(...given).differences.map(({ words }) => words);

t.test("Student's t by its tables", async (t) => {
  for (const [value, degrees, tail] of [
    [1, 1, 0.25],
    [63.657, 1, 0.005],
    [9.925, 2, 0.005],
    [5.841, 3, 0.005],
    [4.032, 5, 0.005],
    [5.893, 5, 0.001],
    [3.25, 9, 0.005],
    [2.704, 40, 0.005],
    [0, 7, 0.5],
  ] as const)
    t.ok(Math.abs(studentTail(value, degrees) / tail - 1) < 2e-3, `${value} ${degrees} ${studentTail(value, degrees)}`);
  t.equal(studentTail(-2, 6), 1 - studentTail(2, 6));
});

t.test('what is another answer: by hand', async (t) => {
  const good = page(kind(200, REQUESTS));
  t.strictSame(wordsOf(6, good, good), []);
  t.strictSame(wordsOf(6, page(kind(302, REQUESTS, 0)), good), [
    'page: candidate 302 without a body × 21600, baseline 200 × 21600',
  ]);
  t.strictSame(
    wordsOf(1, page(kind(302, REQUESTS, 30)), good),
    ['page: candidate 302 × 3600, baseline 200 × 3600'],
    'one round is enough where nothing is as it was',
  );
  t.strictSame(wordsOf(6, page(kind(200, REQUESTS, 0)), good), [
    'page: candidate 200 without a body × 21600, baseline 200 × 21600',
  ]);
  t.strictSame(wordsOf(6, page(kind(200, 3582), kind(200, 18, 0)), good), [
    'page: candidate 200 × 21492, 200 without a body × 108, baseline 200 × 21600',
  ]);
  t.strictSame(wordsOf(6, page(kind(200, REQUESTS, 27)), good), ['page: 27 bytes on average, baseline 20480']);
  t.strictSame(wordsOf(1, page(kind(200, REQUESTS, 27)), good), ['page: 27 bytes on average, baseline 20480']);
  t.strictSame(
    [20_481, 20_000, 21_500].map((bytes) => wordsOf(6, page(kind(200, REQUESTS, bytes)), good)),
    [[], [], []],
    'a version, a date, an id: less than 5 %',
  );
  t.strictSame(wordsOf(6, page(kind(200, REQUESTS, 22_000)), good), ['page: 22000 bytes on average, baseline 20480']);
  t.strictSame(wordsOf(6, page(kind(200, REQUESTS, 14)), page(kind(200, REQUESTS, 2))), [], 'a few bytes of a few');
  t.strictSame(wordsOf(6, page(kind(200, 3500), failed(100)), good), [
    'failed requests: was 0, is 600 of 21600 (status 500 × 600)',
  ]);
  t.match(compare(6, good, page(kind(200, 3500), failed(100))).differences, [
    { what: 'failed', worse: false, words: 'failed requests: was 600 of 21600 (status 500 × 600), is 0' },
  ]);
  t.strictSame(
    wordsOf(
      6,
      () => answers({ login: [kind(200, 1800)], page: [kind(200, 1800)] }),
      () => answers({ login: [kind(200, 1800)], page: [kind(200, 1800)], buy: [kind(201, 1800)] }),
    ),
    ['buy: candidate asked 0 times, baseline 10800 times'],
  );
  t.strictSame(
    wordsOf(6, () => answers({ page: ['a', 'b', 'c', 'd'].map((_, i) => kind(200 + i, 900)) }), good),
    ['page: candidate 200 × 5400, 201 × 5400, 202 × 5400, and 1 more kinds, baseline 200 × 21600'],
  );
});

t.test('an error that is as long as the right answer is of another media type', async (t) => {
  const typed = (types: Record<string, number>, status = 200, bytes = 20_480): Kind => ({
    ...kind(
      status,
      Object.values(types).reduce((sum, count) => sum + count, 0),
      bytes,
    ),
    types: Object.entries(types).map(([type, count]) => ({ type, count })),
  });
  const json = page(typed({ 'application/json': REQUESTS }));
  const html = page(typed({ 'text/html': REQUESTS }));
  t.strictSame(wordsOf(6, json, json), []);
  const found = compare(6, html, json).differences;
  t.match(found, [
    {
      name: 'page',
      what: 'type',
      declared: false,
      words: 'page: candidate text/html × 21600, baseline application/json × 21600',
    },
  ]);
  t.equal(withAnswers('IMPROVEMENT', found), 'INCONCLUSIVE');
  t.equal(withAnswers('PASS', found), 'INCONCLUSIVE', 'it is other work, as with a status');
  t.match(compare(6, html, json, ['page']).differences, [{ what: 'type', declared: true }]);
  t.strictSame(
    wordsOf(6, page(typed({ 'application/json': 3400, '': 200 })), json),
    ['page: candidate application/json × 20400, no content type × 1200, baseline application/json × 21600'],
    'some of them',
  );
  t.strictSame(wordsOf(6, page(typed({ 'application/json': 3599, 'text/html': 1 })), json), [], 'one in a round');
  t.strictSame(wordsOf(6, page(kind(200, REQUESTS)), json), [], 'not kept of a round of before');
  t.strictSame(
    wordsOf(6, page(typed({ 'text/html': REQUESTS }, 302)), json),
    ['page: candidate 302 × 21600, baseline 200 × 21600'],
    'another status says it already',
  );
  t.strictSame(
    wordsOf(6, page(typed({ '': REQUESTS }, 204, 0)), page(typed({ 'text/html': REQUESTS }, 204, 0))),
    [],
    'what has no body is of no type',
  );
  t.match(
    judgeRun({
      ...withTypes(makeJudged({ factors: { latency_med: 0.9 } }), html, json),
    }),
    {
      verdict: 'INCONCLUSIVE',
      summary:
        /^the answers differ, so it is no IMPROVEMENT: page: candidate text\/html × 36000, baseline application\/json × 36000; latency med: /,
    },
  );
});

const withTypes = (run: RunDocument, candidate: Side, baseline: Side): RunDocument => ({
  ...run,
  rounds: run.rounds.map((round) => ({ ...round, answers: (round.side === 'candidate' ? candidate : baseline)(0) })),
});

t.test('media types that are drawn differ by chance only', async (t) => {
  let found = 0;
  for (let trial = 0; trial < 500; trial++) {
    const random = generator(23, trial);
    const drawn: Side = () => {
      const html = Array.from({ length: 200 }, () => Number(random() < 0.3)).reduce((sum, one) => sum + one, 0);
      const types = [
        { type: 'text/html', count: html },
        { type: 'application/json', count: 200 - html },
      ];
      return answers({ page: [{ ...kind(200, 200), types }] });
    };
    found += compare(6, drawn, drawn).differences.length;
  }
  // At most one in a thousand: of 500, more than 5 have a chance of about one in a hundred thousand.
  t.ok(found <= 5, `${found} of 500`);
});

t.test('what the benchmark declares may differ, but failures are counted', async (t) => {
  const declared = (names: string[]) =>
    compare(6, page(kind(302, 3500), failed(100)), page(kind(200, REQUESTS)), names).differences.map((one) => [
      one.what,
      one.declared,
    ]);
  for (const [names, is] of [
    [[], false],
    [['other', 'pag', 'pages*'], false],
    [['page'], true],
    [['pa*'], true],
    [['*'], true],
  ] as const)
    t.strictSame(declared([...names]), [
      ['failed', false],
      ['status', is],
    ]);
});

t.test(
  'rounds of before answers were kept are not compared, and those of another generator by failures only',
  async (t) => {
    const both = observed(6, page(kind(302, REQUESTS)), page(kind(200, REQUESTS)));
    delete both[3]!.baseline[0]!.answers;
    t.strictSame(compareAnswers(both), { differences: [], note: null });
    t.strictSame(compareAnswers([]), { differences: [], note: null });
    const counted = (failed: number) => () => ({ requests: 3600.5, failed, names: [] });
    t.strictSame(wordsOf(8, counted(40), counted(0)), ['failed requests: was 0, is 320 of 28804']);
  },
);

t.test('failures of one burst are told, and are no REGRESSION', async (t) => {
  const burst: Side = (round) => answers({ page: [kind(200, REQUESTS - 50), failed(round === 2 ? 50 : 0, 503)] });
  t.strictSame(compare(8, burst, page(kind(200, REQUESTS))), {
    differences: [],
    note: 'failed requests: was 0, is 50 of 28450 (status 503 × 50): that is no chance, but rounds differ too much in it for a REGRESSION',
  });
});

/** The greatest number of hits that a share of at most `p` still explains, but for one case in a million. */
function mostHits(trials: number, p: number): number {
  let hits = 0;
  while (1 - binomialAtMost(hits, trials, p) > 1e-6) hits++;
  return hits;
}

t.test('answers that vary alike on both sides are no difference', async (t) => {
  const poisson = (random: () => number, mean: number) => {
    let [count, product] = [0, random()];
    while (product > Math.exp(-mean)) [count, product] = [count + 1, product * random()];
    return count;
  };
  const about = (random: () => number, count: number, share: number) =>
    Math.max(0, Math.min(count, Math.round(count * share + Math.sqrt(count * share * (1 - share)) * normal(random))));
  /** Makes a side of a round; each call is another one. */
  const noises: Record<string, (random: () => number) => Answers> = {
    'a few failures in each round': (random) => {
      const bad = poisson(random, 8);
      return answers({ page: [kind(200, REQUESTS - bad), failed(bad)] });
    },
    'failures in bursts': (random) => {
      const bad = random() < 0.5 ? Math.ceil(-40 * Math.log(random())) : 0;
      return answers({ page: [kind(200, REQUESTS - bad), failed(bad)] });
    },
    'statuses that are drawn': (random) => {
      const [none, old] = [about(random, REQUESTS, 0.3), about(random, REQUESTS, 0.01)];
      return answers({ page: [kind(200, REQUESTS - none - old), kind(204, none, 0), kind(304, old, 0)] });
    },
    'statuses that follow what a round has cached': (random) => {
      const cached = about(random, REQUESTS, Math.min(0.95, Math.max(0.05, 0.5 + 0.15 * normal(random))));
      return answers({ page: [kind(200, REQUESTS - cached), kind(304, cached, 0)] });
    },
    'bodies of any length': (random) =>
      answers({ page: [kind(200, REQUESTS, 2000 * (1 + (2 / 60) * normal(random)), 4000)] }),
    'bodies that follow what a round holds': (random) =>
      answers({ page: [kind(200, REQUESTS, 2000 * Math.exp(0.2 * normal(random)), 300)] }),
    'thirty names, few requests each': (random) =>
      answers(
        Object.fromEntries(
          Array.from({ length: 30 }, (_, i) => {
            const [all, none] = [100, about(random, 100, 0.2)];
            return [`page ${i}`, [kind(200, all - none, 500 * (1 + 0.1 * normal(random)), 500), kind(404, none, 20)]];
          }),
        ),
      ),
  };
  const TRIALS = 500;
  for (const [name, side] of Object.entries(noises))
    for (const rounds of [6, 12]) {
      const random = generator(rounds, name.length);
      let alarms = 0;
      for (let trial = 0; trial < TRIALS; trial++)
        if (
          compare(
            rounds,
            () => side(random),
            () => side(random),
          ).differences.length > 0
        )
          alarms++;
      // Three kinds of difference, each with its level.
      t.ok(alarms <= mostHits(TRIALS, 3 * ALPHA_ANSWERS), `${name}, ${rounds} rounds: ${alarms} of ${TRIALS}`);
    }
});

t.test('what is there is found', async (t) => {
  const random = generator(7);
  const varied =
    (bytes: number): Side =>
    () =>
      answers({ page: [kind(200, REQUESTS, bytes * (1 + (2 / 60) * normal(random)), 2 * bytes)] });
  const cases: [name: string, rounds: number, candidate: Side, baseline: Side][] = [
    ['half a per cent of empty bodies', 6, page(kind(200, 3582), kind(200, 18, 0)), page(kind(200, REQUESTS))],
    ['bodies of any length that are a third shorter', 8, varied(2000), varied(3000)],
    [
      'ten per cent of redirects where there were five',
      6,
      page(kind(200, 3240), kind(302, 360)),
      page(kind(200, 3420), kind(302, 180)),
    ],
    [
      'one failure in two hundred',
      6,
      (round) => answers({ page: [kind(200, 3582), failed(15 + (round % 4))] }),
      page(kind(200, REQUESTS)),
    ],
  ];
  for (const [name, rounds, candidate, baseline] of cases)
    t.equal(compare(rounds, candidate, baseline).differences.length, 1, name);
});

const faster = { factors: { latency_med: 0.7, cpu_seconds_per_request: 0.7 } };

/** The verdict on rounds in which the sides answer so. */
function judged(candidate: Side, baseline: Side, { answers_differ, ...options }: JudgedOptions = {}) {
  const run = makeJudged(options);
  const rounds = run.rounds.map((one) => ({
    ...one,
    answers: (one.side === 'candidate' ? candidate : baseline)(one.round),
  }));
  const document = { ...run, rounds, ...(answers_differ ? { answers_differ } : {}) };
  const verdict = judgeRun(document);
  return { verdict, run: document, text: verdictText(verdict, { color: false }) };
}

t.test('faster with another answer is no IMPROVEMENT, and said first', async (t) => {
  const good = page(kind(200, REQUESTS));
  t.match(judged(good, good, faster).text, /^IMPROVEMENT {2}/);
  const login = page(kind(302, REQUESTS, 0));
  const { verdict, run, text } = judged(login, good, faster);
  t.match(
    text,
    /^INCONCLUSIVE {2}shop at .*: the answers differ, so it is no IMPROVEMENT: page: candidate 302 without a body × \d+, baseline 200 × \d+; latency med: .* faster/,
  );
  t.match(text, /\nlatency med .* INCONCLUSIVE\n/, 'nor in the table');
  t.match(text, /\nnote: where answers may differ, benchmark\.yaml declares it: allow: \{answers_differ: \["page"\]\}/);
  t.match(verdict, { more: null, answers: [{ name: 'page', what: 'status', declared: false }] });
  t.match(verdictJunit(verdict, run, false), /name="answers"[^]*the answers differ: page: candidate 302/);
  t.match(verdictJunit(verdict, run, true), /failures="[1-9]/);
  t.equal(foundBy(verdict), 'skipped');

  const small = judged(page(kind(200, REQUESTS, 60)), good, faster);
  t.match(
    small.text,
    /^INCONCLUSIVE {2}.*: the answers differ, so it is no IMPROVEMENT: page: 60 bytes on average, baseline 20480; /,
  );
  t.equal(foundBy(small.verdict), 'fast', 'for a search of what is slow');
  t.match(
    judged(login, good, { ...faster, answers_differ: ['page'] }).text,
    /^IMPROVEMENT {2}[^]*\nnote: page: candidate 302 .*, as the benchmark declares/,
  );
});

t.test('a PASS says what differs, and is none where statuses do', async (t) => {
  const good = page(kind(200, REQUESTS));
  t.match(
    judged(page(kind(302, REQUESTS)), good).text,
    /^INCONCLUSIVE {2}.*: the answers differ, so it is no PASS: page: .*; no slowdown/,
  );
  t.match(
    judged(page(kind(200, REQUESTS, 25_000)), good).text,
    /^PASS {2}.*: the answers differ: page: 25000 bytes on average, baseline 20480; no slowdown/,
  );
  const slower = { factors: { latency_med: 1.3 } };
  t.match(
    judged(page(kind(302, REQUESTS)), good, slower).text,
    /^REGRESSION {2}.*: the answers differ: page: .*; latency med: .* slower/,
  );
  t.match(
    judged(
      () => answers(Object.fromEntries([1, 2, 3, 4, 5].map((i) => [`page ${i}`, [kind(204, 500, 0)]]))),
      () => answers(Object.fromEntries([1, 2, 3, 4, 5].map((i) => [`page ${i}`, [kind(200, 500)]]))),
    ).text,
    /page 3: [^;]*; and 2 other differences; no slowdown/,
  );
});

t.test('two runs: the same, against what the earlier one was answered', async (t) => {
  const earlier = judged(page(kind(200, REQUESTS)), page(kind(200, REQUESTS)), {
    ...faster,
    factors: {},
    run_id: '01A',
  }).run;
  const later = (candidate: Side) =>
    judged(candidate, page(kind(200, REQUESTS)), { ...faster, run_id: '01B', seed: 2 }).run;
  t.match(judgeTwoRuns(earlier, later(page(kind(200, REQUESTS)))), { verdict: 'IMPROVEMENT' });
  t.match(judgeTwoRuns(earlier, later(page(kind(302, REQUESTS)))), {
    verdict: 'INCONCLUSIVE',
    summary:
      /^the answers differ, so it is no IMPROVEMENT: page: candidate 302 × \d+, baseline 200 × \d+; latency med: /,
    answers: [{ what: 'status' }],
  });
});

t.test('more failures are a REGRESSION, none before included; fewer are told', async (t) => {
  const good = page(kind(200, REQUESTS));
  const bad: Side = (round) => answers({ page: [kind(200, 3580), failed(18 + (round % 3))] });
  const { verdict, run, text } = judged(bad, good, faster);
  t.match(
    text,
    /^REGRESSION {2}.*: failed requests: was 0, is \d+ of \d+ \(status 500 × \d+\); latency med: .* faster/,
  );
  t.match(verdictJunit(verdict, run, false), /failures="1"[^]*name="answers"/);
  t.equal(foundBy(verdict), 'skipped', 'it is not slow');
  t.match(
    judged(good, bad, faster).text,
    /^IMPROVEMENT {2}[^]*\nnote: failed requests: was \d+ of \d+ \(status 500 × \d+\), is 0/,
  );
  const invalid = judged(bad, good, { count: 0, status: 'invalid' });
  t.match(invalid.verdict, { verdict: 'INVALID', summary: 'it was not measured: too few rounds were valid' });
});
