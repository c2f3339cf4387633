/**
 * npm test: the set-up, then every test. Ends with the time of each file and a line `N passed, N failed`. Arguments narrow
 * it to the files whose path holds one of them: npm test -- verdict.
 */
import { spawn } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from '../app/open.ts';
import { main } from '../core/cli.ts';
import { EXIT } from '../core/errors.ts';
import { run } from '../core/exec.ts';
import { interruptible } from '../core/interrupt.ts';
import type { Progress } from '../core/progress.ts';
import { inStep } from '../core/step.ts';
import {
  BALANCER_NAMES,
  BROKER_NAMES,
  FLEET_NAMES,
  IMAGE_NAMES,
  PROFILE_NAMES,
  SERVICE_NAMES,
  TEST_NAMES,
  TRACES_NAMES,
} from '../images/images.ts';
import { createProgress } from '../report/progress.ts';
import { setUp } from '../setup/machine.ts';

/**
 * Tests in this folder use up the host, or leave on the engine what a command beside them would clean away: one file at
 * a time, and nothing beside them.
 */
const ALONE = 'test/e2e';
/** Tests in these folders make whole runs and mostly wait: they mind neither each other nor how fast they are. */
const STORIES = ['test/stories', 'test/dev/perf'];

interface Count {
  passed: number;
  failed: number;
  files: { name: string; seconds: number }[];
}

await main(async (io) => {
  const wanted = process.argv.slice(2);
  const progress = createProgress({ stream: process.stderr, quiet: false });
  await setUp({
    images: [
      ...IMAGE_NAMES,
      ...FLEET_NAMES,
      ...SERVICE_NAMES,
      ...PROFILE_NAMES,
      ...BROKER_NAMES,
      ...TRACES_NAMES,
      ...BALANCER_NAMES,
      ...TEST_NAMES,
    ],
    progress,
  });

  await buildTap(progress);
  progress.close();
  const files = (await testFiles(join(ROOT, 'test'))).filter(
    (file) => wanted.length === 0 || wanted.some((part) => file.includes(part)),
  );
  const alone = files.filter((file) => file.startsWith(ALONE));
  const stories = files.filter((file) => STORIES.some((folder) => file.startsWith(folder)));
  const others = files.filter((file) => !alone.includes(file) && !stories.includes(file));
  const { signal, release } = interruptible();
  const counts = [await runTap(others, 2, signal), await runTap(stories, 3, signal), await runTap(alone, 1, signal)];
  release();
  const times = counts.flatMap(({ files }) => files).sort((a, b) => b.seconds - a.seconds);
  io.stdout(
    [
      '',
      'seconds of each file, slowest first:',
      ...times.map(({ name, seconds }) => `${seconds.toFixed(1).padStart(8)}  ${name}`),
      '',
    ].join('\n'),
  );
  const passed = counts.reduce((sum, count) => sum + count.passed, 0);
  const failed = counts.reduce((sum, count) => sum + count.failed, 0);
  io.stdout(`${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 ? EXIT.regression : EXIT.pass;
});

/** tap compiles itself for the plugins in .taprc; where it has to while it runs tests, these fail. */
async function buildTap(progress: Progress): Promise<void> {
  const stamp = join(ROOT, 'node_modules', '.mayfly-tap');
  const config = await readFile(join(ROOT, '.taprc'), 'utf8');
  if ((await readFile(stamp, 'utf8').catch(() => '')) === config) return;
  await inStep(progress, 'build tap', () => run('tap', ['build'], { cwd: ROOT, env: process.env, what: 'tap build' }));
  await writeFile(stamp, config);
}

async function testFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true });
  return entries
    .filter((entry) => entry.endsWith('.test.ts'))
    .map((entry) => join('test', entry))
    .sort();
}

/** Runs tap over the files and passes on each test's line as it ends, with the details of what failed. */
async function runTap(files: string[], jobs: number, signal: AbortSignal): Promise<Count> {
  if (files.length === 0) return { passed: 0, failed: 0, files: [] };
  signal.throwIfAborted();
  const tap = spawn(
    'tap',
    [
      'run',
      '--disable-coverage',
      '--allow-empty-coverage',
      `--jobs=${jobs}`,
      '--timeout=900',
      '--reporter=tap',
      ...files,
    ],
    { cwd: ROOT, detached: true, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  // A group of its own: whatever tap has started ends with it.
  const end = () => process.kill(-tap.pid!, 'SIGTERM');
  signal.addEventListener('abort', end, { once: true });
  const count: Count = { passed: 0, failed: 0, files: [] };
  let showing = false;
  let failedInside = 0;
  for await (const line of createInterface({ input: tap.stdout! })) {
    const result =
      /^(?<indent> *)(?<not>not )?ok \d+ - (?<name>.*?)(?: # (?<note>SKIP|TODO|time=)(?<ms>[\d.]+)?.*)?( \{)?$/.exec(
        line,
      )?.groups;
    if (!result) {
      if (showing) console.log(line);
      continue;
    }
    const depth = result.indent!.length / 4;
    const bad = Boolean(result.not) || result.note === 'SKIP' || result.note === 'TODO';
    showing = bad;
    if (bad || depth <= 1) console.log(line.replace(/ # Subtest:.*| \{$/g, ''));
    if (depth === 1) {
      count[bad ? 'failed' : 'passed']++;
      if (bad) failedInside++;
    }
    if (depth === 0) {
      count.files.push({ name: result.name!, seconds: Number(result.ms ?? 0) / 1000 });
      if (bad && failedInside === 0) count.failed++; // the file itself: it crashed or ran out of time
      failedInside = 0;
    }
  }
  signal.throwIfAborted();
  signal.removeEventListener('abort', end);
  return count;
}
