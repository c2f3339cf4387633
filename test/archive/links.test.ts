/** What the closing list of bench says about where the run can be looked at. */
import { join } from 'node:path';
import t from 'tap';
import type { Context } from '../../scripts/app/context.ts';
import { planArchive, saveArchive } from '../../scripts/archive/archives.ts';
import { openBucket } from '../../scripts/archive/bucket.ts';
import { waysTo } from '../../scripts/archive/links.ts';
import { paths } from '../../scripts/core/paths.ts';
import { ROOT } from '../e2e/helpers.ts';

const RUN = { run_id: '01RUN', benchmark: 'perf-hello', from: 1000, to: 61_000 };

t.test('where no archive is up: the command, and the link that is ready then', async (t) => {
  const where = paths(ROOT, { MAYFLY_DATA: t.testdir() });
  const bucket = await openBucket(undefined, where);
  const ways = (more: Partial<Parameters<typeof waysTo>[1]> = {}) =>
    waysTo(RUN, { links: [], bucket, objstore: undefined, grafana: false, ...more }, { paths: where } as Context);

  t.same(await ways({ links: ['http://up'] }), ['http://up'], 'it is up');
  const [command, link, ...others] = await ways();
  t.equal(command, 'npm run archive:up');
  t.match(link, /^http:\/\/127\.0\.0\.1:\d+\/graph\?g0\.expr=\S+01RUN\S+g0\.range_input=60s\S+ shows the run then$/);
  t.same(others, []);
  t.match(
    (await ways({ grafana: true }))[1],
    /^http:\/\/127\.0\.0\.1:\d+\/d\/mayfly-run\?var-benchmark=perf-hello&var-run=01RUN&from=1000&to=61000 shows the run then$/,
  );
  t.equal((await ways({ objstore: '/s3.yaml' }))[0], 'npm run archive:up -- --objstore=/s3.yaml');

  const archive = await planArchive('team', {}, false, where);
  await saveArchive(archive);
  const [up, then] = await ways();
  t.equal(up, 'npm run archive:up -- --archive=team', 'one that was up before comes back under its name');
  t.match(then, `http://127.0.0.1:${archive.port_base + 1}/graph?`, 'and at its ports');
  t.equal(archive.dir, join(where.data, 'archives', 'team'));
});
