/** What the archive says of one run. */
import t from 'tap';
import { showText } from '../../../scripts/archive/maintenance/list.ts';

t.test('that its metrics have a hole is said', async (t) => {
  const run = {
    schema: 'mayfly.archive-run/v1',
    bucket: 'data/bucket',
    run_id: '01A',
    known: true,
    blocks: [],
  } as const;
  const hole = 'the metrics of shop-1 (candidate) have a hole in round 1: 4 of 9 scrapes went well';
  t.match(showText({ ...run, blocks: [], holes: [hole] }, []), `0 blocks\n${hole}\n`);
  t.notMatch(showText({ ...run, blocks: [] }, []), 'hole');
});
