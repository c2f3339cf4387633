/** Images of measured commits: which go, and that the engine lets them go. */
import { execFileSync } from 'node:child_process';
import { PassThrough } from 'node:stream';
import t from 'tap';
import { connectEngine } from '../../scripts/engine/engine.ts';
import { engineSocket } from '../../scripts/engine/socket.ts';
import { createProgress } from '../../scripts/report/progress.ts';
import { basesOf, forgetOldImages, imageBudget, measuredImages, tooMany } from '../../scripts/stack/measured-images.ts';

const HOUR = 3600_000;

t.test('least recently used first, until the rest fits; those of this run and young ones stay', async (t) => {
  const now = 10 * HOUR;
  const images = [
    { tag: 'a', bytes: 4, usedMs: 0 },
    { tag: 'b', bytes: 3, usedMs: HOUR },
    { tag: 'c', bytes: 2, usedMs: 2 * HOUR },
    { tag: 'd', bytes: 5, usedMs: now - HOUR / 2 },
  ];
  const gone = (budget: number, ...keep: string[]) =>
    tooMany(images, { budget, keep: new Set(keep), now }).map(({ tag }) => tag);
  t.same(gone(14), []);
  t.same(gone(13), ['a']);
  t.same(gone(9), ['a', 'b']);
  t.same(gone(0), ['a', 'b', 'c'], 'another run may be about to start the young one');
  t.same(gone(9, 'a'), ['b', 'c']);
});

t.test('the budget is a number of gigabytes', async (t) => {
  t.equal(imageBudget({}), 20e9);
  t.equal(imageBudget({ MAYFLY_IMAGE_BUDGET: '0.5' }), 5e8);
  t.throws(() => imageBudget({ MAYFLY_IMAGE_BUDGET: '20GB' }), {
    message: 'MAYFLY_IMAGE_BUDGET must be a number of gigabytes, got "20GB"',
  });
});

t.test('a label of another form names no bases', async (t) => {
  t.same(basesOf({ labels: {} }), []);
  t.same(basesOf({ labels: { 'dev.mayfly.bases': '{' } }), []);
});

t.test('on the engine: what is over the budget goes, used now it counts as young, in use it stays', async (t) => {
  const engine = connectEngine(engineSocket(process.env));
  t.teardown(() => engine.close());
  const name = `mayfly-test/measured-${process.pid}`;
  const docker = (...args: string[]) =>
    execFileSync('docker', args, { encoding: 'utf8', env: { ...process.env, DOCKER_BUILDKIT: '0' } }).trim();
  const dockerfile = (n: number) => `FROM node:24.21.0-bookworm-slim\nRUN head -c 200000 /dev/urandom > /x${n}\n`;
  for (const n of [1, 2])
    execFileSync('docker', ['build', '--quiet', `--label=dev.mayfly.benchmark=${name}`, `--tag=${name}:${n}`, '-'], {
      input: dockerfile(n),
      env: { ...process.env, DOCKER_BUILDKIT: '0' },
    });
  t.teardown(() => execFileSync('docker', ['rmi', '--force', `${name}:1`, `${name}:2`], { stdio: 'ignore' }));
  const before = await engine.image(`${name}:1`);
  await engine.touchImage(`${name}:1`);
  t.ok((await engine.image(`${name}:1`))!.taggedMs > before!.taggedMs, 'the engine remembers when it was used');
  const ours = (await measuredImages(engine)).filter(({ tag }) => tag.startsWith(`${name}:`));
  t.same(
    ours.map(({ tag }) => tag),
    [`${name}:2`, `${name}:1`],
  );
  const container = docker('create', `${name}:2`);
  t.equal(await engine.removeImage(`${name}:2`), false, 'a container uses it');
  docker('rm', container);
  t.equal(await engine.removeImage(`${name}:2`), true);
  t.equal(await engine.removeImage(`${name}:2`), true, 'gone already');

  const out = new PassThrough();
  const progress = createProgress({ stream: out as unknown as NodeJS.WriteStream, quiet: false });
  const run = { candidate: [{ name: 'x', tag: 'y', id: 'sha256:0', source: 'cached' as const }] };
  await forgetOldImages(run, { engine, env: { MAYFLY_IMAGE_BUDGET: '0' }, progress, now: () => Date.now() });
  t.ok(await engine.image(`${name}:1`), 'a run that has built nothing removes nothing');
});
