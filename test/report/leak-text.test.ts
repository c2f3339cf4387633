import t from 'tap';
import { leakLines } from '../../scripts/report/leak-text.ts';
import { verdictMarkdown } from '../../scripts/report/markdown.ts';
import { runTable } from '../../scripts/report/run-table.ts';
import { makeComparison, makeJudged, makeRun } from '../run-document.ts';

const found = { service: 'api', bytes_per_request: 1200, low: 1000, high: 1400, rounds: 1 } as const;
const LINE = 'leak hint: api grows 1.20 MB per 1,000 requests, 95 % 1.00 to 1.40';

t.test('a service that grows is told with its interval, and nothing else is', async (t) => {
  const solo = makeRun();
  t.strictSame(leakLines({ ...solo, growth: [{ ...found, of: 'candidate', verdict: 'grows' }] }), [LINE]);
  for (const verdict of ['levels-off', 'steady', 'unknown'] as const)
    t.strictSame(leakLines({ ...solo, growth: [{ ...found, of: 'candidate', verdict }] }), []);
  t.strictSame(leakLines(solo), []);
});

t.test('of two sides it says whose, and the difference', async (t) => {
  const growth = (['candidate', 'baseline', 'difference'] as const).map((of) => ({
    ...found,
    of,
    verdict: 'grows' as const,
  }));
  t.strictSame(leakLines({ ...makeComparison(1), growth }), [
    'leak hint: api of the candidate grows 1.20 MB per 1,000 requests, 95 % 1.00 to 1.40',
    'leak hint: api of the baseline grows 1.20 MB per 1,000 requests, 95 % 1.00 to 1.40',
    'leak hint: api of the candidate grows 1.20 MB per 1,000 requests more than that of the baseline, 95 % 1.00 to 1.40',
  ]);
});

t.test('it stands in the result of a run and in the comment, and changes no verdict', async (t) => {
  const growth = [{ ...found, of: 'candidate' as const, verdict: 'grows' as const }];
  t.ok(runTable(makeRun({ growth }), { color: false }).split('\n').includes(LINE));
  const judged = makeJudged();
  const text = verdictMarkdown(judged.verdict!, { ...judged, growth }, []);
  t.match(text, /- leak hint: api of the candidate grows 1\.20 MB per 1,000 requests/);
  t.equal(text.split('\n')[0], verdictMarkdown(judged.verdict!, judged, []).split('\n')[0]);
});
