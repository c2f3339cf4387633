/** What a kill leaves in a data folder, made by hand, and what the next command makes of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pid } from 'node:process';
import t from 'tap';
import type { Context } from '../../../scripts/app/context.ts';
import { openBucket } from '../../../scripts/archive/bucket.ts';
import { moved, readPending } from '../../../scripts/archive/pending.ts';
import { readerSpec } from '../../../scripts/archive/recovery/recover.ts';
import { lockRun } from '../../../scripts/archive/run-lock.ts';
import { paths } from '../../../scripts/core/paths.ts';
import type { Progress } from '../../../scripts/core/progress.ts';
import { createBody } from '../../../scripts/engine/engine.ts';
import { thisProcess } from '../../../scripts/engine/owner.ts';
import { thanosError } from '../../../scripts/engine/tool.ts';
import { runOwner, writeOwner } from '../../../scripts/stack/run-folder.ts';
import { openStore } from '../../../scripts/store/db.ts';
import { dataFolder, engine, makeFolder, mayfly } from '../../e2e/helpers.ts';
import { makeRun } from '../../run-document.ts';

t.teardown(() => engine.close());

const RUN = '01K0000000000000000000000A';
const OTHER = '01K0000000000000000000000B';
/** No process has this number: the kernel's limit is 4,194,304. */
const DEAD = JSON.stringify({ pid: 5_000_000, pidStart: '1' });
const quietProgress: Progress = {
  step: () => ({ update: () => {}, done: () => {}, fail: () => {} }),
  info: () => {},
  warn: () => {},
  close: () => {},
};
const anHourAgo = (file: string) =>
  utimesSync(file, new Date(Date.now() - 3_600_000), new Date(Date.now() - 3_600_000));

t.test('who owns a run', async (t) => {
  const dir = dataFolder(t);
  const file = join(dir, 'owner.json');
  t.equal(await runOwner(dir), 'unknown', 'a folder just made');
  await writeOwner(dir, false);
  t.equal(await runOwner(dir), 'live');
  t.same(readdirSync(dir), ['owner.json'], 'nothing else is left of the writing');
  for (const [text, owner] of [
    [DEAD, 'dead'],
    [JSON.stringify({ ...JSON.parse(DEAD), keep: true }), 'kept'],
    [JSON.stringify({ ...JSON.parse(DEAD), hostname: 'another' }), 'elsewhere'],
    ['', 'unknown'],
    ['{"pid', 'unknown'],
  ] as const) {
    writeFileSync(file, text);
    t.equal(await runOwner(dir), owner, text);
  }
  anHourAgo(file);
  t.equal(await runOwner(dir), 'unreadable', 'long enough to know that nobody is about to write it');
  t.equal(await runOwner(join(dir, 'gone')), 'unreadable');
});

t.test('the lock of a run: one at a time, taken over from a dead process, none in a folder that is gone', async (t) => {
  const dir = dataFolder(t);
  const [one, two] = await Promise.all([lockRun(dir), lockRun(dir)]);
  t.equal([one, two].filter(Boolean).length, 1);
  t.equal(await lockRun(dir), null);
  (one ?? two)![Symbol.dispose]();
  // Held by a process that is killed: the kernel gives it up.
  const holder = spawn(process.execPath, [
    '--input-type=module',
    '--eval',
    `import { lockRun } from '${import.meta.resolve('../../../scripts/archive/run-lock.ts')}';
     const lock = await lockRun(${JSON.stringify(dir)});
     console.log(lock ? 'held' : 'refused');
     setInterval(() => {}, 1000);`,
  ]);
  t.equal(String((await once(holder.stdout, 'data'))[0]).trim(), 'held');
  t.equal(await lockRun(dir), null, 'another process has it');
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  const third = await lockRun(dir);
  t.ok(third);
  third![Symbol.dispose]();
  t.equal(await lockRun(join(dir, 'gone')), null);
});

t.test('a kill between the mark and the move: the snapshot is moved by whoever reads the mark', async (t) => {
  const dir = dataFolder(t);
  const block = makeFolder(join(dir, 'tsdb', 'snapshots', 'one', OTHER));
  writeFileSync(join(block, 'meta.json'), JSON.stringify({ ulid: OTHER, stats: { numSamples: 3 } }));
  writeFileSync(
    join(dir, 'pending.json'),
    JSON.stringify({ labels: { run_id: RUN, benchmark: 'b', host: 'h' }, from: 'tsdb/snapshots/one' }),
  );
  const pending = await readPending(dir);
  const ctx = { progress: quietProgress } as unknown as Context;
  t.match(await moved(dir, pending!, ctx), { blocks: [OTHER], samples: 3, requests: undefined });
  t.match(await moved(dir, pending!, ctx), { blocks: [OTHER] }, 'and again');
  t.ok(existsSync(join(dir, 'snapshot', OTHER, 'meta.json')));
  t.equal(await readPending(join(dir, 'tsdb')), null);
  writeFileSync(join(dir, 'pending.json'), '');
  await t.rejects(readPending(dir), {
    message: /pending\.json cannot be read/,
    hint: /Fix it, or give the run's metrics up: rm -r/,
  });
});

t.test('an error of Thanos in one sentence, without its stack traces', async (t) => {
  t.equal(
    thanosError(
      'Access Denied.\nstat s3 object\nmain.look\n\t/src/main.go:7\ncheck exists\nmain.main\n\t/src/main.go:9',
    ),
    'check exists: stat s3 object: Access Denied.',
  );
  t.equal(thanosError('no such host'), 'no such host');
});

t.test('the prefix of a folder bucket counts, as Thanos reads it', async (t) => {
  const data = dataFolder(t);
  const file = join(data, 'bucket.yaml');
  writeFileSync(file, `type: FILESYSTEM\nprefix: /team/perf/\nconfig: {directory: ${join(data, 'b')}}\n`);
  t.equal((await openBucket(file, paths(data, {}))).folder, join(data, 'b', 'team', 'perf'));
});

t.test(
  'the reader of left data is published on the loopback address only and outlives the removal of the run',
  async (t) => {
    const spec = readerSpec(RUN, '/runs/tsdb', '/runs/recover.yml', 'prom');
    t.match(createBody(spec), {
      HostConfig: {
        PortBindings: { '9090/tcp': [{ HostIp: '127.0.0.1' }] },
        Binds: ['/runs/tsdb:/prometheus', '/runs/recover.yml:/etc/prometheus/prometheus.yml:ro'],
      },
    });
    t.not(spec.labels['dev.mayfly.run'], RUN);
    t.equal(spec.labels['dev.mayfly.pid'], String(pid));
  },
);

t.test('push and sweep take each run by itself, and end the records of dead ones', async (t) => {
  const data = dataFolder(t);
  const store = openStore(join(data, 'mayfly.db'));
  for (const run_id of [RUN, OTHER]) store.addRun(makeRun({ run_id, status: 'running', rounds: [] }));
  store.close();
  const folder = (runId: string, files: Record<string, string>) => {
    const dir = makeFolder(join(data, 'runs', runId));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
    return dir;
  };
  const labels = (run_id: string) => ({ run_id, benchmark: 'probe', host: 'h' });
  const unreadable = folder(RUN, { 'owner.json': DEAD, 'pending.json': '{' });
  const lost = folder(OTHER, {
    'owner.json': DEAD,
    'pending.json': JSON.stringify({ labels: labels(OTHER), objstore: join(data, 'gone.yaml'), from: 'snapshot' }),
  });
  mkdirSync(join(lost, 'snapshot', OTHER), { recursive: true });
  writeFileSync(join(lost, 'snapshot', OTHER, 'meta.json'), JSON.stringify({ stats: { numSamples: 3 } }));
  const unknown = '01K0000000000000000000000C';
  folder(unknown, {
    'owner.json': DEAD,
    'pending.json': JSON.stringify({ labels: labels(unknown), from: 'snapshot' }),
    'leftover.compose.json': '{}',
  });
  mkdirSync(join(data, 'runs', unknown, 'snapshot'));
  const young = folder('01K0000000000000000000000D', {});
  const old = folder('01K0000000000000000000000E', { 'owner.json': '' });
  anHourAgo(join(old, 'owner.json'));
  const foreign = makeFolder(join(data, 'runs', 'my-notes'));
  anHourAgo(foreign);
  const live = folder('01K0000000000000000000000F', {
    'owner.json': JSON.stringify(thisProcess()),
    'pending.json': '{}',
  });

  const { code, stdout, stderr } = await mayfly('archive-push', [], data).done;
  t.equal(code, 4, stderr);
  t.match(stdout, new RegExp(`${RUN}  still waits: .*pending\\.json cannot be read`));
  t.match(stdout, new RegExp(`${OTHER}  still waits: .*gone\\.yaml: there is no such file`));
  t.match(stdout, new RegExp(`${unknown}  still waits: there is no run`));
  t.match(stderr, /01K0000000000000000000000E does not say which process it belongs to/);
  t.notMatch(stdout + stderr, /^\s+at /m, 'no stack trace');
  for (const dir of [unreadable, lost, young, foreign, live]) t.ok(existsSync(dir), `${dir} stays`);
  t.notOk(existsSync(old));
  t.same(readdirSync(join(data, 'runs', unknown)).sort(), ['owner.json', 'pending.json', 'run.lock', 'snapshot']);

  const refused = await mayfly('sweep', ['..'], data).done;
  t.equal(refused.code, 2, refused.stderr);
  const swept = await mayfly('sweep', [OTHER], data).done;
  t.equal(swept.code, 0, swept.stderr);
  t.ok(existsSync(join(lost, 'snapshot', OTHER)), 'a snapshot that waits is never swept');
  const { runs } = JSON.parse((await mayfly('runs', ['--json'], data).done).stdout);
  t.same(
    runs.map((run: { status: string }) => run.status),
    ['interrupted', 'interrupted'],
  );
});
