/** npm run noise as a user starts it; what it reads is the host's own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { compile } from '../../../scripts/config/schema.ts';

const ROOT = join(import.meta.dirname, '../../..');
const fits = compile(JSON.parse(readFileSync(join(ROOT, 'docs/schemas/mayfly.noise.v1.json'), 'utf8')));

function noise(data: string, ...args: string[]) {
  const child = spawn(process.execPath, [join(ROOT, 'scripts/commands/noise.ts'), ...args], {
    env: { ...process.env, MAYFLY_DATA: data },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (output.stdout += chunk));
  child.stderr.on('data', (chunk) => (output.stderr += chunk));
  return { child, output, done: once(child, 'close').then(([code]) => ({ code: code as number, ...output })) };
}

async function said({ child, output }: ReturnType<typeof noise>, words: string): Promise<void> {
  for (; !output.stderr.includes(words); await sleep(20))
    if (child.exitCode !== null) throw new Error(`it ended: ${output.stderr}`);
}

t.test('a short look', async (t) => {
  const data = t.testdir();
  const { code, stdout, stderr } = await noise(data, '--seconds=3', '--json').done;
  t.equal(code, 0, stderr);
  const document = JSON.parse(stdout);
  t.ok(fits(document), JSON.stringify(fits.errors));
  const { readings } = document;
  t.ok(
    readings.jitter.max_s >= readings.jitter.p999_s &&
      readings.jitter.p999_s >= readings.jitter.median_s &&
      readings.jitter.median_s > 0,
  );
  t.ok(readings.work.pieces > 20 && readings.work.median_s > 0);
  t.ok(readings.timer.p99_s >= readings.timer.median_s);
  t.ok(readings.disk.sync_p99_s >= readings.disk.sync_p50_s && readings.disk.bytes_per_s > 0);
  t.ok(readings.outside_load >= 0 && readings.outside_load < 1, 'its own busy loops are not outside load');
  t.strictSame(readdirSync(data), [], 'the file of the disk test is gone');
});

t.test('a folder that cannot be written to is said, the rest is read; as text', async (t) => {
  const file = join(t.testdir(), 'file');
  writeFileSync(file, '');
  const { code, stdout, stderr } = await noise(join(file, 'data'), '--seconds=1', '--quiet').done;
  t.strictSame({ code, stderr }, { code: 0, stderr: '' });
  t.match(stdout, /^(QUIET|USABLE|TOO NOISY): .+\n/);
  t.match(stdout, /\nsame work again +coefficient of variation /);
  t.match(stdout, /\nnot read: writes to the disk in .*: ENOTDIR/);
});

t.test('Ctrl-C ends it at once, in the disk test too', async (t) => {
  const data = t.testdir();
  const late = noise(data, '--seconds=5');
  await said(late, 'begin  writes to the disk');
  let begin = performance.now();
  late.child.kill('SIGINT');
  t.match(await late.done, { code: 130, stdout: '', stderr: /mayfly: interrupted by SIGINT/ });
  t.ok(performance.now() - begin < 2000);
  t.strictSame(readdirSync(data), []);

  const early = noise(data, '--seconds=60');
  await said(early, 'begin  ends of short sleeps');
  begin = performance.now();
  early.child.kill('SIGTERM');
  t.match(await early.done, { code: 130, stderr: /interrupted by SIGTERM/ });
  t.ok(performance.now() - begin < 2000, 'long before the 9 s of that part are over');
});

t.test('wrong flags', async (t) => {
  for (const seconds of ['0', 'x', '3601']) {
    t.match(await noise(t.testdir(), `--seconds=${seconds}`).done, {
      code: 2,
      stdout: '',
      stderr: `mayfly: --seconds must be a number from 1 to 3600, got "${seconds}"`,
    });
  }
});
