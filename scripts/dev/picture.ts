/**
 * npm run picture: what README shows, of a real run. It compares two commits of the shop, the second of which computes
 * longer with every request, in a data folder of its own. It writes what the terminal shows to docs/images/run.txt, and
 * the run's page to docs/images/run.png. Takes some minutes. What else the host does spoils no round here: it is a
 * picture, not a measurement.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Browser, chromium } from 'playwright-core';
import { ulid } from 'ulid';
import { command } from '../app/command.ts';
import { ROOT } from '../app/open.ts';
import { freePort } from '../archive/archives.ts';
import { EXIT, InfrastructureError } from '../core/errors.ts';
import { execute, run } from '../core/exec.ts';
import { interruptible } from '../core/interrupt.ts';
import { inStep } from '../core/step.ts';
import { ownerLabels } from '../engine/owner.ts';
import { IMAGES } from '../images/images.ts';
import { createProgress } from '../report/progress.ts';
import { setUp } from '../setup/machine.ts';
import { gitIn, tolerantShop } from './perf/shop-run.ts';

/** Exactly so many: with fewer the first look finds no REGRESSION. */
const ROUNDS = 10;
/** How much longer the second commit computes with every request. */
const MORE_MS = 0.06;
/** Beyond this the picture would weigh on every clone. */
const MOST_BYTES = 400_000;
/** Of the page, in pixels. */
const WIDTH = 1360;
const BROWSER_MS = 60_000;

await command(
  {
    name: 'picture',
    about: 'Makes docs/images/run.txt and docs/images/run.png, which README shows, of a real comparison of the shop.',
  },
  async (io) => {
    const { signal, release } = interruptible();
    const progress = createProgress({ stream: process.stderr, quiet: false });
    const folder = await mkdtemp(join(tmpdir(), 'mayfly-picture-'));
    const data = join(folder, 'data');
    const images = join(ROOT, 'docs', 'images');
    try {
      await setUp({ images: ['chromium'], progress, signal });
      const text = await inStep(progress, `compare, ${ROUNDS} rounds`, () => compare(folder, data, signal));
      const run = /^run (\w{26}):/m.exec(text)?.[1];
      if (!run) throw new InfrastructureError(`the comparison printed no run: ${text}`);
      const picture = await inStep(progress, 'take the picture', () => photograph(data, `/runs/${run}`));
      if (picture.length > MOST_BYTES) throw new RangeError(`the picture has ${picture.length} bytes`);
      await mkdir(images, { recursive: true });
      await writeFile(join(images, 'run.txt'), text);
      await writeFile(join(images, 'run.png'), picture);
      io.stdout(`wrote docs/images/run.txt, and docs/images/run.png of ${Math.round(picture.length / 1000)} kB`);
      return EXIT.pass;
    } finally {
      progress.close();
      release();
      await rm(folder, { recursive: true, force: true });
    }
  },
);

// Functions, since this module waits at its top: what is defined below is not there yet.

/** Compares the two commits; returns what the command prints, without a path of this machine. */
async function compare(folder: string, data: string, signal: AbortSignal): Promise<string> {
  const repository = await twoCommits(folder);
  const benchmark = await tolerantShop(folder, (spec) => ({
    ...spec,
    build: { shop: { git: { repository, context: '.', dockerfile: 'Dockerfile', network: 'default' } } },
    load: { ...spec.load, max_in_flight: 2000 },
    allow: { ...spec.allow, start_lag: '2s', outside_load: 1, steal: 1, throttled: 1, saturation: 1 },
    retries: 10,
  }));
  const args = ['scripts/run.sh', 'bench', `--benchmark=${benchmark}`, '--commit=my-branch', `--rounds=${ROUNDS}`];
  const { exitCode, stdout, stderr } = await execute(['sh', ...args], {
    cwd: ROOT,
    env: { ...process.env, MAYFLY_DATA: data },
    signal,
  });
  if (exitCode !== EXIT.pass && exitCode !== EXIT.regression)
    throw new InfrastructureError(`the comparison ended with exit code ${exitCode}: ${stderr.trim()}\n${stdout}`);
  return stdout.replaceAll(data, 'data');
}

/** A repository with the shop: `main`, and `my-branch` with one commit more, which is slower. */
async function twoCommits(folder: string): Promise<string> {
  const repository = join(folder, 'repository');
  const service = join(ROOT, 'benchmarks', 'shop', 'service');
  await cp(service, repository, { recursive: true, filter: (path) => !path.includes(join(service, 'node_modules')) });
  const git = gitIn(repository, 'picture');
  const commit = async (subject: string) => {
    await git('add', '--all');
    await git('commit', '--quiet', '-m', subject);
  };
  await git('init', '--quiet', '--initial-branch=main');
  await commit('The shop');
  await git('checkout', '--quiet', '-b', 'my-branch');
  const server = await readFile(join(repository, 'server.ts'), 'utf8');
  const begin = '  const started = performance.now();\n';
  if (!server.includes(begin)) throw new TypeError('the place where the shop becomes slower is not found');
  const slower = `${begin}  while (performance.now() < started + ${MORE_MS});\n`;
  await writeFile(join(repository, 'server.ts'), server.replace(begin, slower));
  await commit(`Compute ${MORE_MS * 1000} µs longer with every request`);
  return repository;
}

/** The page at this path of the web site over the data folder, as PNG. */
async function photograph(data: string, path: string): Promise<Buffer> {
  const env = { ...process.env, MAYFLY_DATA: data, GITHUB_TOKEN: '', MAYFLY_WEBHOOK_SECRET: '' };
  const serve = join(ROOT, 'scripts', 'commands', 'serve.ts');
  const server = spawn(process.execPath, [serve, '--port=0'], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(server, 'exit');
  const id = `mayfly-picture-${ulid().toLowerCase()}`;
  try {
    const site = await addressOf(server);
    const browser = await startBrowser(id);
    const page = await browser.newPage({ viewport: { width: WIDTH, height: 1000 } });
    await page.goto(site + path, { waitUntil: 'networkidle' });
    const rounds = (await page.locator('#rounds').boundingBox())!; // down to them: the verdict, its metrics, the rounds
    const clip = { x: 0, y: 0, width: WIDTH, height: Math.ceil(rounds.y + rounds.height) };
    const picture = await page.screenshot({ animations: 'disabled', fullPage: true, clip });
    await browser.close();
    return picture;
  } finally {
    await execute(['docker', 'rm', '--force', id], { env: process.env });
    server.kill('SIGTERM');
    await ended;
  }
}

async function addressOf(server: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: server.stdout! })) {
    const address = /^listening on (http:\S+)$/.exec(line)?.[1];
    if (address) return address;
  }
  throw new InfrastructureError('the web site ended before it listened');
}

/** Chromium in a container of this name; it sees this host's loopback and nothing else. */
async function startBrowser(name: string): Promise<Browser> {
  const port = await freePort();
  const labels = Object.entries(ownerLabels(ulid())).map(([key, value]) => `--label=${key}=${value}`);
  const limits = ['--memory=2g', '--pids-limit=1000', '--cap-drop=ALL', '--security-opt=no-new-privileges'];
  const writable = ['--read-only', '--tmpfs=/tmp:mode=1777,size=512m'];
  const options = ['--detach', '--init', '--network=host', `--name=${name}`, ...labels, ...limits, ...writable];
  const flags = [`--remote-debugging-port=${port}`, '--hide-scrollbars'];
  await run('docker', ['run', ...options, IMAGES.chromium.ref, ...flags], { env: process.env, what: 'the browser' });
  const deadline = Date.now() + BROWSER_MS;
  for (;;) {
    try {
      return await chromium.connectOverCDP(`http://127.0.0.1:${port}`, { timeout: 10_000 });
    } catch (error) {
      if (Date.now() > deadline) throw new InfrastructureError('Chromium does not answer', { cause: error });
      await sleep(200);
    }
  }
}
