/**
 * The check of a block, on blocks that Prometheus' own promtool makes: whole ones pass, and every flipped byte is
 * found.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import t, { type Test } from 'tap';
import {
  checkBlock,
  checkIndex,
  checkSegment,
  checkTombstones,
  restoreMeta,
} from '../../scripts/archive/block-check.ts';
import { IMAGES } from '../../scripts/images/images.ts';
import { type KeptLine, writeLogFile } from '../../scripts/logs/kept.ts';
import { run } from '../e2e/helpers.ts';

const LABELS = { run_id: '01JZZZZZZZZZZZZZZZZZZZZZZA', benchmark: 'shop', host: 'h0st' };
const parent = mkdtempSync(join(tmpdir(), 'mayfly-block-'));
t.teardown(() => rmSync(parent, { recursive: true, force: true }));
const made = await makeBlock();

/** A block of many series and chunks, with the part of meta.json that Thanos adds at the upload. */
async function makeBlock(): Promise<string> {
  const start = 1_790_000_000 - (1_790_000_000 % 7200);
  const lines = Array.from({ length: 120 }, (_, series) =>
    Array.from(
      { length: 300 },
      (_, i) =>
        `requests{service="s${series}",word="${'x'.repeat(series)}"} ${Math.sin(i * series) * 1e3} ${start + i}`,
    ),
  ).flat();
  writeFileSync(join(parent, 'metrics'), ['# TYPE requests gauge', ...lines, '# EOF', ''].join('\n'));
  const { code, stderr } = await run('docker', [
    'run',
    '--rm',
    '--network=none',
    `--user=${process.getuid!()}:${process.getgid!()}`,
    '--volume',
    `${parent}:/work`,
    '--entrypoint=promtool',
    IMAGES.prometheus.ref,
    'tsdb',
    'create-blocks-from',
    'openmetrics',
    '/work/metrics',
    '/work/out',
  ]).done;
  if (code !== 0) throw new Error(stderr);
  const [ulid] = readdirSync(join(parent, 'out'));
  const dir = join(parent, 'out', ulid!);
  const meta = JSON.parse(readFileSync(join(dir, 'meta.json'), 'utf8'));
  const files = ['chunks/000001', 'index'].map((file) => ({
    rel_path: file,
    size_bytes: readFileSync(join(dir, file)).length,
  }));
  writeFileSync(
    join(dir, 'meta.json'),
    JSON.stringify({
      ...meta,
      thanos: {
        labels: LABELS,
        downsample: { resolution: 0 },
        source: 'test',
        segment_files: ['000001'],
        files: [...files, { rel_path: 'meta.json' }],
      },
    }),
  );
  return dir;
}

/** A copy to damage. */
function copy(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-block-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const dir = join(folder, basename(made));
  cpSync(made, dir, { recursive: true });
  return dir;
}

const faultsOf = async (dir: string, quick = false) =>
  (await checkBlock(dir, { quick })).faults.map(({ file, message }) => `${file} ${message}`);

t.test('a whole block has no fault, and its content is counted', async (t) => {
  const report = await checkBlock(made);
  const meta = JSON.parse(readFileSync(join(made, 'meta.json'), 'utf8'));
  t.strictSame(report.faults, []);
  t.equal(
    report.bytes,
    [
      ...meta.thanos.files.slice(0, 2).map((file: any) => file.size_bytes),
      readFileSync(join(made, 'tombstones')).length,
    ].reduce((a, b) => a + b),
    'all of it was read',
  );
  const index = checkIndex(readFileSync(join(made, 'index')));
  t.equal(index.series, 120);
  t.equal(index.refs.length, meta.stats.numChunks);
  t.ok(meta.stats.numChunks >= 240, 'more than a chunk a series');
  t.ok(index.symbols.includes('s119'));
  const segment = checkSegment(readFileSync(join(made, 'chunks', '000001')));
  t.equal(segment.samples, 120 * 300);
  t.equal(segment.histograms, 0);
});

t.test('every byte of index and chunks counts: whichever is changed, the check finds it', async (t) => {
  for (const [file, check] of [
    ['index', checkIndex],
    ['chunks/000001', checkSegment],
  ] as const) {
    const whole = readFileSync(join(made, file));
    t.doesNotThrow(() => check(whole));
    const step = Math.max(1, Math.floor(whole.length / 4000));
    const missed: number[] = [];
    for (let position = 0; position < whole.length; position += step) {
      whole[position]! ^= 1 << (position % 8);
      try {
        check(whole);
        missed.push(position);
      } catch {
        // found
      }
      whole[position]! ^= 1 << (position % 8);
    }
    t.strictSame(
      missed,
      [],
      `${file}: ${Math.ceil(whole.length / step)} of ${whole.length} bytes were changed, one at a time`,
    );
  }
});

t.test('a file that is cut off, too long or gone is found, by its size alone too', async (t) => {
  for (const file of ['index', 'chunks/000001']) {
    const cut = copy(t);
    truncateSync(join(cut, file), 4000);
    t.match(await faultsOf(cut, true), [new RegExp(`^${file} has 4000 bytes; meta.json says \\d+$`)]);
    t.ok((await faultsOf(cut)).length >= 2, 'the content tells too');
    unlinkSync(join(cut, file));
    t.strictSame(await faultsOf(cut), [`${file} is missing`]);
  }
  const long = copy(t);
  writeFileSync(join(long, 'chunks', '000002'), readFileSync(join(long, 'chunks', '000001')));
  t.ok((await faultsOf(long)).includes('chunks/000002 is not in meta.json'));
});

t.test('meta.json has no checksum: it is held against the rest', async (t) => {
  const dir = copy(t);
  const meta = JSON.parse(readFileSync(join(dir, 'meta.json'), 'utf8'));
  const faults = (changed: object) => {
    writeFileSync(join(dir, 'meta.json'), JSON.stringify({ ...meta, ...changed }));
    return faultsOf(dir);
  };
  t.strictSame(await faults({}), []);
  t.match(await faults({ ulid: LABELS.run_id }), [/^meta.json names the block/]);
  t.match(await faults({ stats: { ...meta.stats, numSeries: 7 } }), ['meta.json says 7 series; there are 120']);
  t.match(await faults({ stats: { ...meta.stats, numSamples: 7 } }), ['meta.json says 7 samples; there are 36000']);
  t.equal((await faults({ stats: { ...meta.stats, numChunks: 7 } })).length, 2);
  t.match(await faults({ minTime: meta.minTime + 1 }), [/^meta.json says \d+ to \d+; a chunk goes from/]);
  t.match(await faults({ thanos: { ...meta.thanos, labels: {} } }), ['meta.json has no external labels']);
  t.match(await faults({ version: 2 }), [/^meta.json has version 2/]);
  writeFileSync(join(dir, 'meta.json'), '{"ulid": "');
  t.match(await faultsOf(dir), [/^meta.json is no JSON/]);
  unlinkSync(join(dir, 'meta.json'));
  t.strictSame(await faultsOf(dir), ['meta.json is missing']);
});

t.test('a lost meta.json is made anew, as it was, unless the rest is damaged', async (t) => {
  const dir = copy(t);
  const before = JSON.parse(readFileSync(join(dir, 'meta.json'), 'utf8'));
  unlinkSync(join(dir, 'meta.json'));
  await restoreMeta(dir, LABELS);
  const after = JSON.parse(readFileSync(join(dir, 'meta.json'), 'utf8'));
  t.strictSame(after.stats.numSamples, before.stats.numSamples);
  t.strictSame(
    [after.ulid, after.minTime, after.maxTime, after.stats.numSeries, after.stats.numChunks],
    [before.ulid, before.minTime, before.maxTime, before.stats.numSeries, before.stats.numChunks],
  );
  t.strictSame(after.thanos.labels, LABELS);
  t.strictSame(await faultsOf(dir), []);
  unlinkSync(join(dir, 'meta.json'));
  truncateSync(join(dir, 'index'), 4000);
  await t.rejects(restoreMeta(dir, LABELS), { message: /cannot be made anew: index/ });
  t.notOk(existsSync(join(dir, 'meta.json')));
});

t.test('log files beside the chunks belong to a block, and are read whole', async (t) => {
  const dir = copy(t);
  const file = join(dir, 'chunks', 'logs-3.gz');
  const lines = Array.from(
    { length: 500 },
    (_, i): KeptLine => ({
      time: '2026-11-28T22:00:00.000000000Z',
      stream: 'o',
      side: 'candidate',
      service: 'shop',
      replica: 1,
      text: `line ${Math.sin(i)}`,
    }),
  );
  await writeLogFile(join(dir, 'chunks'), 'logs-3.gz', lines);
  unlinkSync(join(dir, 'meta.json'));
  await restoreMeta(dir, LABELS);
  const listed = JSON.parse(readFileSync(join(dir, 'meta.json'), 'utf8')).thanos.files;
  t.ok(
    listed.some((one: { rel_path: string }) => one.rel_path === 'chunks/logs-3.gz'),
    'in what a repair writes too',
  );
  t.strictSame(await faultsOf(dir), []);
  const bytes = readFileSync(file);
  bytes[bytes.length - 6]! ^= 1;
  writeFileSync(file, bytes);
  t.strictSame(await faultsOf(dir), ['chunks/logs-3.gz is damaged: incorrect data check']);
  truncateSync(file, 100);
  t.strictSame(await faultsOf(dir), [`chunks/logs-3.gz has 100 bytes; meta.json says ${bytes.length}`]);
  unlinkSync(file);
  t.strictSame(await faultsOf(dir), ['chunks/logs-3.gz is missing']);
});

t.test('marks and tombstones belong to a block; tombstones are checked', async (t) => {
  const dir = copy(t);
  for (const mark of ['deletion-mark.json', 'no-compact-mark.json']) writeFileSync(join(dir, mark), '{}');
  mkdirSync(join(dir, 'chunks'), { recursive: true });
  const stones = Buffer.from([0x01, 0x30, 0xba, 0x30, 1, 3, 200, 1, 210, 1, 0, 0, 0, 0]);
  stones.writeUInt32BE(crc32c(stones.subarray(5, -4)), stones.length - 4);
  writeFileSync(join(dir, 'tombstones'), stones);
  t.strictSame(await faultsOf(dir), []);
  for (let position = 0; position < stones.length; position++) {
    const bad = Buffer.from(stones);
    bad[position]! ^= 4;
    t.throws(() => checkTombstones(bad), `byte ${position}`);
  }
});
