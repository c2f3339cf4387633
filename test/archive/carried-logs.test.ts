/** The logs of a run on their way: into its newest block, or aside where it has none; and where they are found. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import type { Context } from '../../scripts/app/context.ts';
import { isBlockFile } from '../../scripts/archive/block-check.ts';
import { carryLogs, findLogs, keepLogsAside, logsIn } from '../../scripts/archive/carried-logs.ts';
import { moved } from '../../scripts/archive/pending.ts';
import { settleFolder } from '../../scripts/archive/recovery/leftovers.ts';
import { paths } from '../../scripts/core/paths.ts';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { readLogFile, writeLogFile } from '../../scripts/logs/kept.ts';
import { openStore } from '../../scripts/store/db.ts';
import { makeRun } from '../run-document.ts';

const [OLDER, NEWER] = ['01ARZ3NDEKTSV4RRFFQ69G5FAV', '01ARZ3NDEKTSV4RRFFQ69G5FAW'];
const RUN = '01K0000000000000000000000A';
const HARNESS = 'ts=2026-11-28T22:00:00.000000000Z level=info service=harness msg=begin\n';
const FILES = ['logs-1.gz', 'logs-2.gz', 'logs-10.gz', 'logs-harness.gz', 'logs-stack.gz'];

async function logFolder(dir: string): Promise<string> {
  mkdirSync(dir, { recursive: true });
  for (const name of FILES.filter((name) => name !== 'logs-harness.gz'))
    await writeLogFile(dir, name, [
      { time: '2026-11-28T22:00:00.000000000Z', stream: 'o', side: null, service: 's', replica: 1, text: name },
    ]);
  writeFileSync(join(dir, 'harness.log'), HARNESS);
  writeFileSync(join(dir, 'notes.txt'), '');
  return dir;
}

/** A run's folder with a snapshot of two blocks, and logs. */
async function runFolder(data: string): Promise<string> {
  const dir = join(data, 'runs', RUN);
  for (const block of [OLDER, NEWER]) {
    mkdirSync(join(dir, 'snapshot', block, 'chunks'), { recursive: true });
    writeFileSync(join(dir, 'snapshot', block, 'meta.json'), JSON.stringify({ stats: { numSamples: 1 } }));
  }
  await logFolder(join(dir, 'logs'));
  return dir;
}

const logged = (changes: Partial<RunDocument> = {}): RunDocument => ({
  ...makeRun({ run_id: RUN }),
  logs: { files: FILES, bytes: 1 },
  ...changes,
});

t.test('they go into the newest block, once, as they are when the snapshot is made', async (t) => {
  const dir = await runFolder(t.testdir());
  const snapshot = { dir: join(dir, 'snapshot'), blocks: [OLDER, NEWER], samples: 1 };
  const chunks = join(snapshot.dir, NEWER, 'chunks');
  const kept = await carryLogs(dir, snapshot);
  t.same(kept?.files, FILES);
  t.equal(
    kept?.bytes,
    FILES.reduce((sum, name) => sum + statSync(join(chunks, name)).size, 0),
  );
  t.same(readdirSync(chunks).sort(), [...FILES].sort());
  t.equal(statSync(join(chunks, 'logs-1.gz')).ino, statSync(join(dir, 'logs', 'logs-1.gz')).ino, 'a link: no copy');
  const { size } = statSync(join(chunks, 'logs-harness.gz'));
  appendFileSync(join(dir, 'logs', 'harness.log'), HARNESS);
  t.same(await carryLogs(dir, snapshot), kept, 'again, though the harness goes on');
  t.equal(statSync(join(chunks, 'logs-harness.gz')).size, size);
  t.equal(await carryLogs(dir, { ...snapshot, blocks: [] }), undefined);
  t.equal(await carryLogs(join(dir, 'nowhere'), { ...snapshot, blocks: [OLDER] }), undefined);
  for (const name of FILES) {
    t.ok(isBlockFile(`chunks/${name}`), name);
    t.same([name, '000001', '000012'].sort().at(-1), name, 'behind the segments');
  }
  for (const path of ['logs-1.gz', 'chunks/logs-0.gz', 'chunks/../logs-1.gz', 'chunks/harness.log'])
    t.notOk(isBlockFile(path), path);
});

t.test('they are found while the run goes on, waits, and in a bucket', async (t) => {
  const data = t.testdir();
  const dir = await runFolder(data);
  const where = paths(data, { MAYFLY_DATA: data });
  const pending = { bucket: '', blocks: [OLDER, NEWER], verified: false, pending: true };
  t.same(await findLogs(logged(), where), {
    files: FILES.map((name) => join(dir, 'logs', name === 'logs-harness.gz' ? 'harness.log' : name)),
    elsewhere: false,
  });
  await carryLogs(dir, { dir: join(dir, 'snapshot'), blocks: pending.blocks, samples: 1 });
  t.equal((await findLogs(logged(), where)).files.filter((file) => file.includes('harness')).length, 1);
  rmSync(join(dir, 'logs'), { recursive: true });
  const inNewest = (folder: string) => FILES.map((name) => join(folder, NEWER, 'chunks', name));
  t.same((await findLogs(logged({ archive: pending }), where)).files, inNewest(join(dir, 'snapshot')));
  renameSync(join(dir, 'snapshot'), where.bucket);
  const archive = { ...pending, bucket: where.bucket, verified: true, pending: false };
  t.same((await findLogs(logged({ archive }), where)).files, inNewest(where.bucket));
  t.same(await logsIn(where.bucket, logged({ archive })), inNewest(where.bucket));
  rmSync(where.bucket, { recursive: true });
  t.same(await findLogs(logged({ archive }), where), { files: [], elsewhere: false });
  const far = { ...archive, bucket: 's3://b' };
  t.same(await findLogs(logged({ archive: far }), where), { files: [], elsewhere: true });
  t.equal((await findLogs(logged({ archive: { ...far, removed_at: '2026-01-01' } }), where)).elsewhere, false);
  const { logs: _, ...none } = logged({ archive: far });
  t.equal((await findLogs(none, where)).elsewhere, false, 'of a run that kept none nothing is fetched');
});

t.test('those of runs without a block: a place of their own, within so many bytes, the oldest run first', async (t) => {
  const data = t.testdir();
  const where = paths(data, { MAYFLY_DATA: data });
  const aside = async (runId: string, most?: number) => {
    const dir = join(where.runs, runId);
    await logFolder(join(dir, 'logs'));
    return keepLogsAside(runId, dir, where, most);
  };
  const first = await aside('01A');
  t.same(first?.files, FILES);
  t.same(readdirSync(where.logs), ['01A']);
  t.notOk(existsSync(join(where.logs, '01A', 'harness.log')), 'it is packed');
  t.notOk(existsSync(join(where.runs, '01A', 'logs')));
  await aside('01B', first!.bytes * 2);
  t.same(readdirSync(where.logs), ['01A', '01B']);
  await aside('01C', first!.bytes * 2);
  t.same(readdirSync(where.logs), ['01B', '01C']);
  await aside('01D', 1);
  t.same(readdirSync(where.logs), ['01D'], 'the newest stays whatever it is');
  t.same(
    (await findLogs(logged({ run_id: '01D' }), where)).files.map((file) => basename(file)),
    FILES,
  );
  t.equal(await keepLogsAside('01E', join(where.runs, '01E'), where), undefined);
});

t.test(
  'the folder of a run that is over: logs without a block stay findable, those in one are not kept twice',
  async (t) => {
    const data = t.testdir();
    const where = paths(data, { MAYFLY_DATA: data });
    const store = openStore(where.db);
    t.teardown(() => store.close());
    const said: string[] = [];
    const progress = { info: (text: string) => void said.push(text), warn: (text: string) => void said.push(text) };
    const ctx = { store, paths: where, progress } as unknown as Context;
    const { archive: _, ...failed } = makeRun({ run_id: RUN, status: 'failed', rounds: [] });
    store.addRun(failed);
    const dir = join(where.runs, RUN);
    await logFolder(join(dir, 'logs'));
    await settleFolder(RUN, ctx);
    t.notOk(existsSync(dir));
    t.same(store.run(RUN).logs?.files, FILES, 'the record says so');
    t.same(said, [`what it has logged: npm run logs -- ${RUN}`]);
    const { files } = await findLogs(store.run(RUN), where);
    const lines = [];
    for await (const { msg } of readLogFile(files[3]!)) lines.push(msg);
    t.same(lines, ['begin']);

    const other = '01K0000000000000000000000B';
    store.addRun(makeRun({ run_id: other, status: 'complete' }));
    store.saveArchive(other, { bucket: where.bucket, blocks: [NEWER], verified: true, pending: false });
    await logFolder(join(where.runs, other, 'logs'));
    await settleFolder(other, ctx);
    t.same(readdirSync(where.logs), [RUN], 'they are in its block');
    const unknown = '01K0000000000000000000000C';
    await logFolder(join(where.runs, unknown, 'logs'));
    await settleFolder(unknown, ctx);
    t.same(readdirSync(where.logs), [RUN], 'nobody could ask for them');
  },
);

t.test('a snapshot that waits takes them along, and the record says so', async (t) => {
  const data = t.testdir();
  const where = paths(data, { MAYFLY_DATA: data });
  const store = openStore(where.db);
  t.teardown(() => store.close());
  store.addRun(makeRun({ run_id: RUN }));
  const dir = await runFolder(data);
  const warned: string[] = [];
  const ctx = {
    store,
    paths: where,
    progress: { warn: (text: string) => void warned.push(text) },
  } as unknown as Context;
  const pending = { labels: { run_id: RUN, benchmark: 'b', host: 'h' }, from: 'snapshot' };
  await moved(dir, pending, ctx);
  t.same(store.run(RUN).logs?.files, FILES);
  rmSync(join(dir, 'snapshot', NEWER, 'chunks'), { recursive: true });
  await moved(dir, pending, ctx);
  t.match(warned, [new RegExp(`^the logs of run ${RUN} are not all in its block: ENOENT`)], 'no metric is lost for it');
});
