/** Holes in the metrics of a run, in words. */
import t from 'tap';
import { holeLines } from '../../scripts/report/holes-text.ts';
import { verdictMarkdown } from '../../scripts/report/markdown.ts';
import { runTable } from '../../scripts/report/run-table.ts';
import { validitySection } from '../../scripts/service/server/pages/run-parts.ts';
import { makeJudged, makeRun } from '../run-document.ts';

const hole = (scraped: number, error?: string) => ({
  service: 'shop',
  instance: 'shop-1',
  scraped,
  of: 9,
  ...(error ? { error } : {}),
});

t.test('one sentence for each target, in the table of the run', async (t) => {
  const run = makeRun();
  t.strictSame(holeLines(run), []);
  run.rounds[0]!.holes = [hole(4, 'sample limit exceeded: at most 20000 series of a target are taken')];
  const one =
    'the metrics of shop-1 (candidate) have a hole in round 1: 4 of 9 scrapes went well; Prometheus said: sample limit exceeded: at most 20000 series of a target are taken';
  t.strictSame(holeLines(run), [one]);
  t.match(runTable(run, { color: false }), `\nnote: ${one}`);
  run.rounds[2]!.holes = [hole(0)];
  t.match(holeLines(run), [/ in rounds 1, 3: 4 of 18 scrapes went well; Prometheus said: sample/]);
  const many = Array.from({ length: 7 }, (_, i) => ({ ...run.rounds[0]!, round: i + 1, holes: [hole(1)] }));
  t.match(holeLines({ rounds: many }), [/ in rounds 1, 2, 3, 4, 5 and 2 more: 7 of 63 scrapes went well$/]);
});

t.test('the comment and the page of the run say it, and nothing where the metrics are whole', async (t) => {
  const run = makeJudged();
  const page = () => String(validitySection({ run, rounds: [] }));
  t.notMatch(verdictMarkdown(run.verdict!, run, []), 'hole');
  t.notMatch(page(), 'hole');
  run.rounds[0]!.holes = [hole(4, 'limit <b> *exceeded*')];
  const said = 'the metrics of shop-1 (candidate) have a hole in round 1: 4 of 9 scrapes went well; Prometheus said: ';
  const [open] = verdictMarkdown(run.verdict!, run, []).split('<details>');
  t.match(open, `\n- ${said}limit \\<b\\> \\*exceeded\\*\n`, 'where it is not folded');
  t.match(page(), `<ul class="grounds holes"><li>${said}limit &lt;b&gt; *exceeded*</li></ul>`);
});
