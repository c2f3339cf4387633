/**
 * Interrupts, bad input and failures that leave nothing for the next command: a sentence, the right exit code, nothing on
 * the engine, and what was measured kept. What a killed process leaves is in test/e2e/ends.test.ts.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { ContainerSummary } from '../../scripts/engine/engine.ts';
import {
  bench,
  dataFolder,
  engine,
  inWindow,
  knowNothing,
  makeFolder,
  mayfly,
  nothingLeft,
  onEngine,
  probeBenchmark,
  probeRepository,
  type Running,
  run,
  seen,
} from '../e2e/helpers.ts';

t.teardown(() => engine.close());

const ofRound = (containers: ContainerSummary[], round: number) =>
  containers.filter(({ labels }) => labels['dev.mayfly.round'] === String(round));

/** What the run has on the engine when the signal comes. */
for (const [phase, at] of [
  [
    'the load script is tried',
    (running, data) => seen(running, data, 'the try', (all) => all.find(({ name }) => name.endsWith('-load-check'))),
  ],
  [
    'the stack starts',
    (running, data) =>
      seen(running, data, 'the stack', (all) =>
        all.find(({ labels }) => labels['dev.mayfly.service'] === 'prometheus'),
      ),
  ],
  [
    'the services start',
    (running, data) =>
      seen(running, data, 'the services', (all) => all.find(({ labels }) => labels['dev.mayfly.side'])),
  ],
  ['the load runs', (running, data) => inWindow(running, data)],
  [
    'the services of the next round start',
    (running, data) => seen(running, data, 'round 2', (all) => ofRound(all, 2)[0]),
  ],
  [
    'the services of the first round are gone',
    (running, data) =>
      seen(
        running,
        data,
        'the end of round 1',
        (all) => (ofRound(all, 1).length === 0 && ofRound(all, 2).length > 0) || undefined,
      ),
  ],
] as [string, (running: Running, data: string) => Promise<unknown>][]) {
  t.test(`SIGTERM while ${phase}`, async (t) => {
    const data = dataFolder(t);
    knowNothing(data);
    const running = mayfly('bench', [`--benchmark=${probeBenchmark(t, { top: { rounds: 3 } })}`], data);
    await at(running, data);
    running.child.kill('SIGTERM');
    const { code, stderr } = await running.done;
    t.equal(code, 130, stderr);
    t.match(stderr, /interrupted/);
    t.notMatch(stderr, /^\s+at /m, 'no stack trace');
    t.same(await onEngine(), []);
  });
}

t.test('Ctrl-C through npm, twice, in the second round: the first is kept and shipped later', async (t) => {
  const data = dataFolder(t);
  const running = run(
    'npm',
    ['run', '--silent', 'bench', '--', '--against=none', `--benchmark=${probeBenchmark(t, { top: { rounds: 3 } })}`],
    { env: { MAYFLY_DATA: data }, detached: true },
  );
  await inWindow(running, data, 2);
  process.kill(-running.child.pid!, 'SIGINT'); // a terminal sends it to npm and to the harness, and npm passes it on
  await sleep(100);
  process.kill(-running.child.pid!, 'SIGINT');
  const { code, stderr } = await running.done;
  t.equal(code, 130, stderr);
  t.match(stderr, /archive:push/);
  await nothingLeft(t, data, { waiting: 1 });
  const [summary] = JSON.parse((await mayfly('runs', ['--json'], data).done).stdout).runs;
  const kept = JSON.parse((await mayfly('show', [summary.run_id, '--json'], data).done).stdout);
  t.equal(kept.status, 'interrupted');
  t.equal(kept.rounds.filter(({ valid }: { valid: boolean }) => valid).length, 1);
  const pushed = await mayfly('archive-push', [], data).done;
  t.equal(pushed.code, 0, pushed.stderr);
  t.match(pushed.stdout, /shipped/);
  await nothingLeft(t, data);
  const logged = await mayfly('logs', ['last', '--json'], data).done;
  t.equal(logged.code, 0, logged.stderr);
  const lines: Record<string, unknown>[] = logged.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.match(
    lines.filter(({ service, level }) => service === 'harness' && level === 'error').map(({ msg }) => msg),
    [/^FAILED round 2/, /^interrupted by SIGINT/],
    'why it has ended',
  );
  t.ok(kept.logs.files.includes('logs-harness.gz'));
});

t.test('SIGTERM through npm', async (t) => {
  const data = dataFolder(t);
  const running = run('npm', ['run', '--silent', 'bench', '--', '--against=none', `--benchmark=${probeBenchmark(t)}`], {
    env: { MAYFLY_DATA: data },
  });
  await seen(running, data, 'the services', (all) => all.find(({ labels }) => labels['dev.mayfly.side']));
  running.child.kill('SIGTERM');
  const { code, stderr } = await running.done;
  t.equal(code, 130, stderr);
  await nothingLeft(t, data);
});

t.test('a failing build says which, and its last lines', async (t) => {
  const { folder } = await probeRepository(t, [
    { Dockerfile: 'FROM node:24.21.0-bookworm-slim\nRUN echo "missing semicolon in line 7" && exit 3\n' },
  ]);
  const data = dataFolder(t);
  const { code, stderr } = await bench(
    probeBenchmark(t, { build: { git: { repository: folder, context: '.', dockerfile: 'Dockerfile' } } }),
    data,
  );
  t.equal(code, 4);
  t.match(stderr, /the build of probe at HEAD \([0-9a-f]{12}\) failed/);
  t.match(stderr, /missing semicolon in line 7/);
  await nothingLeft(t, data);
});

t.test('bad input is refused before anything is built or started', async (t) => {
  const data = dataFolder(t);
  const benchmark = probeBenchmark(t);
  for (const [args, pattern] of [
    [['--commit=no-such-branch'], /commit "no-such-branch" is not in/],
    [['--commit=$(touch x)'], /\$\(touch x\)/],
    [['--rate=0'], /rate must be > 0/],
    [['--objstore=/nowhere.yaml'], /nowhere\.yaml/],
    [['--duratoin=3s'], /duration/],
  ] as const) {
    const { code, stderr } = await bench(benchmark, data, [...args]);
    t.equal(code, 2, `${args}: ${stderr}`);
    t.match(stderr, pattern);
    t.notMatch(stderr, /^\s+at /m, 'no stack trace');
  }
  t.notOk(existsSync('x'));
  await nothingLeft(t, data);
});

t.test('the load generator is killed in the middle', async (t) => {
  const data = dataFolder(t);
  const running = mayfly(
    'bench',
    [`--benchmark=${probeBenchmark(t, { load: { duration: '6s' }, top: { retries: 0 } })}`, '--json'],
    data,
  );
  const loadgen = await inWindow(running, data);
  await engine.kill(loadgen.id, 'SIGKILL');
  const { code, stderr, stdout } = await running.done;
  t.equal(code, 3, stderr);
  t.match(JSON.parse(stdout).rounds[0].reasons[0], {
    code: 'generator-failed',
    message: 'the load generator failed: the load generator ended with exit code 137',
  });
  await nothingLeft(t, data);
});

t.test('SIGTERM while the metrics are shipped: they wait', async (t) => {
  const data = dataFolder(t);
  const objstore = join(data, 'objstore.yaml');
  writeFileSync(
    objstore,
    'type: S3\nconfig: {bucket: runs, endpoint: "127.0.0.1:9", access_key: a, secret_key: s, insecure: true, region: here}\n',
  );
  const running = mayfly('bench', [`--benchmark=${probeBenchmark(t)}`, `--objstore=${objstore}`], data);
  await running.said(/ship 1 block/);
  await sleep(500);
  running.child.kill('SIGTERM');
  const { code, stderr } = await running.done;
  t.equal(code, 130, stderr);
  await nothingLeft(t, data, { waiting: 1 });
  const [summary] = JSON.parse((await mayfly('runs', ['--json'], data).done).stdout).runs;
  const waiting = JSON.parse((await mayfly('show', [summary.run_id, '--json'], data).done).stdout);
  t.match(waiting, {
    status: 'complete',
    archive: { verified: false, pending: true, error: 'its upload did not end' },
  });
  writeFileSync(objstore, `type: FILESYSTEM\nconfig: {directory: ${makeFolder(join(data, 'other-bucket'))}}\n`);
  const pushed = await mayfly('archive-push', [], data).done;
  t.equal(pushed.code, 0, pushed.stderr);
  t.match(pushed.stdout, /shipped/);
});
