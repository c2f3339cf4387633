/** The series of a run's rounds, kept as text until its end. */
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  forgetSeries,
  keepSeries,
  mergeSeries,
  namesOfSeries,
  readSeries,
  SERIES_FOLDER,
} from '../../scripts/telemetry/series-files.ts';

const text = (round: number, more = '') => ({
  text: `# TYPE a gauge\na{round="${round}"} 1 ${round}.0005\n${more}# EOF\n`,
  samples: 1,
  firstMs: round * 1000,
  lastMs: round * 1000,
});

t.test('kept, read and forgotten, in the order of the rounds', async (t) => {
  const dir = t.testdir();
  t.same(await namesOfSeries(dir), []);
  for (const round of [10, 2]) t.equal(await keepSeries(dir, `round-${round}-candidate`, text(round)), null);
  await keepSeries(dir, 'round-2-baseline', text(2));
  t.equal(await keepSeries(dir, 'round-3-candidate', { ...text(3), samples: 0 }), null, 'of nothing nothing is kept');
  writeFileSync(join(dir, SERIES_FOLDER, 'round-4-candidate.txt.tmp'), 'a kill came between');
  const names = ['round-2-baseline', 'round-2-candidate', 'round-10-candidate'];
  t.same(await namesOfSeries(dir), names);
  t.same(await readSeries(dir, 'round-10-candidate'), text(10));
  await forgetSeries(dir, names.slice(0, 1));
  t.same(await namesOfSeries(dir), names.slice(1));
});

t.test('of one run so much and no more', async (t) => {
  const dir = t.testdir();
  mkdirSync(join(dir, SERIES_FOLDER));
  writeFileSync(join(dir, SERIES_FOLDER, 'round-1-candidate.txt'), '');
  truncateSync(join(dir, SERIES_FOLDER, 'round-1-candidate.txt'), 512 * 2 ** 20);
  t.equal(await keepSeries(dir, 'round-2-candidate', text(2)), 'those of the rounds before are 512 MiB already');
});

t.test('several texts are one: a family once, all series, one end', async (t) => {
  const b = '# TYPE b histogram\nb_count{} 3 2.0005\n';
  t.same(mergeSeries([text(1), text(2, b), text(3)]), {
    text: `# TYPE a gauge
a{round="1"} 1 1.0005
a{round="2"} 1 2.0005
a{round="3"} 1 3.0005
# TYPE b histogram
b_count{} 3 2.0005
# EOF
`,
    samples: 3,
    firstMs: 1000,
    lastMs: 3000,
  });
});
