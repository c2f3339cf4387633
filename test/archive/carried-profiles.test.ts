import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isBlockFile } from '../../scripts/archive/block-check.ts';
import { carryProfiles, findProfiles, profilesIn } from '../../scripts/archive/carried-profiles.ts';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { makeRun } from '../run-document.ts';

const [OLDER, NEWER] = ['01ARZ3NDEKTSV4RRFFQ69G5FAV', '01ARZ3NDEKTSV4RRFFQ69G5FAW'];
const [SHOP, WEB] = ['profile-candidate-shop-1.cpuprofile', 'profile-baseline-web.api-2.perf'];

/** A run's folder with a snapshot of two blocks, and profiles. */
function runFolder(data: string, runId: string): string {
  const dir = join(data, 'runs', runId);
  for (const block of [OLDER, NEWER]) mkdirSync(join(dir, 'snapshot', block, 'chunks'), { recursive: true });
  mkdirSync(join(dir, 'profiles'));
  for (const name of [SHOP, WEB, 'notes.txt', 'profile-candidate-shop-1.csv', 'profile-other-shop-1.cpuprofile'])
    writeFileSync(join(dir, 'profiles', name), name);
  return dir;
}

const profiled = (archive: RunDocument['archive'], files = [SHOP, WEB]): RunDocument => ({
  ...makeRun({ run_id: '01AAA' }),
  archive,
  profiles: files.map((file) => ({
    side: 'candidate',
    service: 'shop',
    instance: '7-0',
    kind: 'cpu',
    samples: 1,
    seconds: 1,
    file,
  })),
});

t.test('profiles go into the newest block, once, and nothing else does', async (t) => {
  const dir = runFolder(t.testdir(), '01AAA');
  const snapshot = { dir: join(dir, 'snapshot'), blocks: [OLDER, NEWER], samples: 1 };
  await carryProfiles(dir, snapshot);
  t.same(readdirSync(join(snapshot.dir, NEWER, 'chunks')).sort(), [WEB, SHOP].sort());
  t.same(readdirSync(join(snapshot.dir, OLDER, 'chunks')), []);
  const before = statSync(join(snapshot.dir, NEWER, 'chunks', SHOP)).ino;
  t.equal(before, statSync(join(dir, 'profiles', SHOP)).ino, 'a link: no copy');
  await carryProfiles(dir, { ...snapshot, blocks: [NEWER, '01ARZ3NDEKTSV4RRFFQ69G5FAX'] });
  t.equal(readdirSync(join(snapshot.dir, NEWER, 'chunks')).length, 2, 'again: where they are already');
  await carryProfiles(dir, { ...snapshot, blocks: [] });
  await carryProfiles(join(dir, 'nowhere'), snapshot);
});

t.test('they belong to a block, behind its segments', (t) => {
  for (const name of [SHOP, WEB]) {
    t.ok(isBlockFile(`chunks/${name}`), name);
    t.same([name, '000001', '000012'].sort().at(-1), name);
  }
  for (const path of [
    SHOP,
    `chunks/../${SHOP}`,
    'chunks/profile-candidate-a/b-1.perf',
    'chunks/profile-candidate-x-1.sh',
  ])
    t.notOk(isBlockFile(path), path);
  t.end();
});

t.test('they are found in the folder of the run, in its snapshot, and in a bucket', async (t) => {
  const data = t.testdir();
  const dir = runFolder(data, '01AAA');
  const where = { runs: join(data, 'runs'), bucket: join(data, 'bucket') };
  const pending = { bucket: '', blocks: [OLDER, NEWER], verified: false, pending: true };
  const files = async (run: RunDocument) => (await findProfiles(run, where)).found.map(({ file }) => file);
  t.same(await files(profiled(undefined)), [join(dir, 'profiles', SHOP), join(dir, 'profiles', WEB)]);
  await carryProfiles(dir, { dir: join(dir, 'snapshot'), blocks: pending.blocks, samples: 1 });
  rmSync(join(dir, 'profiles'), { recursive: true });
  t.same(
    await files(profiled(pending)),
    [SHOP, WEB].map((name) => join(dir, 'snapshot', NEWER, 'chunks', name)),
  );
  renameSync(join(dir, 'snapshot'), where.bucket);
  const shipped = { ...pending, bucket: where.bucket, verified: true, pending: false };
  t.same(
    await files(profiled(shipped)),
    [SHOP, WEB].map((name) => join(where.bucket, NEWER, 'chunks', name)),
  );
  t.equal(readFileSync((await files(profiled(shipped)))[0]!, 'utf8'), SHOP);
  t.same(
    (await profilesIn(where.bucket, profiled(shipped, [SHOP]))).map(({ profile }) => profile.file),
    [SHOP],
  );
  t.equal((await findProfiles(profiled(shipped), where)).elsewhere, false);
  rmSync(where.bucket, { recursive: true });
  t.same(await findProfiles(profiled(shipped), where), { found: [], elsewhere: false });
  t.same(await findProfiles(profiled({ ...shipped, bucket: 's3://b' }), where), { found: [], elsewhere: true });
  t.equal(
    (await findProfiles(profiled({ ...shipped, bucket: 's3://b', removed_at: '2026-01-01' }), where)).elsewhere,
    false,
  );
});

t.test('a record that names a file elsewhere leads nowhere', async (t) => {
  const data = t.testdir({ secret: 'x' });
  const where = { runs: join(data, 'runs'), bucket: join(data, 'bucket') };
  runFolder(data, '01AAA');
  t.same((await findProfiles(profiled(undefined, ['../../../secret', 'notes.txt']), where)).found, []);
});
