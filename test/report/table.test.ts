import t from 'tap';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { judgeRun } from '../../scripts/judge/judge-run.ts';
import { comparisonTable, runsTable, runTable } from '../../scripts/report/run-table.ts';
import { K6_LOAD, makeComparison, makeJudged, makeRound, makeRun } from '../run-document.ts';

const PLAIN = { color: false };
/** The text between two marks, as a list of lines. */
const text = (block: string) => block.replace(/^\n/, '').replace(/\n$/, '');

t.test('what was deployed already is named by its address', async (t) => {
  const run = makeRun({ deployed: { url: 'https://staging.example.org' }, notes: ['left out: memory_peak'] });
  run.sides.candidate = { ref: 'v41', commit: 'v41', images: [] };
  const lines = runTable(run, PLAIN).split('\n');
  t.equal(lines[0], 'shop at https://staging.example.org (v41)');
  t.ok(lines.includes('note: left out: memory_peak'));
  t.match(runsTable([run], PLAIN), / shop +v41 at https:\/\/staging\.example\.org +complete /);
});

t.test('one side', async (t) => {
  t.equal(
    runTable(makeRun(), PLAIN),
    text(`
shop at HEAD (aaaaaaaaaaaa): Make search faster
run 01JZZZZZZZZZZZZZZZZZZZZZZA: complete, 3 of 3 rounds valid
200 requests/s for 20.0s after 5.0s of warm-up, by mayfly 0.1.0
on A CPU, 2 cores, Debian 12, kernel 6.1.0, engine 20.10.24

over rounds          median       min       max      CV
latency avg         2.10 ms   2.00 ms   2.20 ms  4.76 %
latency med *       1.20 ms   1.10 ms   1.30 ms  8.33 %
latency p95         4.20 ms   4.00 ms   4.40 ms  4.76 %
requests           200.0 /s  199.9 /s  200.1 /s  0.05 %
CPU per request *    510 µs    500 µs    520 µs  1.96 %
peak memory         51.0 MB   50.0 MB   52.0 MB  1.96 %
errors                  0 %       0 %       0 %     0 %
search_p95          8.20 ms   8.00 ms   8.40 ms  2.44 %

* primary metric; CV: coefficient of variation, the standard deviation over rounds in % of the mean

metrics: 1 block in data/bucket, verified

Where to look next:
  npm run show -- 01JZZZZZZZZZZZZZZZZZZZZZZA
  npm run -s show -- 01JZZZZZZZZZZZZZZZZZZZZZZA --json
  npm run runs -- --benchmark=shop
  npm run compare -- OTHER_RUN 01JZZZZZZZZZZZZZZZZZZZZZZA
  npm run archive:up
`),
  );
});

t.test('two sides that were not judged: the difference and no verdict', async (t) => {
  const lines = runTable(makeComparison(1.0213), PLAIN).split('\n');
  t.equal(lines[1], 'against shop at main (bbbbbbbbbbbb)');
  t.equal(lines[3], '200 requests/s for each side for 20.0s after 5.0s of warm-up, by mayfly 0.1.0');
  t.ok(lines.includes('over rounds        candidate      CV  baseline      CV  difference'));
  t.ok(lines.includes('latency med *        1.20 ms  8.33 %   1.17 ms  8.33 %     +2.13 %'));
  t.ok(lines.includes('errors                   0 %     0 %       0 %     0 %      0.00 %'));
  t.notMatch(lines.join('\n'), /REGRESSION|IMPROVEMENT|PASS/);
});

t.test('the load in words, of every kind', async (t) => {
  const { load } = makeRun();
  const { arrivals: _, ...any } = load;
  const line = (laid: Partial<RunDocument['load']>, base = load) =>
    runTable(makeRun({ load: { ...base, ...laid } }), PLAIN).split('\n')[2];
  const closed = { model: 'closed', rate: 0, warmup_s: 0, duration_s: 600, users: 30, iterations: 1 } as const;
  t.equal(
    line({ arrivals: 'poisson' }),
    '200 requests/s as Poisson arrivals for 20.0s after 5.0s of warm-up, by mayfly 0.1.0',
  );
  t.equal(
    line({
      rate: 116.66666666666667,
      stages: [
        { rate: 200, duration_s: 10 },
        { rate: 0, duration_s: 5 },
      ],
    }),
    'stages: to 200 requests/s in 10.0s, to 0 requests/s in 5.0s; 117 requests/s on average, for 20.0s after 5.0s of warm-up, by mayfly 0.1.0',
  );
  t.equal(
    line({ arrivals: 'file', rate: 12.345 }),
    'requests of a file, 12.3 requests/s on average, for 20.0s after 5.0s of warm-up, by mayfly 0.1.0',
  );
  t.equal(line(closed, any), '30 users, 1 iteration each, closed model, by mayfly 0.1.0');
  t.equal(
    line({ ...closed, users: 1, iterations: 1000, think_s: 0.5 }, any),
    '1 user, 1,000 iterations each with 0.5s between two, closed model, by mayfly 0.1.0',
  );
  t.equal(line({}, K6_LOAD), '200 requests/s for 20.0s after 5.0s of warm-up, by k6');
  const paired = runTable({ ...makeComparison(1), load: { ...any, ...closed } }, PLAIN);
  t.match(paired, '30 users for each side, 1 iteration each, closed model, by mayfly 0.1.0\n');
});

t.test('rounds that do not count are listed with their reasons', async (t) => {
  const run = makeRun({ status: 'invalid' });
  run.rounds[1] = makeRound('candidate', 2, { latency_med: 9 }, [
    { code: 'start-lag', message: 'the start lag was 7 ms at p99, over 5 ms' },
  ]);
  const shown = runTable(run, PLAIN);
  t.match(shown, 'run 01JZZZZZZZZZZZZZZZZZZZZZZA: invalid, 2 of 3 rounds valid');
  t.match(shown, 'round 2 is INVALID (candidate): the start lag was 7 ms at p99, over 5 ms');
  t.match(shown, 'latency med *       1.20 ms   1.10 ms   1.30 ms', 'its values are left out');
});

t.test('a run without a valid round, and one of a single round', async (t) => {
  t.match(
    runTable(makeRun({ status: 'failed', status_reason: 'shop never became healthy', rounds: [] }), PLAIN),
    /^FAILED {2}shop at HEAD \(a{12}\): shop never became healthy\n[^]*failed \(shop never became healthy\), 0 of 3 rounds valid[^]*No round is valid, so there is no result\./,
  );
  t.match(
    runTable(makeRun({ rounds: [makeRun().rounds[0]!] }), PLAIN),
    /latency avg +2\.00 ms +2\.00 ms +2\.00 ms +-\n/,
    'one round has no coefficient of variation',
  );
});

t.test('of alternating rounds blocks are asked for, in which each side has two', async (t) => {
  const { rounds } = makeJudged({ count: 2 });
  t.match(
    runTable(makeJudged({ count: 2, rounds, pairing: 'alternating', rounds_asked: 1 }), PLAIN),
    ', 2 of 2 rounds valid',
  );
});

t.test('a comparison that failed says so first, and why', async (t) => {
  const why = 'this commit does not start; the baseline does: shop ended with exit code 3';
  const failed = makeJudged({ count: 0, rounds_asked: 40, status: 'failed', status_reason: why });
  t.match(failed.verdict, { verdict: 'INVALID', summary: `it was not measured: ${why}`, reasons: [why], notes: [] });
  const head = `FAILED  shop at HEAD (aaaaaaaaaaaa) against main (bbbbbbbbbbbb): ${why}\n\n0 rounds counted, none INVALID\n\nshop at HEAD`;
  t.equal(runTable(failed, PLAIN).slice(0, head.length), head, 'and there is no table of dashes');
  t.match(
    runTable({ ...failed, verdict: { ...failed.verdict!, verdict: 'INCONCLUSIVE', reasons: [] } }, PLAIN),
    /^FAILED {2}shop [^\n]*exit code 3\n\n0 rounds counted/,
    'as earlier versions have stored it',
  );
  const open = makeJudged({ count: 4, noise: 0.05, status: 'failed', status_reason: 'the Docker engine went away' });
  t.match(
    runTable(open, PLAIN),
    /^FAILED {2}shop at [^\n]*: the Docker engine went away\nINCONCLUSIVE {2}[^]*primary metric[^]*--resume=/,
  );
  const decided = makeJudged({ factors: { latency_med: 1.3 }, status: 'failed', status_reason: 'no snapshot' });
  t.match(runTable(decided, PLAIN), /^REGRESSION {2}[^]*failed \(no snapshot\)/, 'what was decided stays');
});

t.test('where the metrics are', async (t) => {
  const of = (archive: Parameters<typeof makeRun>[0] & object) => runTable(makeRun(archive), PLAIN);
  t.match(of({ archive: undefined }), 'metrics: not shipped');
  t.match(
    of({ archive: { bucket: 'S3 bench', blocks: [], verified: false, pending: true, error: 'no answer' } }),
    'metrics: wait on this host (no answer); npm run archive:push ships them',
  );
  t.match(
    of({ archive: { bucket: 'S3 bench', blocks: ['a', 'b'], verified: false, pending: false, error: 'b is missing' } }),
    'metrics: 2 blocks in S3 bench, not verified: b is missing',
  );
});

t.test('a commit message cannot steer the terminal', async (t) => {
  const run = makeRun();
  run.sides.candidate.subject = 'nice\u001b[2J\rgone';
  t.match(runTable(run, PLAIN).split('\n')[0], 'shop at HEAD (aaaaaaaaaaaa): nice?gone');
});

t.test('colour only where it is asked for', async (t) => {
  t.notMatch(runTable(makeRun(), PLAIN), /\u001b/);
  t.match(runTable(makeRun(), { color: true }), /^\u001b\[1mshop at HEAD/);
});

t.test('a list of runs', async (t) => {
  t.equal(
    runsTable([makeRun(), makeComparison(1.1), makeJudged()], PLAIN),
    text(`
run                         started           benchmark  commit                             status    verdict    rounds   median      p95  CPU per request
01JZZZZZZZZZZZZZZZZZZZZZZA  2026-01-02 03:04  shop       aaaaaaaaaaaa                       complete  -          3 of 3  1.20 ms  4.20 ms           510 µs
01JZZZZZZZZZZZZZZZZZZZZZZA  2026-01-02 03:04  shop       aaaaaaaaaaaa against bbbbbbbbbbbb  complete  -          3 of 3  1.20 ms  4.20 ms           510 µs
01JZZZZZZZZZZZZZZZZZZZZZZA  2026-01-02 03:04  shop       aaaaaaaaaaaa against bbbbbbbbbbbb  complete  PASS     12 of 12  1.08 ms  3.92 ms           489 µs
`),
  );
});

t.test('two runs beside each other', async (t) => {
  const b = makeRun({
    run_id: '01B',
    rounds: makeComparison(1 / 1.5)
      .rounds.filter(({ side }) => side === 'baseline')
      .map((round) => ({ ...round, side: 'candidate' as const })),
  });
  const shown = comparisonTable(makeRun(), b, PLAIN);
  t.match(shown, /latency med \* +1\.20 ms +8\.33 % +1\.80 ms +8\.33 % +\+50\.00 %/);
});

t.test("a metric of the benchmark's own without a value keeps its row, and its query is named", async (t) => {
  const lost = (run: RunDocument): RunDocument => ({
    ...run,
    rounds: run.rounds.map((round) => {
      const { search_p95: _, ...samples } = round.samples;
      return { ...round, samples };
    }),
  });
  const why = 'search_p95 has no value in any round: histogram_quantile(0.95, x{$selector})';
  const alone = runTable(lost(makeRun()), PLAIN).split('\n');
  t.ok(alone.includes('search_p95                -         -         -       -'), alone.join('\n'));
  t.ok(alone.includes(why));
  const judged = lost(makeJudged());
  const compared = runTable({ ...judged, verdict: judgeRun(judged) }, PLAIN);
  t.match(compared, /^search_p95 +- +- +- +-$/m);
  t.ok(compared.split('\n').includes(why));
  t.notMatch(runTable(makeRun(), PLAIN), 'has no value');
  t.notMatch(runTable(lost(makeRun({ rounds: [] })), PLAIN), 'has no value', 'nothing was measured at all');
});

t.test(
  'what has to be said of how a run came about: alone under its heading, of two sides in its verdict',
  async (t) => {
    const notes = ['the anchor a1 is not in the history of b2 any more: the anchor is c3 now'];
    t.match(
      runTable(makeRun({ notes }), PLAIN),
      /engine [^\n]+\nnote: the anchor a1 is not in the history of b2 any more/,
    );
    t.notMatch(runTable(makeRun(), PLAIN), /note:/);
    const judged = makeJudged({ notes });
    t.equal(judged.verdict!.notes[0], notes[0]);
    t.equal(runTable(judged, PLAIN).match(/note: the anchor a1/g)!.length, 1, 'once');
  },
);
