/**
 * The single requests of a run go where its block goes, with the real Thanos: to the bucket, to an export and back, and
 * away.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { checkBlock, restoreMeta } from '../../scripts/archive/block-check.ts';
import { copyToFolder, listBlocks } from '../../scripts/archive/blocks.ts';
import { openBucket } from '../../scripts/archive/bucket.ts';
import { carryRequests, findRequests, partsIn } from '../../scripts/archive/carried-requests.ts';
import { listRuns, listText, showRun, showText } from '../../scripts/archive/maintenance/list.ts';
import { markRun, prune } from '../../scripts/archive/maintenance/prune.ts';
import { exportRun, importRun } from '../../scripts/archive/maintenance/transfer.ts';
import { verify } from '../../scripts/archive/maintenance/verify.ts';
import { settleFolder } from '../../scripts/archive/recovery/leftovers.ts';
import { shipPending } from '../../scripts/archive/ship.ts';
import { requestsFile, requestsReader } from '../../scripts/requests/view.ts';
import { dataFolder, dumpBlock, engine, mayfly, SECRET, startGateway } from '../e2e/helpers.ts';
import { makeRequests, writeRound } from '../requests/made.ts';
import { makeRun } from '../run-document.ts';
import { blocksIn, context, RUN, readOnly, type TestContext, waitingRun } from './trend-context.ts';

t.teardown(() => engine.close());

/** A run that waits, with the requests of its three rounds: 100, 200 and 300. */
async function withRequests(ctx: TestContext) {
  const waiting = await waitingRun(ctx);
  for (const round of [1, 2, 3])
    await writeRound(
      requestsFile(waiting.runDir, round),
      round,
      makeRequests(100 * round, { seed: round, sides: ['candidate'] }),
    );
  return waiting;
}

/** Where it was shipped, once for all tests. */
const original = context(t);

/** The same in the folder bucket: a copy of what was shipped there. */
async function shipped(ctx: TestContext) {
  const bucket = await openBucket(undefined, ctx.paths);
  if (ctx === original) {
    const { runDir, shipIt } = await withRequests(ctx);
    await shipIt();
    rmSync(runDir, { recursive: true });
  } else {
    const run = original.store.run(RUN);
    cpSync((await openBucket(undefined, original.paths)).folder!, bucket.folder!, { recursive: true });
    ctx.store.addRun(run);
    ctx.store.saveArchive(RUN, { ...run.archive!, bucket: bucket.name });
  }
  const { name: block } = blocksIn(bucket.folder!).find(({ labels }) => labels.stream === 'raw')!;
  const dir = join(bucket.folder!, block);
  const file = (round: number) => join(dir, 'chunks', `requests-${round}.parquet`);
  return { bucket, block, dir, file, run: ctx.store.run(RUN) };
}

const runOf = (ctx: TestContext) => (runId: string) => (runId === RUN ? ctx.store.run(runId) : null);

t.test(
  'they are shipped with the block, listed in its meta.json, and neither Prometheus nor Thanos minds them',
  async (t) => {
    const ctx = original;
    const { bucket, block, dir, run } = await shipped(ctx);
    t.same(ctx.warnings, []);
    const { archive } = ctx.store.run(RUN);
    t.match(archive, {
      verified: true,
      blocks: [block],
      requests: {
        files: [1, 2, 3].map((round) => `${block}/chunks/requests-${round}.parquet`),
        rows: 600,
        verified: true,
      },
    });
    const meta = JSON.parse(readFileSync(join(dir, 'meta.json'), 'utf8'));
    t.same(
      meta.thanos.files.map((file: any) => file.rel_path),
      [
        'chunks/000001',
        'chunks/requests-1.parquet',
        'chunks/requests-2.parquet',
        'chunks/requests-3.parquet',
        'index',
        'meta.json',
      ],
    );
    t.equal(
      archive!.requests!.bytes,
      meta.thanos.files
        .filter((file: any) => /requests/.test(file.rel_path))
        .reduce((sum: number, file: any) => sum + file.size_bytes, 0),
    );
    t.match(await dumpBlock(t, dir), /\{__name__="up", job="services"\} 1 /, 'Prometheus reads the block');
    t.match(await checkBlock(dir), { faults: [], requests: 600 });

    const list = await listRuns(bucket, { limit: 10 }, ctx);
    t.match(list.runs, [{ run_id: RUN, requests: { rows: 600, bytes: archive!.requests!.bytes } }]);
    t.match(listText(list, false), /requests +size\n.* 600 /);
    t.match(
      showText(await showRun(RUN, bucket, ctx), []),
      new RegExp(`its requests one by one: 600 requests, [\\d.]+ kB; npm run requests -- ${RUN}`),
    );
    t.match((await verify(bucket, { quick: false, repair: false }, ctx)).findings, []);

    const found = await findRequests(ctx.store.run(RUN), ctx.paths, runOf(ctx));
    t.match(found, { places: [bucket.folder], reasons: [], elsewhere: [], parts: { length: 3 } });
    await using reader = requestsReader();
    t.match(await reader.summary(found.parts, [0.5]), {
      rounds: [1, 2, 3],
      rows: 600,
      lines: [{ side: 'candidate', name: null, requests: 600 }, {}, {}, {}],
    });

    const up = await mayfly('archive-up', [], ctx.paths.data).done;
    t.teardown(() => mayfly('archive-down', [], ctx.paths.data).done);
    t.equal(up.code, 0, up.stderr);
    const { query_url, unhealthy } = JSON.parse(
      (await mayfly('archive-status', ['--json'], ctx.paths.data).done).stdout,
    );
    t.same(unhealthy, []);
    const answer = await fetch(
      `${query_url}/api/v1/query?${new URLSearchParams({ query: `up{stream="raw",run_id="${RUN}"}`, time: String(Date.parse(run.started_at) / 1000) })}`,
    ).then((reply) => reply.json() as any);
    t.match(
      answer,
      { status: 'success', data: { result: [{ metric: { job: 'services', run_id: RUN } }] } },
      'Store serves the block',
    );
  },
);

t.test(
  'a store that refuses: they wait with the snapshot, survive the settling of the folder, and the push ships them',
  async (t) => {
    const ctx = context(t);
    const { runDir, bucket, shipIt } = await withRequests(ctx);
    t.match(await shipIt(readOnly(bucket)), { pending: true, requests: { rows: 600, verified: false } });
    await settleFolder(RUN, ctx);
    t.same(readdirSync(runDir).sort(), ['owner.json', 'pending.json', 'run.lock', 'snapshot', 'trend']);
    const waiting = await findRequests(ctx.store.run(RUN), ctx.paths, runOf(ctx));
    t.match(waiting, { places: [join(runDir, 'snapshot')], parts: { length: 3 } });
    await using reader = requestsReader();
    t.match(await reader.check(waiting.parts[2]!), { rows: 300 });
    t.match(await shipPending(ctx), [{ archive: { verified: true, requests: { rows: 600, verified: true } } }]);
    t.notOk(existsSync(runDir));
    const found = await findRequests(ctx.store.run(RUN), ctx.paths, runOf(ctx));
    t.match(await reader.check(found.parts[2]!), { rows: 300 });
  },
);

t.test('killed in the middle of putting them into the snapshot: whoever comes next ends it', async (t) => {
  const ctx = context(t);
  const { runDir, shipIt } = await withRequests(ctx);
  const [block] = readdirSync(join(runDir, 'snapshot')).filter((name) => name.length === 26);
  cpSync(requestsFile(runDir, 1), join(runDir, 'snapshot', block!, 'chunks', 'requests-1.parquet'));
  rmSync(requestsFile(runDir, 1));
  t.match(await shipIt(), { verified: true, requests: { files: { length: 3 }, rows: 600 } });
});

t.test(
  'a file that is damaged, of another run, or no Parquet at all is said and left out; the rest is shipped',
  async (t) => {
    const ctx = context(t);
    const { runDir, bucket, shipIt } = await withRequests(ctx);
    writeFileSync(requestsFile(runDir, 1), 'rm -rf / # garbage of a hostile generator');
    const whole = readFileSync(requestsFile(runDir, 2));
    writeFileSync(requestsFile(runDir, 2), whole.subarray(0, whole.length - 100));
    await writeRound(requestsFile(runDir, 4), 4, makeRequests(10), { runId: '01K0000000000000000000000B' });
    writeFileSync(join(runDir, 'requests', 'notes.txt'), 'not one of them');
    t.match(await shipIt(), { verified: true, requests: { files: [/requests-3\.parquet$/], rows: 300 } });
    t.match(ctx.warnings, [
      new RegExp(`^the single requests of round 1 of run ${RUN} are not kept: their file cannot be read as Parquet: `),
      new RegExp(`^the single requests of round 2 of run ${RUN} are not kept: their file cannot be read as Parquet: `),
      new RegExp(
        `^the single requests of round 4 of run ${RUN} are not kept: their file is of run "01K0000000000000000000000B"`,
      ),
    ]);
    const [raw] = blocksIn(bucket.folder!).filter(({ labels }) => labels.stream === 'raw');
    t.same(readdirSync(join(bucket.folder!, raw!.name, 'chunks')).sort(), ['000001', 'requests-3.parquet']);
  },
);

t.test('a run without any is shipped as before', async (t) => {
  const ctx = context(t);
  const { runDir, shipIt } = await waitingRun(ctx);
  t.match(await shipIt(), { verified: true, requests: undefined });
  mkdirSync(join(runDir, 'requests'));
  t.equal(
    await carryRequests(runDir, { dir: runDir, blocks: [], samples: 0 }, RUN, ctx.progress),
    undefined,
    'nor is there a block to put them into',
  );
  t.match(await findRequests(ctx.store.run(RUN), ctx.paths, runOf(ctx)), {
    parts: [],
    reasons: [/kept none: its load generator \(mayfly 0\.1\.0\) left no file of them/],
  });
});

t.test('verify finds one that is missing, damaged, or not that of the record', async (t) => {
  const ctx = context(t);
  const { bucket, file, block } = await shipped(ctx);
  const faults = async (quick = false) =>
    (await verify(bucket, { quick, repair: false }, ctx)).findings.map(({ kind, message }) => `${kind} ${message}`);
  const changed = async (round: number, content: Buffer | null) => {
    const whole = readFileSync(file(round));
    if (content) writeFileSync(file(round), content);
    else rmSync(file(round));
    const seen = [await faults(), await faults(true)];
    writeFileSync(file(round), whole);
    return seen;
  };
  const said = (message: string) => [`damaged block of run ${RUN}: chunks/requests-2.parquet ${message}`];
  t.same(await changed(2, null), [said('is missing'), said('is missing')]);
  const whole = readFileSync(file(2));
  const cut = said(`has ${whole.length - 1} bytes; meta.json says ${whole.length}`);
  t.same(await changed(2, whole.subarray(1)), [cut, cut]);
  const flipped = Buffer.from(whole);
  flipped[200]! ^= 4;
  const [full, quick] = await changed(2, flipped);
  t.match(full, [new RegExp(`^damaged block of run ${RUN}: chunks/requests-2.parquet `)]);
  t.same(quick, []);
  const { archive } = ctx.store.run(RUN);
  ctx.store.saveArchive(RUN, { ...archive!, requests: { ...archive!.requests!, rows: 601 } });
  t.same(await faults(), ['requests its block has 600 single requests; its record says 601']);
  ctx.store.saveArchive(RUN, {
    ...archive!,
    requests: { ...archive!.requests!, files: [...archive!.requests!.files, `${block}/chunks/requests-4.parquet`] },
  });
  t.match(await faults(true), [
    /^requests its block does not have 1 file of its single requests \(requests-4\.parquet\)/,
  ]);
});

t.test('a meta.json that is made anew lists them', async (t) => {
  const ctx = context(t);
  const { dir, bucket } = await shipped(ctx);
  rmSync(join(dir, 'meta.json'));
  t.match(await verify(bucket, { quick: false, repair: true }, ctx), { ok: true, repaired: [{ kind: 'damaged' }] });
  t.match(await checkBlock(dir), { faults: [], requests: 600 });
  await restoreMeta(dir, { run_id: RUN });
  t.match(
    JSON.parse(readFileSync(join(dir, 'meta.json'), 'utf8')).thanos.segment_files,
    ['000001', 'requests-1.parquet', 'requests-2.parquet', 'requests-3.parquet'],
    'as Thanos does it',
  );
});

t.test('an export carries them to another archive', async (t) => {
  const ctx = context(t);
  const { bucket, file } = await shipped(ctx);
  const out = join(dataFolder(t), 'run.tar');
  await exportRun(RUN, out, bucket, ctx);
  const other = context(t);
  const target = await openBucket(undefined, other.paths);
  t.match(await importRun(out, target, other), { run_id: RUN, new_run: true });
  const { archive } = other.store.run(RUN);
  t.match(archive, { bucket: target.name, requests: { rows: 600, verified: true } });
  t.ok(readFileSync(join(target.folder!, archive!.requests!.files[1]!)).equals(readFileSync(file(2))));
  t.match((await verify(target, { quick: false, repair: false }, other)).findings, []);
  t.match((await findRequests(other.store.run(RUN), other.paths, runOf(other))).places, [target.folder]);

  writeFileSync(join(target.folder!, archive!.requests!.files[0]!), 'damaged');
  t.match(
    await importRun(out, target, other),
    { new_run: false, blocks: archive!.blocks },
    'a damaged one is replaced',
  );
  t.match((await verify(target, { quick: false, repair: false }, other)).findings, []);
  writeFileSync(file(1), 'damaged');
  await t.rejects(exportRun(RUN, join(dataFolder(t), 'other.tar'), bucket, ctx), /requests-1\.parquet has 7 bytes/);
});

t.test('they go with their block, and are said to be gone', async (t) => {
  const ctx = context(t);
  const { bucket, dir } = await shipped(ctx);
  t.match(await markRun(RUN, bucket, { undo: false, yes: true }, ctx), { done: true });
  t.match(await findRequests(ctx.store.run(RUN), ctx.paths, runOf(ctx)), {
    parts: [],
    reasons: [/were removed with its metrics on \d{4}-/],
  });
  await markRun(RUN, bucket, { undo: true, yes: true }, ctx);
  t.match(await findRequests(ctx.store.run(RUN), ctx.paths, runOf(ctx)), { parts: { length: 3 } });
  await prune(bucket, { criteria: { keepLabels: [], olderThanMs: 1 }, yes: true, now: true }, ctx);
  t.notOk(existsSync(dir), 'nothing of the block is left');
});

t.test('rounds that were taken over are those of the run that measured them', async (t) => {
  const ctx = context(t);
  const { bucket, run } = await shipped(ctx);
  const rounds = run.rounds.map((round) => ({ ...round, ...(round.round < 3 ? { from_run: RUN } : {}) }));
  const next = makeRun({ run_id: '01K0000000000000000000000C', rounds, continues: RUN, archive: undefined });
  await writeRound(requestsFile(join(ctx.paths.runs, next.run_id), 3), 3, makeRequests(5), { runId: next.run_id });
  const found = await findRequests(next, ctx.paths, runOf(ctx));
  t.same(
    found.parts.map(({ runId, round }) => [runId, round]),
    [
      [RUN, 1],
      [RUN, 2],
      [next.run_id, 3],
    ],
  );
  t.same(found.places, [bucket.folder, join(ctx.paths.runs, next.run_id, 'requests')]);
  t.match(await findRequests(next, ctx.paths, () => null), {
    parts: { length: 1 },
    reasons: [/which measured 2 of its rounds, is not in the store/],
  });
});

t.test('in an object store: shipped, checked, and fetched for `npm run requests`', async (t) => {
  const ctx = context(t);
  const { endpoint } = await startGateway(t);
  const file = join(ctx.paths.data, 's3.yaml');
  writeFileSync(
    file,
    `type: S3\nconfig: {bucket: runs, endpoint: "${endpoint}", access_key: key-of-the-test, secret_key: ${SECRET}, insecure: true, region: us-east-1}\n`,
  );
  const bucket = await openBucket(file, ctx.paths);
  const { shipIt } = await withRequests(ctx);
  t.match(await shipIt(bucket), { verified: true, requests: { rows: 600, verified: true } });
  t.match(await listRuns(bucket, { limit: 10 }, ctx), { runs: [{ requests: { rows: 600 } }] });
  t.match((await verify(bucket, { quick: false, repair: false }, ctx)).findings, []);
  const run = ctx.store.run(RUN);
  const found = await findRequests(run, ctx.paths, runOf(ctx));
  t.match(found, { parts: [], elsewhere: [{ run: { run_id: RUN }, rounds: [1, 2, 3] }], reasons: [] });
  const folder = dataFolder(t);
  await copyToFolder(bucket, run.archive!.blocks, folder, ctx);
  await using reader = requestsReader();
  t.match(await reader.check(partsIn(folder, run, [2])[0]!), { rows: 200 });

  const asked = (...args: string[]) => mayfly('requests', [RUN, ...args], ctx.paths.data).done;
  const refused = await asked();
  t.equal(refused.code, 2, refused.stderr);
  t.match(
    refused.stderr,
    /the requests of run .* are in S3 127\.0\.0\.1:\d+\/runs\nName that bucket by --objstore or --archive/,
  );
  const out = join(folder, 'all.parquet');
  const joined = await asked(`--objstore=${file}`, `--out=${out}`, '--json');
  t.equal(joined.code, 0, joined.stderr);
  t.match(JSON.parse(joined.stdout), { rounds: [1, 2, 3], requests: 600, out: { file: out } });
  t.equal((await listBlocks(bucket, ctx)).partial.length, 0);
});
