/**
 * Where the metrics of a run end up: a real S3 store, a sidecar that ships while the run goes on, and the data of a
 * Prometheus that is gone.
 */
import { cpSync, existsSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { IMAGES } from '../../scripts/images/images.ts';
import {
  bench,
  dataFolder,
  dumpBlock,
  engine,
  inWindow,
  mayfly,
  nothingLeft,
  probeBenchmark,
  rawBlocks,
  run,
  SECRET,
  startGateway,
} from '../e2e/helpers.ts';

t.teardown(() => engine.close());

t.test('an S3 store: a wrong key lets it wait, the push ships it, and pushing again changes nothing', async (t) => {
  const data = dataFolder(t);
  const { endpoint, bucket } = await startGateway(t);
  const objstore = join(data, 's3.yaml');
  const configure = (secret: string) =>
    writeFileSync(
      objstore,
      `type: S3\nprefix: team\nconfig: {bucket: runs, endpoint: "${endpoint}", access_key: key-of-the-test, secret_key: ${secret}, insecure: true, region: us-east-1}\n`,
    );

  configure('another-secret-of-the-test');
  const waiting = await bench(probeBenchmark(t), data, [`--objstore=${objstore}`]);
  t.equal(waiting.code, 0, waiting.stderr);
  t.match(waiting.run.archive, {
    verified: false,
    pending: true,
    error: /^the metrics could not be shipped to S3 [^/]+\/runs\/team: .*: Access Denied\.$/,
  });
  t.notMatch(
    `${waiting.stderr}${waiting.stdout}`,
    /secret-of-the-test|key-of-the-test/,
    'no credential is shown or stored',
  );
  const folder = join(data, 'runs', waiting.run.run_id);
  t.match(waiting.stderr, /archive:push/);
  await nothingLeft(t, data, { waiting: 1 });
  cpSync(folder, join(data, 'copy'), { recursive: true });
  t.equal((await mayfly('archive-push', [], data).done).code, 4, 'it still waits');

  configure(SECRET);
  const pushed = await mayfly('archive-push', ['--json'], data).done;
  t.equal(pushed.code, 0, pushed.stderr);
  t.match(JSON.parse(pushed.stdout).runs, [
    { run_id: waiting.run.run_id, archive: { verified: true, pending: false } },
  ]);
  t.same(
    rawBlocks(join(bucket, 'team')),
    waiting.run.archive!.blocks,
    'the block is in the folder of the gateway, under the prefix',
  );
  const shown = JSON.parse((await mayfly('show', [waiting.run.run_id, '--json'], data).done).stdout);
  t.match(shown.archive, { bucket: /^S3 [^/]+\/runs\/team$/, verified: true, pending: false });

  const before = filesOf(bucket);
  renameSync(join(data, 'copy'), folder);
  const again = await mayfly('archive-push', [], data).done;
  t.equal(again.code, 0, again.stderr);
  t.match(again.stdout, /shipped/);
  t.same(filesOf(bucket), before, 'no file of the bucket was written again');
  t.match((await mayfly('archive-push', [], data).done).stdout, /nothing waits/);
  await nothingLeft(t, data);
});

t.test('the sidecar ships a finished block while the run goes on, and nothing is there twice', async (t) => {
  const data = dataFolder(t);
  // Prometheus looks for new blocks once a minute: the run must be longer for the last snapshot to hold the block too.
  const running = mayfly(
    'bench',
    [`--benchmark=${probeBenchmark(t, { load: { duration: '64s', rate: 5 } })}`, '--live', '--json'],
    data,
  );
  let ended = false;
  void running.done.then(() => (ended = true));
  await running.said(/round 1 of 1/);
  const block = await finishedBlock(t);
  const [runId] = readdirSync(join(data, 'runs'));
  cpSync(block, join(data, 'runs', runId!, 'tsdb', 'incoming'), { recursive: true });
  const name = block.split('/').at(-1)!;
  renameSync(join(data, 'runs', runId!, 'tsdb', 'incoming'), join(data, 'runs', runId!, 'tsdb', name));
  const there = join(data, 'bucket', name, 'meta.json');
  while (!ended && !existsSync(there)) await sleep(200);
  t.notOk(ended, 'the block is in the bucket before the run has ended');

  const { code, stderr, stdout } = await running.done;
  t.equal(code, 0, stderr);
  const { archive } = JSON.parse(stdout);
  t.match(archive, { verified: true, pending: false });
  t.ok(archive.blocks.includes(name), 'the finished block is in the record');
  t.equal(archive.blocks.length, 2);
  t.same(rawBlocks(join(data, 'bucket')), archive.blocks, 'one copy of each block, and each is in the record');
  await nothingLeft(t, data);
});

t.test(
  'kill -9 in the second round: the metrics of the first are read from what Prometheus has left, and shipped once',
  async (t) => {
    const data = dataFolder(t);
    const running = mayfly('bench', [`--benchmark=${probeBenchmark(t, { top: { rounds: 2 } })}`], data);
    await inWindow(running, data, 2);
    running.child.kill('SIGKILL');
    await running.done;
    const swept = await mayfly('sweep', [], data).done;
    t.equal(swept.code, 0, swept.stderr);
    t.match(
      swept.stderr,
      /metrics of the finished rounds of run \w+ wait on this host: npm run archive:push ships them/,
    );
    t.match(swept.stderr, /run \w+ was killed/);
    await shippedOnce(t, data, 'interrupted');
  },
);

t.test('Prometheus is killed in the second round: the metrics of the first wait', async (t) => {
  const data = dataFolder(t);
  const running = mayfly('bench', [`--benchmark=${probeBenchmark(t, { top: { rounds: 2 } })}`], data);
  await inWindow(running, data, 2);
  const [runId] = readdirSync(join(data, 'runs'));
  const [prometheus] = await engine.containers(`dev.mayfly.run=${runId}`, 'dev.mayfly.service=prometheus');
  await engine.kill(prometheus!.id, 'SIGKILL');
  const { code, stderr } = await running.done;
  t.equal(code, 4, stderr);
  t.match(stderr, /prometheus of the run stack ended in the middle of the run \(exit code 137\)/);
  t.match(stderr, /archive:push/);
  await shippedOnce(t, data, 'failed');
});

/**
 * The snapshot that waits is shipped by the next push, with the samples of round 1; two pushes at once make one copy
 * and one truth.
 */
async function shippedOnce(t: Test, data: string, status: string): Promise<void> {
  await nothingLeft(t, data, { waiting: 1 });
  const pushes = await Promise.all([mayfly('archive-push', [], data).done, mayfly('archive-push', [], data).done]);
  for (const { code, stderr } of pushes) t.equal(code, 0, stderr);
  const [summary] = JSON.parse((await mayfly('runs', ['--json'], data).done).stdout).runs;
  const shown = JSON.parse((await mayfly('show', [summary.run_id, '--json'], data).done).stdout);
  t.match(shown, { status, archive: { verified: true, pending: false } });
  t.same(rawBlocks(join(data, 'bucket')), shown.archive.blocks);
  t.equal(shown.archive.blocks.length, 1);
  const dump = await dumpBlock(t, join(data, 'bucket', shown.archive.blocks[0]));
  t.ok(/__name__="mayfly_requests_total",[^}]*round="1"/.test(dump), 'the requests of round 1 are in the block');
  await nothingLeft(t, data);
}

/** A block of two hours that ended hours ago, as Prometheus would have cut it. */
async function finishedBlock(t: Test): Promise<string> {
  const folder = dataFolder(t);
  const start = Math.floor(Date.now() / 7_200_000) * 7200 - 4 * 3600;
  const samples = Array.from({ length: 60 }, (_, minute) => `finished ${minute} ${start + minute * 60}`);
  writeFileSync(join(folder, 'metrics'), ['# TYPE finished gauge', ...samples, '# EOF', ''].join('\n'));
  const made = await run('docker', [
    'run',
    '--rm',
    '--network=none',
    `--user=${process.getuid!()}:${process.getgid!()}`,
    '--volume',
    `${folder}:/work`,
    '--entrypoint=promtool',
    IMAGES.prometheus.ref,
    'tsdb',
    'create-blocks-from',
    'openmetrics',
    '/work/metrics',
    '/work/out',
  ]).done;
  t.equal(made.code, 0, made.stderr);
  const blocks = rawBlocks(join(folder, 'out'));
  t.equal(blocks.length, 1);
  return join(folder, 'out', blocks[0]!);
}

/** Every file with its size and time of writing. */
function filesOf(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return files.sort().map((file) => `${file} ${statSync(file).size} ${statSync(file).mtimeMs}`);
}
