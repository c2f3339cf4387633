/**
 * Maintenance of the archive with real runs: damage is found and repaired, a run moves to another archive, and what may go
 * goes.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  bench,
  dataFolder,
  type Ended,
  engine,
  mayfly,
  nothingLeft,
  probeBenchmark,
  SECRET,
  startGateway,
} from '../e2e/helpers.ts';

t.teardown(() => engine.close());

interface Answer extends Ended {
  document: any;
}

/** npm run archive -- ... --json. */
async function archive(data: string, ...args: string[]): Promise<Answer> {
  const ended = await mayfly('archive', [...args, '--json'], data).done;
  return { ...ended, document: ended.stdout ? JSON.parse(ended.stdout) : null };
}

/** One byte of a file is another. */
function damage(file: string, position = 3000): void {
  const data = readFileSync(file);
  data[position]! ^= 1;
  writeFileSync(file, data);
}

const kinds = ({ document }: Answer) =>
  document.findings.filter((finding: any) => finding.fault).map((finding: any) => finding.kind);

/** A benchmark that a busy host does not make INVALID: what is measured is of no matter here. */
const calm = (t: Test) => probeBenchmark(t, { load: { rate: 20, max_in_flight: 60 } });

/** Runs of the probe benchmark in a data folder. */
async function runsIn(t: Test, data: string, labels: string[]): Promise<{ run_id: string; block: string }[]> {
  const benchmark = calm(t);
  const runs = [];
  for (const label of labels) {
    const ended = await bench(benchmark, data, label ? [`--label=${label}`] : []);
    t.equal(ended.code, 0, ended.stderr);
    runs.push({ run_id: ended.run.run_id, block: ended.run.archive!.blocks[0]! });
  }
  return runs;
}

t.test('a folder bucket: list, verify, damage, repair, export, import, prune', async (t) => {
  const data = dataFolder(t);
  const bucket = join(data, 'bucket');
  const [a, b] = (await runsIn(t, data, ['release=1', ''])) as [
    { run_id: string; block: string },
    { run_id: string; block: string },
  ];

  const list = await archive(data, 'ls', '--limit=1');
  t.match(list.document, {
    schema: 'mayfly.archive-list/v1',
    runs_found: 2,
    runs: [{ run_id: b.run_id, blocks: 1, known: true, marked: 'none' }],
    partial: [],
  });
  t.equal(list.document.runs.length, 1);
  t.ok(list.document.runs[0].samples > 100);
  t.equal((await archive(data, 'ls', '--benchmark=other')).document.runs_found, 0);
  t.equal((await archive(data, 'show', a.run_id.slice(0, 24).toLowerCase())).document.run_id, a.run_id);
  t.match((await archive(data, 'show', 'last')).document, {
    run_id: b.run_id,
    blocks: [{ ulid: b.block, labels: { run_id: b.run_id, benchmark: 'probe' } }],
  });

  const first = await archive(data, 'verify');
  t.equal(first.code, 0, first.stdout + first.stderr);
  t.match(first.document, { ok: true, findings: [], blocks_checked: 2 + list.document.trend.blocks });

  const out = join(data, 'a.tar');
  const exported = await archive(data, 'export', a.run_id, `--out=${out}`);
  t.equal(exported.code, 0, exported.stderr);
  t.same(exported.document.blocks, [a.block]);
  t.equal((await archive(data, 'export', a.run_id, `--out=${out}`)).code, 2, 'a file that is there stays');

  // A damaged chunk is found, the other run is not blamed, nothing is thrown away, and the export repairs it.
  damage(join(bucket, a.block, 'chunks', '000001'));
  const damaged = await archive(data, 'verify', '--repair');
  t.equal(damaged.code, 4);
  t.same(kinds(damaged), ['damaged']);
  t.match(damaged.document.findings[0], { run_id: a.run_id, blocks: [a.block] });
  t.ok(existsSync(join(bucket, a.block, 'index')), 'a damaged block without another copy is kept');
  t.equal((await archive(data, 'verify', `--run=${b.run_id}`)).code, 0);
  t.match(
    (await archive(data, 'export', a.run_id, `--out=${join(data, 'c.tar')}`)).stderr,
    /is damaged: chunks\/000001/,
  );
  t.notOk(existsSync(join(data, 'c.tar')), 'no half export is left');
  t.match((await archive(data, 'import', out)).document, { run_id: a.run_id, new_run: false, blocks: [a.block] });
  t.equal((await archive(data, 'verify')).code, 0, 'whole again');

  // A lost meta.json is written anew, and a lost trend is rebuilt.
  unlinkSync(join(bucket, b.block, 'meta.json'));
  for (const trend of trendBlocks(bucket)) rmSync(join(bucket, trend), { recursive: true });
  t.same(kinds(await archive(data, 'verify')), ['damaged', 'no-trend']);
  const refused = await archive(data, 'prune', '--older-than=5w', '--yes');
  t.match(
    refused.document.not_removed,
    /meta\.json of .* is damaged/,
    'the clean-up does not take it for an upload that did not end',
  );
  const repaired = await archive(data, 'verify', '--repair');
  t.equal(repaired.code, 0, repaired.stdout + repaired.stderr);
  t.same(
    repaired.document.repaired.map((finding: any) => finding.kind),
    ['damaged', 'no-trend'],
  );
  t.ok(trendBlocks(bucket).length > 0);

  damage(join(bucket, trendBlocks(bucket)[0]!, 'index'), 60);
  t.same(kinds(await archive(data, 'verify')), ['damaged', 'no-trend']);
  t.equal((await archive(data, 'verify', '--repair')).code, 0, 'a damaged trend block is made anew');

  // A block that is gone.
  rmSync(join(bucket, a.block), { recursive: true });
  t.same(kinds(await archive(data, 'verify')), ['missing']);

  // Another archive takes it, once.
  const other = dataFolder(t);
  const imported = await archive(other, 'import', out);
  t.equal(imported.code, 0, imported.stderr);
  t.match(imported.document, { run_id: a.run_id, new_run: true, blocks: [a.block] });
  const twice = await Promise.all([archive(other, 'import', out), archive(other, 'import', out)]);
  t.ok(
    twice.some(({ code }) => code === 0) &&
      twice.every(({ code, stderr }) => code === 0 || (code === 4 && stderr.includes('another command'))),
    'two at once: one does it; the other does it after, or says that it cannot now',
  );
  t.match(twice.find(({ code }) => code === 0)!.document, { new_run: false, blocks: [] });
  const shown = async (data: string) => {
    const { archive: _where, ...run } = JSON.parse((await mayfly('show', [a.run_id, '--json'], data).done).stdout);
    return run;
  };
  t.same(await shown(other), await shown(data), 'the record is the same');

  // What may go: first it is shown, then it goes; the label protects.
  t.match((await archive(data, 'import', out)).document, { blocks: [a.block] });
  const dry = await archive(data, 'prune', '--max-size=0B', '--keep-label=release');
  t.match(dry.document, { done: false, runs: [{ run_id: b.run_id }], kept: 1 });
  t.ok(
    existsSync(join(bucket, b.block, 'index')) && !existsSync(join(bucket, b.block, 'deletion-mark.json')),
    'nothing was changed',
  );
  const marked = await archive(data, 'prune', '--max-size=0B', '--keep-label=release', '--yes');
  t.equal(marked.code, 0, marked.stderr);
  t.ok(existsSync(join(bucket, b.block, 'deletion-mark.json')), 'marked, and there for two days more');
  t.match(JSON.parse((await mayfly('show', [b.run_id, '--json'], data).done).stdout).archive, {
    removed_at: /^\d{4}-/,
    verified: true,
  });
  t.equal((await archive(data, 'verify')).code, 0, 'no fault');
  t.match((await archive(data, 'mark-delete', b.run_id, '--undo', '--yes')).document, {
    blocks: [b.block],
    marked: false,
    done: true,
  });
  t.notOk(existsSync(join(bucket, b.block, 'deletion-mark.json')));
  t.notOk(JSON.parse((await mayfly('show', [b.run_id, '--json'], data).done).stdout).archive.removed_at);
  t.match((await archive(data, 'mark-delete', a.run_id)).document, { blocks: [a.block], done: false });
  await archive(data, 'mark-delete', a.run_id, '--yes');
  const gone = await archive(data, 'prune', '--max-size=0B', '--yes', '--now');
  t.equal(gone.code, 0, gone.stderr);
  t.notOk(existsSync(join(bucket, b.block)), 'removed at once');
  t.ok(existsSync(join(bucket, a.block, 'index')), 'what was marked before keeps its delay');
  t.equal((await archive(data, 'verify')).code, 0);
  await nothingLeft(t, data);
});

t.test('wrong use ends with exit code 2 and changes nothing', async (t) => {
  const data = dataFolder(t);
  for (const [args, said] of [
    [['frobnicate'], /cannot "frobnicate"[^]*One of ls, show, verify/],
    [[], /needs to know what to do/],
    [['prune'], /prune needs to know what may go/],
    [['prune', '--older-than=90'], /--older-than must be/],
    [['prune', '--keep-last=1', '--now'], /--now needs --yes/],
    [['show', 'XYZ'], /there is no run "XYZ"/],
    [['export', 'last'], /no run in the store/],
    [['import', '/nowhere.tar'], /there is no such file/],
    [['mark-delete'], /needs one run/],
    [['ls', '--archive=nope'], /there is no archive "nope"/],
  ] as [string[], RegExp][]) {
    const { code, stderr, stdout } = await mayfly('archive', args, data).done;
    t.equal(code, 2, args.join(' '));
    t.match(stderr, said);
    t.notMatch(stderr, /\n\s+at /, 'no stack trace');
    t.equal(stdout, '');
  }
});

t.test('an S3 store: verify reads a copy, and export, import and removal go the same way', async (t) => {
  const data = dataFolder(t);
  const { endpoint, bucket } = await startGateway(t);
  const objstore = join(data, 's3.yaml');
  const configure = (secret: string) =>
    writeFileSync(
      objstore,
      `type: S3\nprefix: team\nconfig: {bucket: runs, endpoint: "${endpoint}", access_key: key-of-the-test, secret_key: ${secret}, insecure: true, region: us-east-1}\n`,
    );
  const s3 = `--objstore=${objstore}`;
  // A run that could not be shipped is a fault, and the repair ships it.
  configure('another-secret-of-the-test');
  const waiting = await bench(calm(t), data, [s3]);
  t.match(waiting.run.archive, { pending: true }, waiting.stderr);
  const { run_id } = waiting.run;
  const refused = await archive(data, 'verify', s3);
  t.equal(refused.code, 4);
  t.match(refused.stderr, /the bucket S3 [^/]+\/runs\/team does not answer/);
  configure(SECRET);
  // A damaged block in the bucket would look shipped to Thanos; its good copy waits here.
  const [block] = waiting.run.archive!.blocks as [string];
  const copy = join(data, 'runs', run_id, 'snapshot', block);
  const meta = JSON.parse(readFileSync(join(copy, 'meta.json'), 'utf8'));
  const torn = join(bucket, 'team', block);
  cpSync(copy, torn, { recursive: true });
  writeFileSync(
    join(torn, 'meta.json'),
    JSON.stringify({
      ...meta,
      thanos: {
        labels: { stream: 'raw', run_id, benchmark: 'probe', host: waiting.run.host.id },
        downsample: { resolution: 0 },
        source: 'bucket.upload',
      },
    }),
  );
  cpSync(join(copy, 'index'), join(data, 'index-of-the-copy'));
  damage(join(torn, 'index'));
  t.same(kinds(await archive(data, 'verify', s3)), ['damaged', 'pending']);
  t.equal((await archive(data, 'mark-delete', run_id, s3)).code, 2, 'what waits is not marked');
  const shipped = await archive(data, 'verify', '--repair', s3);
  t.equal(shipped.code, 0, shipped.stdout + shipped.stderr);
  t.match(shipped.document.repaired, [
    { kind: 'damaged', blocks: [block] },
    { kind: 'pending', run_id },
  ]);
  t.same(
    readFileSync(join(torn, 'index')),
    readFileSync(join(data, 'index-of-the-copy')),
    'the good copy is in the bucket',
  );

  t.match((await archive(data, 'ls', s3)).document, {
    bucket: /^S3 [^/]+\/runs/,
    runs: [{ run_id, known: true }],
  });
  const whole = await archive(data, 'verify', s3);
  t.equal(whole.code, 0, whole.stdout + whole.stderr);
  t.ok(whole.document.bytes_checked > 10_000, 'the contents were read');
  const out = join(data, 'a.tar');
  t.equal((await archive(data, 'export', run_id, `--out=${out}`, s3)).code, 0);
  damage(join(bucket, 'team', block, 'index'));
  t.same(kinds(await archive(data, 'verify', s3)), ['damaged']);
  t.match((await archive(data, 'import', out, s3)).document, { new_run: false, blocks: [block] });
  t.equal((await archive(data, 'verify', s3)).code, 0);

  const gone = await archive(data, 'prune', '--max-size=0B', '--yes', '--now', s3);
  t.equal(gone.code, 0, gone.stderr);
  t.same((await archive(data, 'ls', s3)).document.runs, []);
  t.notOk(existsSync(join(bucket, 'team', block, 'index')));
  t.equal((await archive(data, 'verify', s3)).code, 0);
  mkdirSync(join(data, 'bucket'), { recursive: true });
  t.same(readdirSync(join(data, 'bucket')), [], 'the folder bucket was not used');
  await nothingLeft(t, data);
});

/** Trend blocks of a folder bucket that are not marked for deletion. */
function trendBlocks(bucket: string): string[] {
  return readdirSync(bucket).filter((name) => {
    const meta = join(bucket, name, 'meta.json');
    return (
      existsSync(meta) &&
      JSON.parse(readFileSync(meta, 'utf8')).thanos.labels.stream === 'trend' &&
      !existsSync(join(bucket, name, 'deletion-mark.json'))
    );
  });
}
