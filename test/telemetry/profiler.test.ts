/** Profiles are what DevTools opens, name the function that burns, and are of the time that was asked for. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import type { HeapProfiler, Profiler } from 'node:inspector';
import { join } from 'node:path';
import t from 'tap';
import { countLabels, readRows } from './read-rows.ts';
import { runScript } from './run-script.ts';
import { LIBRARY } from './service.ts';

const profilesOf = (dir: string, extension = 'cpuprofile') =>
  readdirSync(dir)
    .filter((name) => name.endsWith(extension))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
const read = (dir: string, name: string) => JSON.parse(readFileSync(join(dir, name), 'utf8'));

/** Seconds of the samples in functions of this name, counted as DevTools does. */
function secondsIn(profile: Profiler.Profile, name: string): number {
  const ids = new Set(profile.nodes.filter(({ callFrame }) => callFrame.functionName === name).map(({ id }) => id));
  return profile.samples!.reduce((sum, id, i) => sum + (ids.has(id) ? (profile.timeDeltas![i + 1] ?? 0) / 1e6 : 0), 0);
}

/** A function that computes by itself: what it called could be inlined, and its time be that of either. */
const hot = (name: string, ms = 300) => `function ${name}() {
  let sum = 0;
  for (const end = usedMs() + ${ms}; usedMs() < end; ) for (let i = 0; i < 100_000; i++) sum += Math.sqrt(sum + i);
  return sum;
}`;

/** Code that writes the control file, and waits for the profile that ends by it. */
const CONTROL = `
  import { writeFileSync, readdirSync } from 'node:fs';
  const control = (words) => writeFileSync(dir + '/control', words);
  const until = async (extension) => { while (!readdirSync(dir).some((name) => name.endsWith(extension))) await wait(10); };
  ${hot('hotBefore')}
  ${hot('hotWithin')}
  ${hot('hotAfter')}
`;

t.test('the whole session', async (t) => {
  const dir = t.testdir();
  const result = await runScript(
    dir,
    `process.umask(0o077);
    start({ dir, runtime: false, profiler: true });
    ${hot('hotFunction')}
    hotFunction();
    stop();
    console.log(process.pid);`,
  );
  t.match(result, { code: 0, stderr: '' });
  const [name, ...others] = profilesOf(dir);
  t.match(name, new RegExp(`^profiler-${result.stdout.trim()}-0-\\d{13}-0\\.cpuprofile$`));
  t.same(others, []);
  t.equal(statSync(join(dir, name!)).mode & 0o777, 0o644);
  const profile = read(dir, name!) as Profiler.Profile;
  t.ok(profile.endTime > profile.startTime && profile.samples!.length === profile.timeDeltas!.length);
  const seconds = secondsIn(profile, 'hotFunction');
  t.ok(seconds > 0.2, `${seconds} s of it are in what burns 0.3 s`);

  const rows = readRows(dir, 'profiler');
  t.ok(rows.length > 1 && rows.length <= 50);
  t.match(rows[0]!.label, /^hotFunction .*\[eval1\]:\d+$/, 'the hottest first, with its file and line');
  // The last sample is of the time to the end of the profile.
  t.ok(rows[0]!.value >= seconds - 1e-6 && rows[0]!.value < seconds + 0.5, `${rows[0]!.value} s, ${seconds} s`);
  t.ok(rows.every(({ value }, i) => i === 0 || value <= rows[i - 1]!.value));
  t.notOk(rows.find(({ label }) => /^\((idle|root)\)/.test(label)));
});

t.test('the time only that the control file says', async (t) => {
  const dir = t.testdir();
  const result = await runScript(
    dir,
    `${CONTROL}
    start({ dir, runtime: false });
    hotBefore();
    control('on cpu');
    await wait(400);
    hotWithin();
    control('off');
    await until('.cpuprofile');
    hotAfter();
    stop();`,
  );
  t.match(result, { code: 0, stderr: '' });
  t.equal(profilesOf(dir).length, 1);
  const profile = read(dir, profilesOf(dir)[0]!) as Profiler.Profile;
  const names = new Set(profile.nodes.map(({ callFrame }) => callFrame.functionName));
  t.notOk(names.has('hotBefore') || names.has('hotAfter'), 'nothing of before and after');
  t.ok(names.has('hotWithin'));
  t.match(readRows(dir, 'profiler')[0]!.label, /^hotWithin /, 'its rows are there, though recording ended with it');
  t.same(
    readdirSync(dir).filter((name) => name.endsWith('.tmp')),
    [],
  );
});

t.test('a heap profile, and both at once; each time a file of its own', async (t) => {
  const dir = t.testdir();
  const result = await runScript(
    dir,
    `${CONTROL}
    globalThis.kept = [];
    function hungry() { for (let i = 0; i < 200_000; i++) kept.push({ i, text: 'x' + i }); }
    start({ dir, runtime: false, profiler: { cpu: false, heapInterval: 4096 } });
    control('cpu heap');
    await wait(400);
    hungry();
    hotWithin();
    control('cpu');
    await until('.heapprofile');
    control('');
    await until('.cpuprofile');
    control('cpu');
    await wait(400);
    stop();`,
  );
  t.match(result, { code: 0, stderr: '' });
  t.equal(profilesOf(dir).length, 2);
  const [name, ...others] = profilesOf(dir, 'heapprofile');
  t.same(others, []);
  const { head } = read(dir, name!) as HeapProfiler.SamplingHeapProfile;
  const bytesIn = (node: HeapProfiler.SamplingHeapProfileNode): number =>
    (node.callFrame.functionName === 'hungry' ? node.selfSize : 0) +
    node.children.reduce((sum, child) => sum + bytesIn(child), 0);
  t.ok(bytesIn(head) > 5e6, `${bytesIn(head)} bytes are of the function that keeps them`);
  const numbers = [...profilesOf(dir), name!].map((file) => /-(\d+)\.\w+$/.exec(file)![1]).sort();
  t.same(numbers, ['0', '1', '2']);
});

t.test('the sampling interval', async (t) => {
  const perSecond = async (interval: number) => {
    const dir = t.testdir();
    await runScript(dir, `start({ dir, runtime: false, profiler: { interval: ${interval} } }); burn(300); stop();`);
    const { samples, startTime, endTime } = read(dir, profilesOf(dir)[0]!) as Profiler.Profile;
    return samples!.length / ((endTime - startTime) / 1e6);
  };
  const often = await perSecond(500);
  const seldom = await perSecond(20_000);
  t.ok(often > 5 * seldom, `${often} and ${seldom} samples in a second`);

  const { stderr } = await runScript(t.testdir(), 'start({ dir, profiler: { interval: 1 } });');
  t.match(stderr, /: profiler\.interval must be a whole number from 50 to 1000000, not 1\. There is no telemetry/);
});

t.test('a long profile is written in pieces', async (t) => {
  const dir = t.testdir();
  const result = await runScript(
    dir,
    `${CONTROL}
    start({ dir, runtime: false, profiler: { longest: 1 } });
    await until('-0.cpuprofile');
    hotAfter();
    stop();`,
  );
  t.match(result, { code: 0, stderr: '' });
  const [first, second, ...others] = profilesOf(dir).map((name) => read(dir, name) as Profiler.Profile);
  t.same(others, []);
  t.ok(first!.endTime - first!.startTime > 0.9e6);
  t.ok(second!.startTime >= first!.endTime);
  t.ok(second!.nodes.some(({ callFrame }) => callFrame.functionName === 'hotAfter'));
});

t.test('off: a profile of the session rests', async (t) => {
  const dir = t.testdir({ control: 'off' });
  const result = await runScript(
    dir,
    `${CONTROL}
    start({ dir, runtime: false, profiler: true });
    hotBefore();
    control('on');
    await wait(400);
    hotWithin();
    stop();`,
  );
  t.match(result, { code: 0, stderr: '' });
  const profile = read(dir, profilesOf(dir)[0]!) as Profiler.Profile;
  t.notOk(profile.nodes.some(({ callFrame }) => callFrame.functionName === 'hotBefore'));
  t.ok(profile.nodes.some(({ callFrame }) => callFrame.functionName === 'hotWithin'));
});

t.test('at the exit of a process that did not stop it', async (t) => {
  const dir = t.testdir();
  const { code } = await runScript(
    dir,
    'start({ dir, profiler: { heap: true } }); burn(50); setTimeout(() => process.exit(7), 20);',
  );
  t.equal(code, 7);
  t.equal(profilesOf(dir).length, 1);
  t.equal(profilesOf(dir, 'heapprofile').length, 1);
  t.ok(readRows(dir, 'profiler').length > 0);
});

t.test('worker threads profile themselves', async (t) => {
  const dir = t.testdir();
  const inner = `import(${JSON.stringify(LIBRARY)}).then(({ start, stop }) => {
    start({ dir: ${JSON.stringify(dir)}, runtime: false, profiler: true });
    function hotInWorker() { for (const end = performance.now() + 200; performance.now() < end; ); }
    hotInWorker();
    stop();
  })`;
  const result = await runScript(
    dir,
    `import { Worker } from 'node:worker_threads';
    start({ dir, runtime: false, profiler: true });
    ${hot('hotInMain')}
    await Promise.all([hotInMain(), new Promise((done) => new Worker(${JSON.stringify(inner)}, { eval: true }).on('exit', done))]);
    stop();`,
  );
  t.match(result, { code: 0, stderr: '' });
  const functions = (thread: number) => {
    const name = profilesOf(dir).find((file) => file.split('-')[2] === `${thread}`)!;
    return (read(dir, name) as Profiler.Profile).nodes.map(({ callFrame }) => callFrame.functionName);
  };
  t.equal(profilesOf(dir).length, 2);
  t.ok(functions(0).includes('hotInMain') && !functions(0).includes('hotInWorker'));
  t.ok(functions(1).includes('hotInWorker') && !functions(1).includes('hotInMain'));
});

t.test('another session of the inspector profiles too: both have what they asked for', async (t) => {
  const dir = t.testdir();
  const result = await runScript(
    dir,
    `import { Session } from 'node:inspector';
    const other = new Session();
    other.connect();
    other.post('Profiler.enable');
    other.post('Profiler.start');
    start({ dir, runtime: false, profiler: true });
    burn(50);
    stop();
    other.post('Profiler.stop', (error, { profile }) => console.log(profile.nodes.length > 0));`,
  );
  t.match(result, { code: 0, stdout: 'true\n', stderr: '' });
  t.equal(profilesOf(dir).length, 1);
});

t.test('an inspector that may not be used is told, once for each time that it was wanted', async (t) => {
  const dir = t.testdir();
  const result = await runScript(
    dir,
    `${CONTROL}
    start({ dir, runtime: false, profiler: { cpu: true, heap: true } });
    await wait(250);
    control('cpu');
    await wait(250);
    time('goes on', () => {});
    stop();`,
    ['--permission', '--allow-fs-read=*', '--allow-fs-write=*'],
    // What tap puts in needs more permissions.
    ['env', 'NODE_OPTIONS='],
  );
  t.equal(result.code, 0);
  const told = (kind: string) =>
    new RegExp(
      `^mayfly-telemetry: cannot start a ${kind} profile: Access to this API has been restricted\\b.*[^.]\\. ` +
        'There is none, the service goes on$',
    );
  const lines = result.stderr.trim().split('\n');
  t.equal(lines.length, 3);
  for (const [i, kind] of ['CPU', 'heap', 'CPU'].entries()) t.match(lines[i], told(kind));
  t.same(
    readdirSync(dir).filter((name) => /profile/.test(name)),
    [],
  );
  t.same(countLabels(readRows(dir, 'duration')), { 'goes on': 1 });
});

t.test('no room, and a folder that is gone', async (t) => {
  const dir = t.testdir();
  const result = await runScript(
    dir,
    `import { rmSync } from 'node:fs';
    start({ dir, runtime: false, profiler: true });
    rmSync(dir, { recursive: true });
    stop();
    console.log('goes on');`,
  );
  t.equal(result.code, 0);
  t.equal(result.stdout, 'goes on\n');
  t.match(
    result.stderr,
    /^mayfly-telemetry: a CPU profile is lost: ENOENT: .*\.cpuprofile\.tmp'\. The service goes on\n$/,
  );
});
