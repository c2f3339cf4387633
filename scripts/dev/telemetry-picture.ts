/**
 * sh scripts/run.sh dev/telemetry-picture: the picture of docs/telemetry.md, of a real run of the example of the Python
 * library in Gunicorn. The code of that page draws it. Takes a minute.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { command } from '../app/command.ts';
import { ROOT } from '../app/open.ts';
import { freePort } from '../archive/archives.ts';
import { EXIT, InfrastructureError } from '../core/errors.ts';
import { run } from '../core/exec.ts';
import { interruptible } from '../core/interrupt.ts';
import { inStep } from '../core/step.ts';
import { createProgress } from '../report/progress.ts';
import { pythonWith, snippetsOf, TELEMETRY_PACKAGES } from './python.ts';

const SECONDS = 40;
const RATE = 60;
/** Beyond this the picture would weigh on every clone. */
const MOST_BYTES = 150_000;

await command(
  {
    name: 'dev/telemetry-picture',
    about: 'Makes docs/images/telemetry.png, which docs/telemetry.md shows, of a real run of a small shop in Gunicorn.',
  },
  async (io) => {
    const { signal, release } = interruptible();
    const progress = createProgress({ stream: process.stderr, quiet: false });
    const folder = await mkdtemp(join(tmpdir(), 'mayfly-telemetry-picture-'));
    try {
      const python = await inStep(progress, 'packages of Python', () => pythonWith(TELEMETRY_PACKAGES));
      await inStep(progress, `${SECONDS} seconds of load`, () => serve(python, folder, signal));
      await inStep(progress, 'draw', () => draw(python, folder, signal));
      const picture = await readFile(join(folder, 'telemetry.png'));
      if (picture.length > MOST_BYTES) throw new RangeError(`the picture has ${picture.length} bytes`);
      await copyFile(join(folder, 'telemetry.png'), join(ROOT, 'docs', 'images', 'telemetry.png'));
      io.stdout(`wrote docs/images/telemetry.png of ${Math.round(picture.length / 1000)} kB`);
      return EXIT.pass;
    } finally {
      progress.close();
      release();
      await rm(folder, { recursive: true, force: true });
    }
  },
);

/** Runs the example under load; its telemetry comes into the folder `telemetry` of this one. */
async function serve(python: string, folder: string, signal: AbortSignal): Promise<void> {
  const library = join(ROOT, 'telemetry', 'python');
  for (const file of ['app.py', 'gunicorn.conf.py']) await copyFile(join(library, 'example', file), join(folder, file));
  const port = await freePort();
  const env = { ...process.env, PYTHONPATH: library, MAYFLY_TELEMETRY: join(folder, 'telemetry') };
  const args = ['-m', 'gunicorn', `--bind=127.0.0.1:${port}`, '--no-control-socket', '--log-level=warning'];
  const server = spawn(python, args, { cwd: folder, env, stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = once(server, 'exit');
  try {
    const site = `http://127.0.0.1:${port}`;
    while ((await fetch(`${site}/items/1`).catch(() => null)) === null) {
      if (server.exitCode !== null) throw new InfrastructureError('Gunicorn ended before it answered');
      await sleep(50, undefined, { signal });
    }
    await load(site, signal);
  } finally {
    server.kill('SIGTERM');
    await ended;
  }
}

/** Items and orders at a constant rate; searches, which come more and more from the middle on. */
async function load(site: string, signal: AbortSignal): Promise<void> {
  const under: Promise<unknown>[] = [];
  const send = (path: string, init?: RequestInit) =>
    under.push(fetch(site + path, init).then((answer) => answer.arrayBuffer()));
  const began = performance.now();
  for (let i = 0; i < SECONDS * RATE; i++) {
    await sleep(Math.max(0, began + (i * 1000) / RATE - performance.now()), undefined, { signal });
    const share = i / (SECONDS * RATE);
    if (i % 3 === 0) send('/orders', { method: 'POST', body: JSON.stringify([i % 5000, (i * 7) % 5000]) });
    else send(`/items/${i % 5000}`);
    if (i % Math.round(12 - 22 * Math.max(0, share - 0.5)) === 0) send(`/search?${i % 100}`);
  }
  await Promise.all(under);
}

/** What the page shows of pandas and matplotlib, as it is written. */
async function draw(python: string, folder: string, signal: AbortSignal): Promise<void> {
  const script = ["import matplotlib\nmatplotlib.use('agg')", ...snippetsOf('telemetry.md', 'python')].join('\n');
  await writeFile(join(folder, 'draw.py'), script);
  await run(python, ['draw.py'], { cwd: folder, env: process.env, signal, what: 'drawing' });
}
