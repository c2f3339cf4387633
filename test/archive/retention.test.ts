/**
 * The two compactors of compose/archive.yaml: retention never merges raw blocks, and removes what is too old; the other
 * would merge them.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { isBlockName, REMOVAL_DELAY_S } from '../../scripts/archive/blocks.ts';
import { IMAGES } from '../../scripts/images/images.ts';
import { dataFolder, run } from '../e2e/helpers.ts';

const DAY_S = 86_400;
const USER = `--user=${process.getuid!()}:${process.getgid!()}`;

t.test('retention merges nothing, marks what is too old, and leaves the trend stream alone', async (t) => {
  const data = dataFolder(t);
  const bucket = await rawBucket(t, data);
  const before = readdirSync(bucket).sort();
  await compact(t, data, 'retention', { MAYFLY_RETENTION_RAW: '30d' });
  t.same(
    readdirSync(bucket)
      .sort()
      .filter((name) => before.includes(name)),
    before,
    'every block is still there',
  );
  t.equal(readdirSync(bucket).filter(isBlockName).length, before.length, 'and no other');
  const marked = before.filter((name) => existsSync(join(bucket, name, 'deletion-mark.json')));
  t.same(
    marked.map((name) => metaOf(bucket, name).thanos.labels).sort((a, b) => (a.stream < b.stream ? -1 : 1)),
    [{ stream: 'raw', run_id: 'OLD' }, TELEMETRY],
    'only the raw block and the telemetry by hand that are too old are marked',
  );
  const foreign = before.filter((name) =>
    FOREIGN.some(({ cluster }) => metaOf(bucket, name).thanos.labels.cluster === cluster),
  );
  t.equal(foreign.length, 6 + 1, 'what is of others lies there');
  const asItWas = new Map(foreign.map((name) => [name, readdirSync(join(bucket, name)).sort().join()]));
  // One that another has marked, long ago: it is the other's to remove.
  writeFileSync(
    join(bucket, foreign[0]!, 'deletion-mark.json'),
    JSON.stringify({ id: foreign[0], version: 1, deletion_time: 1 }),
  );
  for (const [service, variables] of [
    ['retention', { MAYFLY_RETENTION_RAW: '1d' }],
    ['compactor', { MAYFLY_RETENTION_TREND: '1d' }],
  ] as const)
    await compact(t, data, service, variables);
  for (const [name, files] of asItWas)
    t.equal(
      readdirSync(join(bucket, name))
        .filter((file) => name !== foreign[0] || file !== 'deletion-mark.json')
        .sort()
        .join(),
      files,
      `${name} of another is neither marked, merged nor removed`,
    );
  t.ok(existsSync(join(bucket, foreign[0]!, 'meta.json')));

  // The same flags but the level and the selection: without them blocks are merged, so that the checks above can fail.
  await compact(t, data, 'retention', { MAYFLY_RETENTION_RAW: '0d' }, ['--debug.max-compaction-level=4']);
  t.ok(
    readdirSync(bucket)
      .filter(isBlockName)
      .some((name) => !before.includes(name) && metaOf(bucket, name).thanos.labels.run_id === 'NEW'),
    'with its usual levels the compactor merges raw blocks',
  );
});

const FOREIGN: Record<string, string>[] = [{ cluster: 'prod' }, { cluster: 'test', run_id: 'OTHER' }];
const TELEMETRY = { region: 'eu', stream: 'telemetry', telemetry: 'night' };

const metaOf = (bucket: string, block: string) => JSON.parse(readFileSync(join(bucket, block, 'meta.json'), 'utf8'));

/** A run of twelve hours in blocks of two, ten days ago; one of a hundred days ago; a trend of then. */
async function rawBucket(t: Test, data: string): Promise<string> {
  const bucket = join(data, 'bucket');
  mkdirSync(bucket);
  const tenDaysAgo = Math.floor((Date.now() / 1000 - 10 * DAY_S) / (8 * 3600)) * 8 * 3600;
  await addBlocks(t, data, { stream: 'raw', run_id: 'NEW' }, tenDaysAgo, 12);
  await addBlocks(t, data, { stream: 'raw', run_id: 'OLD' }, tenDaysAgo - 90 * DAY_S, 1);
  await addBlocks(t, data, { stream: 'trend' }, tenDaysAgo - 90 * DAY_S, 1);
  await addBlocks(t, data, TELEMETRY, tenDaysAgo - 90 * DAY_S, 1);
  // Of other tools: enough to be merged, a year old; and one that calls its blocks as Mayfly does its runs.
  await addBlocks(t, data, FOREIGN[0]!, tenDaysAgo - 355 * DAY_S, 12);
  await addBlocks(t, data, FOREIGN[1]!, tenDaysAgo - 355 * DAY_S, 1);
  t.equal(readdirSync(bucket).length, 9 + 6 + 1);
  return bucket;
}

/** Blocks of two hours each, made by promtool as those of Prometheus are. */
async function addBlocks(
  t: Test,
  data: string,
  labels: Record<string, string>,
  fromS: number,
  hours: number,
): Promise<void> {
  const work = join(data, Object.values(labels).join());
  mkdirSync(work);
  const samples = Array.from({ length: hours * 6 }, (_, index) => `measured ${index} ${fromS + index * 600}`);
  writeFileSync(join(work, 'metrics'), ['# TYPE measured gauge', ...samples, '# EOF', ''].join('\n'));
  const made = await run('docker', [
    'run',
    '--rm',
    '--network=none',
    USER,
    '--volume',
    `${work}:/work`,
    '--entrypoint=promtool',
    IMAGES.prometheus.ref,
    'tsdb',
    'create-blocks-from',
    'openmetrics',
    '/work/metrics',
    '/work/out',
  ]).done;
  t.equal(made.code, 0, made.stderr);
  for (const block of readdirSync(join(work, 'out')).filter(isBlockName)) {
    cpSync(join(work, 'out', block), join(data, 'bucket', block), { recursive: true });
    writeFileSync(
      join(data, 'bucket', block, 'chunks', 'requests-1.parquet'),
      'what lies beside the chunks disturbs neither',
    );
    const file = join(data, 'bucket', block, 'meta.json');
    writeFileSync(
      file,
      JSON.stringify({
        ...JSON.parse(readFileSync(file, 'utf8')),
        thanos: { labels, downsample: { resolution: 0 }, source: 'bucket.upload' },
      }),
    );
  }
}

/** One pass of a compactor of compose/archive.yaml, at once, over blocks that were written just now. */
async function compact(
  t: Test,
  data: string,
  service: string,
  variables: Record<string, string>,
  more: string[] = [],
): Promise<void> {
  const command: string[] = parse(readFileSync('compose/archive.yaml', 'utf8'), { merge: true }).services[service]
    .command;
  const replaced = more.map((flag) => `${flag.split('=')[0]}=`);
  const flags = command
    .filter((flag) => !/^--(wait|http-address)/.test(flag) && !replaced.some((name) => flag.startsWith(name)))
    .map((flag) =>
      flag.replace(
        /\$\{(\w+)\}/g,
        (_, name: string) =>
          (({ MAYFLY_REMOVAL_DELAY: `${REMOVAL_DELAY_S}s`, ...variables }) as Record<string, string>)[name]!,
      ),
    );
  const config = join(process.cwd(), 'thanos', 'bucket.filesystem.yaml');
  const { code, stderr } = await run('docker', [
    'run',
    '--rm',
    '--network=none',
    USER,
    '--volume',
    `${join(data, 'bucket')}:/bucket`,
    '--volume',
    `${config}:/etc/thanos/bucket.yaml:ro`,
    '--tmpfs=/data:mode=1777',
    IMAGES.thanos.ref,
    ...flags,
    '--consistency-delay=0s',
    ...more,
  ]).done;
  t.equal(code, 0, stderr);
}
