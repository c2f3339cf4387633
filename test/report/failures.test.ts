/**
 * What failed, wherever a run is shown. The texts come from code under test: nothing of them steers a terminal, a page
 * or a comment.
 */
import { join } from 'node:path';
import t from 'tap';
import runSchema from '../../docs/schemas/mayfly.run.v1.json' with { type: 'json' };
import type { Failures } from '../../loadgen/result.ts';
import { compile } from '../../scripts/config/schema.ts';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { failuresOf } from '../../scripts/measure/collect/failures.ts';
import { exampleWords, failuresTable, runFailures } from '../../scripts/report/failures-text.ts';
import { verdictMarkdown } from '../../scripts/report/markdown.ts';
import { runTable } from '../../scripts/report/run-table.ts';
import type { RunView } from '../../scripts/service/server/data/data-types.ts';
import { roundViews } from '../../scripts/service/server/data/metric-values.ts';
import { validitySection } from '../../scripts/service/server/pages/run-parts.ts';
import { openStore } from '../../scripts/store/db.ts';
import { makeJudged, makeRun } from '../run-document.ts';

const PLAIN = { color: false };
const failed = (kind: string, detail: string, count: number, message: string, name = 'order'): Failures => ({
  kind,
  detail,
  count,
  example: { name, message },
});
const NASTY = '\u001b[2J<img src=x onerror=alert(1)> @everyone | \u202Egnp.exe\nsecond line';

/** The run with these failures in its rounds, by place. */
const withFailures = (run: RunDocument, ...failures: (Failures[] | undefined)[]): RunDocument => ({
  ...run,
  rounds: run.rounds.map((round, i) => (failures[i] ? { ...round, failures: failures[i] } : round)),
});

t.test('of each side and kind together, most often first', async (t) => {
  const run = withFailures(
    makeJudged({ count: 2 }),
    [failed('status', '503', 2, 'status 503'), failed('refused', 'ECONNREFUSED', 1, 'no')],
    [failed('status', '503', 9, 'of the baseline')],
    [failed('status', '503', 3, 'later'), failed('status', '500', 7, 'status 500', 'search')],
  );
  t.strictSame(
    runFailures(run).map(({ side, kind, detail, count, rounds, example }) => [
      side,
      `${kind} ${detail}`,
      count,
      rounds,
      example.message,
    ]),
    [
      ['candidate', 'status 500', 7, 1, 'status 500'],
      ['candidate', 'status 503', 5, 2, 'status 503'],
      ['candidate', 'refused ECONNREFUSED', 1, 1, 'no'],
      ['baseline', 'status 503', 9, 1, 'of the baseline'],
    ],
  );
  t.strictSame(runFailures(makeRun()), [], 'older runs have none');
});

t.test('in the table of a run, only where something failed', async (t) => {
  const ways = [
    failed('status', '503', 120, 'status 503, expected 201'),
    failed('timeout', '', 3, 'no whole answer after 1000 ms', ''),
    failed('script', '', 1, NASTY),
  ];
  const shown = runTable(withFailures(makeRun(), ways, [ways[0]!]), PLAIN);
  t.match(
    shown,
    /\nwhat failed +side +the first of them +times +rounds\nstatus 503 +candidate +order: status 503, expected 201 +240 +2\ntimeout +candidate +no whole answer after 1000 ms +3 +1\nscript +candidate +order: <img src=x onerror=alert\(1\)> @everyone \| \?gnp\.exe\?second line +1 +1\n\nmetrics: /,
  );
  t.match(
    runTable(withFailures(makeJudged(), ways), PLAIN),
    /\nwhat failed [^]*\nscript [^\n]*\n\nshop at HEAD/,
    'below a verdict too',
  );
  t.notMatch(runTable(makeRun(), PLAIN), 'what failed');
});

t.test('many ways and long texts stay short', async (t) => {
  const run = withFailures(
    makeRun(),
    Array.from({ length: 30 }, (_, i) => failed('status', String(500 + i), 100 - i, 'x'.repeat(500))),
  );
  const lines = failuresTable(run, PLAIN).join('\n').split('\n');
  t.equal(lines.length, 22);
  t.equal(lines.at(-1), 'and 10 more ways of failing; --json has them');
  t.ok(lines.every((line) => line.length < 200));
  t.equal(exampleWords(failed('x', '', 1, 'y'.repeat(500))).length, 120);
});

t.test('what is stored of them is short too, whatever the generator says', async (t) => {
  const huge = failed('k'.repeat(1e6), 'd'.repeat(1e6), 1, 'm'.repeat(1e6), 'n'.repeat(1e6));
  const stored = failuresOf({
    failures: [huge, ...Array.from({ length: 200 }, (_, i) => failed('status', String(i), 2 + i, ''))],
  });
  t.equal(stored.length, 100);
  t.equal(stored[0]!.count, 201);
  t.same(
    failuresOf({ failures: [huge] }).map(({ kind, detail, example }) => [
      kind.length,
      detail.length,
      example.name.length,
      example.message.length,
    ]),
    [[100, 200, 200, 500]],
  );
  t.strictSame([failuresOf(null), failuresOf({ failures: [] })], [[], []]);
});

t.test('in a pull request: nothing of it is markup or mentions anybody', async (t) => {
  const run = withFailures(makeJudged(), [failed('check', 'body', 4, NASTY)]);
  const text = verdictMarkdown(run.verdict!, run, []);
  t.match(
    text,
    /\n- failed \(candidate\): check body, 4 times; the first of them: order: \\<img src=x onerror=alert\(1\)\\> @\u200beveryone \\\| \?gnp\.exe\?second line\n/,
  );
  t.notMatch(verdictMarkdown(makeJudged().verdict!, makeJudged(), []), 'failed (');
});

t.test('on the page of the run: escaped', async (t) => {
  const page = (run: RunDocument) => validitySection({ run, rounds: roundViews(run.rounds) } as RunView).text;
  const shown = page(withFailures(makeRun(), [failed('status', '503', 4, NASTY, '</td><script>')]));
  t.match(shown, '<h3>What failed</h3>');
  t.match(
    shown,
    '<th scope="row">status 503</th><td>candidate</td><td class="wide">&lt;/td&gt;&lt;script&gt;: &lt;img src=x onerror=alert(1)&gt; @everyone | ?gnp.exe?second line</td><td class="num">4</td><td class="num">1</td>',
  );
  t.notMatch(page(makeRun()), 'What failed');
});

t.test('the document with them fits its schema, and comes back from the store', async (t) => {
  const run = withFailures(makeRun(), [failed('status', '503', 4, NASTY)]);
  const validate = compile(runSchema);
  t.ok(validate(JSON.parse(JSON.stringify(run))), JSON.stringify(validate.errors));
  t.notOk(validate(JSON.parse(JSON.stringify(withFailures(makeRun(), [])))), 'absent where nothing failed');
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  t.teardown(() => store.close());
  store.addRun(run);
  t.strictSame(store.run(run.run_id), run);
  store.saveRound(run.run_id, makeRun().rounds[0]!);
  t.strictSame(store.run(run.run_id), makeRun(), 'measured again');
});
