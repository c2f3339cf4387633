/** Recording is switched while the service runs: by the control file and by a signal, in all of its threads. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { fixture } from './service.ts';

interface Switched {
  process: ChildProcess;
  /** Waits until all of these lines have come, in whatever order, and no other. */
  says: (...lines: string[]) => Promise<void>;
  /** Writes the control file as a whole. */
  control: (text: string) => void;
}

/** Starts the fixture. */
async function begin(t: Test, dir: string, on = 'on'): Promise<Switched> {
  const child = spawn(process.execPath, [fixture('switched.ts'), dir, on], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(async () => {
    child.kill('SIGKILL');
    await once(child, 'close');
  });
  const lines = createInterface(child.stdout!)[Symbol.asyncIterator]();
  const says = async (...wanted: string[]) => {
    const heard: string[] = [];
    while (heard.length < wanted.length) heard.push((await lines.next()).value!);
    t.same(heard.sort(), wanted.sort());
  };
  const control = (text: string) => {
    writeFileSync(join(dir, 'new'), text);
    renameSync(join(dir, 'new'), join(dir, 'control'));
  };
  return { process: child, says, control };
}

const both = (text: string) => [`main ${text}`, `worker ${text}`];

t.test('the control file switches, asks for profiles, and is gone again', async (t) => {
  const dir = t.testdir();
  const { says, control } = await begin(t, dir);
  await says(...both('on'), ...both('words: '), ...both('ready'));
  control('off');
  await says(...both('off'), ...both('words: off'));
  control('off\n  cpu\theap\n');
  await says(...both('words: off cpu heap'));
  control('on cpu');
  await says(...both('on'), ...both('words: on cpu'));
  control('off');
  await says(...both('off'), ...both('words: off'));
  rmSync(join(dir, 'control'));
  await says(...both('on'), ...both('words: '));
  control('off on');
  await says(...both('off'), ...both('words: off on'));
});

t.test('started off, it stays so until the file says otherwise', async (t) => {
  const dir = t.testdir();
  const { says, control } = await begin(t, dir, 'off');
  await says(...both('words: '), ...both('ready'));
  control('heap');
  await says(...both('words: heap'));
  control('on');
  await says(...both('on'), ...both('words: on'));
  rmSync(join(dir, 'control'));
  await says(...both('off'), ...both('words: '));
});

t.test('a control file that is there at the start is obeyed at once', async (t) => {
  const dir = t.testdir({ control: 'off' });
  const { says } = await begin(t, dir);
  await says(...both('words: off'), ...both('ready'));
});

t.test('SIGUSR2 toggles all threads; the file does so again when it changes', async (t) => {
  const { process, says, control } = await begin(t, t.testdir());
  await says(...both('on'), ...both('words: '), ...both('ready'));
  process.kill('SIGUSR2');
  await says(...both('off'));
  process.kill('SIGUSR2');
  await says(...both('on'));
  control('off');
  await says(...both('off'), ...both('words: off'));
  process.kill('SIGUSR2');
  await says(...both('on'));
  control('on');
  await says(...both('words: on'));
});

t.test('a control file that cannot be read is told once, and changes nothing', async (t) => {
  const dir = t.testdir({ control: {} });
  const { process, says, control } = await begin(t, dir);
  let stderr = '';
  process.stderr!.on('data', (data) => (stderr += data));
  await says(...both('on'), ...both('words: '), ...both('ready'));
  rmSync(join(dir, 'control'), { recursive: true });
  control('x'.repeat(5000));
  control('off');
  await says(...both('off'), ...both('words: off'));
  t.same(
    stderr.trimEnd().split('\n'),
    Array(2).fill(
      `mayfly-telemetry: cannot read ${join(dir, 'control')}: it is no file of at most 4096 bytes. Recording stays as it is`,
    ),
    'by each thread',
  );
});
