/**
 * A second Docker daemon, with folders of its own, started as the set-up starts the first; and the lock between
 * set-ups.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { hostLock } from '../../scripts/core/lock.ts';
import { type Daemon, inspectEngine, isFault, startDaemon } from '../../scripts/setup/install-engine.ts';
import { outcome } from './helpers.ts';

const folder = await mkdtemp(join(tmpdir(), 'mayfly-test-'));
t.teardown(async () => {
  // A daemon that fails leaves its data folder mounted on itself.
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((at) => at.startsWith(folder));
  for (const at of mounts.reverse()) await outcome('umount', [at]);
  await rm(folder, { recursive: true, force: true });
});

// A daemon without a bridge of its own removes the bridge of the one that is there: it gets a network namespace of its
// own.
await mkdir(join(folder, 'bin'));
await writeFile(join(folder, 'bin', 'dockerd'), '#!/bin/sh\nPATH=${PATH#*:}\nexec unshare --net dockerd "$@"\n', {
  mode: 0o755,
});
const env = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}` };

function daemonIn(name: string, more: string[] = []): Daemon {
  const at = (file: string): string => join(folder, `${name}-${file}`);
  return {
    args: [
      '--host',
      `unix://${at('sock')}`,
      '--data-root',
      at('data'),
      '--exec-root',
      at('exec'),
      '--pidfile',
      at('pid'),
      '--bridge=none',
      '--iptables=false',
      '--ip-forward=false',
      ...more,
    ],
    socket: at('sock'),
    pidFiles: [at('pid')],
    log: at('log'),
    deadlineMs: 120_000,
  };
}

async function end(pid: number): Promise<void> {
  process.kill(pid, 'SIGTERM');
  const deadline = Date.now() + 60_000;
  for (; existsSync(`/proc/${pid}/exe`); await sleep(100)) if (Date.now() > deadline) process.kill(pid, 'SIGKILL');
}

t.test('a daemon starts in a session of its own, in spite of the pid file of a dead one', async (t) => {
  const daemon = daemonIn('fresh');
  // As after a restart of the machine: the id belongs to somebody else now.
  await writeFile(daemon.pidFiles[0]!, String(process.pid));
  const pid = await startDaemon(daemon, { env });
  t.teardown(() => end(pid));
  const facts = await inspectEngine(daemon.socket);
  t.notOk(isFault(facts), 'it answers');
  const session = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[3];
  t.equal(session, String(pid), 'it is not ended with the command that started it');
});

t.test('a daemon that does not start shows the end of its log', async (t) => {
  const daemon = daemonIn('broken', ['--storage-driver=no-such-driver']);
  await t.rejects(startDaemon(daemon, { env }), {
    name: 'InfrastructureError',
    exitCode: 4,
    message: /did not start: it ended with code 1; the end of .*\n(.*\n)*.*no-such-driver/,
  });
});

t.test('the second set-up waits for the first, and a killed one holds nothing', async (t) => {
  const file = join(folder, 'lock');
  const holder = spawn(
    process.execPath,
    [
      '--input-type=module-typescript',
      '--eval',
      `
    import { hostLock } from ${JSON.stringify(join(import.meta.dirname, '../../scripts/core/lock.ts'))};
    await hostLock({ file: ${JSON.stringify(file)}, onWait: () => {} });
    console.log('held');
    setInterval(() => {}, 1000);
  `,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(holder.stdout, 'data');

  let waits = 0;
  let got = false;
  const waiting = hostLock({
    file,
    onWait: () => {
      waits++;
    },
  }).then((lock) => {
    got = true;
    return lock;
  });
  await sleep(500);
  t.equal(got, false, 'it waits');
  t.equal(waits, 1, 'and says so once');

  const stop = new AbortController();
  const third = hostLock({ file, onWait: () => {}, signal: stop.signal });
  stop.abort(new Error('asked to end'));
  await t.rejects(third, { message: 'asked to end' }, 'a wait can be ended');

  holder.kill('SIGKILL');
  const lock = await waiting;
  t.ok(got);
  lock[Symbol.dispose]();
  (await hostLock({ file, onWait: () => t.fail('the lock was given back') }))[Symbol.dispose]();
});
