import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isBlockFile } from '../../scripts/archive/block-check.ts';
import { carryTraces, findTraces, keptOf, tracesIn } from '../../scripts/archive/carried-traces.ts';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { makeRound, makeRun } from '../run-document.ts';

const [OLDER, NEWER] = ['01ARZ3NDEKTSV4RRFFQ69G5FAV', '01ARZ3NDEKTSV4RRFFQ69G5FAW'];
const [FIRST, SECOND] = ['traces-candidate-1.json.gz', 'traces-baseline-2.json.gz'];

/** A run's folder with a snapshot of two blocks, and traces. */
function runFolder(data: string, runId: string): string {
  const dir = join(data, 'runs', runId);
  for (const block of [OLDER, NEWER]) mkdirSync(join(dir, 'snapshot', block, 'chunks'), { recursive: true });
  mkdirSync(join(dir, 'traces'));
  for (const name of [FIRST, SECOND, 'notes.txt', 'traces-other-1.json.gz', 'traces-candidate-0.json.gz'])
    writeFileSync(join(dir, 'traces', name), name);
  return dir;
}

const traced = (archive: RunDocument['archive'], files = [FIRST, SECOND], fromRun?: string): RunDocument => ({
  ...makeRun({ run_id: '01AAA' }),
  archive,
  rounds: files.map((file, i) => ({
    ...makeRound(i === 0 ? 'candidate' : 'baseline', i + 1, {}),
    ...(fromRun === undefined ? {} : { from_run: fromRun }),
    traces: {
      sampling: 1,
      traces: 9,
      complete: 9,
      holes: 0,
      unfinished: 0,
      spans: 27,
      total_avg: 1,
      hops: [],
      kept: { file, slowest: 3, sample: 3 },
    },
  })),
});

t.test('traces go into the newest block, once, and nothing else does', async (t) => {
  const dir = runFolder(t.testdir(), '01AAA');
  const snapshot = { dir: join(dir, 'snapshot'), blocks: [OLDER, NEWER], samples: 1 };
  await carryTraces(dir, snapshot);
  t.same(readdirSync(join(snapshot.dir, NEWER, 'chunks')).sort(), [FIRST, SECOND].sort());
  t.same(readdirSync(join(snapshot.dir, OLDER, 'chunks')), []);
  t.equal(
    statSync(join(snapshot.dir, NEWER, 'chunks', FIRST)).ino,
    statSync(join(dir, 'traces', FIRST)).ino,
    'a link: no copy',
  );
  await carryTraces(dir, { ...snapshot, blocks: [NEWER, '01ARZ3NDEKTSV4RRFFQ69G5FAX'] });
  t.equal(readdirSync(join(snapshot.dir, NEWER, 'chunks')).length, 2, 'again: where they are already');
  await carryTraces(dir, { ...snapshot, blocks: [] });
  await carryTraces(join(dir, 'nowhere'), snapshot);
});

t.test('they belong to a block, behind its segments', async (t) => {
  for (const name of [FIRST, SECOND]) {
    t.ok(isBlockFile(`chunks/${name}`), name);
    t.same([name, '000001', '000012'].sort().at(-1), name);
  }
  for (const path of [
    FIRST,
    `chunks/../${FIRST}`,
    'chunks/traces-candidate-1.json',
    'chunks/traces-candidate-x.json.gz',
  ])
    t.notOk(isBlockFile(path), path);
});

t.test('they are found in the folder of the run, in its snapshot, and in a bucket', async (t) => {
  const data = t.testdir();
  const dir = runFolder(data, '01AAA');
  const where = { runs: join(data, 'runs'), bucket: join(data, 'bucket') };
  const pending = { bucket: '', blocks: [OLDER, NEWER], verified: false, pending: true };
  const all = (run: RunDocument) => findTraces(keptOf(run), where, () => run);
  const files = async (run: RunDocument) => (await all(run)).found.map(({ file }) => file);
  t.same(await files(traced(undefined)), [join(dir, 'traces', FIRST), join(dir, 'traces', SECOND)]);
  await carryTraces(dir, { dir: join(dir, 'snapshot'), blocks: pending.blocks, samples: 1 });
  rmSync(join(dir, 'traces'), { recursive: true });
  const inBlock = (root: string) => [FIRST, SECOND].map((name) => join(root, NEWER, 'chunks', name));
  t.same(await files(traced(pending)), inBlock(join(dir, 'snapshot')));
  renameSync(join(dir, 'snapshot'), where.bucket);
  const shipped = { ...pending, bucket: where.bucket, verified: true, pending: false };
  t.same(await files(traced(shipped)), inBlock(where.bucket));
  const run = traced(shipped);
  t.same(
    (await tracesIn(where.bucket, run, keptOf(run))).found.map(({ side, round }) => [side, round]),
    [
      ['candidate', 1],
      ['baseline', 2],
    ],
  );
  rmSync(where.bucket, { recursive: true });
  t.match(await all(traced(shipped)), { found: [], elsewhere: [], lost: [{ name: FIRST }, { name: SECOND }] });
  const away = traced({ ...shipped, bucket: 's3://b' });
  t.match(await all(away), { found: [], elsewhere: [{ run_id: '01AAA' }], lost: [] });
  t.match(await all(traced({ ...shipped, bucket: 's3://b', removed_at: '2026-01-01' })), { elsewhere: [] });
});

t.test('those of a round that was taken over lie with the run that has measured it', async (t) => {
  const data = t.testdir();
  const dir = runFolder(data, '01BBB');
  const where = { runs: join(data, 'runs'), bucket: join(data, 'bucket') };
  const run = traced(undefined, [FIRST], '01BBB');
  const { found } = await findTraces(keptOf(run), where, () => null);
  t.same(
    found.map(({ file }) => file),
    [join(dir, 'traces', FIRST)],
  );
});

t.test('a record that names a file elsewhere leads nowhere', async (t) => {
  const data = t.testdir({ secret: 'x' });
  runFolder(data, '01AAA');
  t.same(keptOf(traced(undefined, ['../../../secret', 'notes.txt'])), []);
});
