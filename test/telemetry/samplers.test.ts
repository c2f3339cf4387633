/** What the samplers say of a process agrees with what was done to it. */
import { closeSync, openSync, readdirSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { addSampler } from '../../telemetry/src/samplers.ts';
import { start, stop } from '../../telemetry/src/session.ts';
import { readRows } from './read-rows.ts';
import { runScript } from './run-script.ts';
import { LIBRARY } from './service.ts';
import type { StrictRow } from './strict-files.ts';

const LABELS = [
  'context_switches_involuntary_count',
  'context_switches_voluntary_count',
  'cpu_system_seconds',
  'cpu_user_seconds',
  'event_loop_delay_max_seconds',
  'event_loop_delay_mean_seconds',
  'event_loop_delay_p50_seconds',
  'event_loop_delay_p99_seconds',
  'event_loop_utilisation_ratio',
  'external_bytes',
  'file_descriptors_count',
  ...['incremental', 'major', 'minor', 'weakcb'].flatMap((kind) => [`gc_${kind}_count`, `gc_${kind}_seconds`]),
  'heap_total_bytes',
  'heap_used_bytes',
  'rss_bytes',
];

const valuesOf = (rows: StrictRow[], label: string) =>
  rows.filter((row) => row.label === label).map(({ value }) => value);
const sumOf = (rows: StrictRow[], label: string) => valuesOf(rows, label).reduce((sum, value) => sum + value, 0);
const maxOf = (rows: StrictRow[], label: string) => Math.max(...valuesOf(rows, label));
/** All but the spaces of the heap, which are of the version of V8. */
const labelsOf = (rows: StrictRow[]) =>
  [...new Set(rows.map(({ label }) => label))].filter((label) => !/^heap_.+_space_/.test(label)).sort();

t.test('labels, units and magnitudes', async (t) => {
  const dir = t.testdir();
  const result = await runScript(
    dir,
    `start({ dir, runtime: { interval: 100 } });
    burn(300);
    await wait(450);
    stop();
    console.log(JSON.stringify([process.pid, process.resourceUsage(), process.memoryUsage()]));`,
  );
  t.match(result, { code: 0, stderr: '' });
  const [service, { userCPUTime, systemCPUTime, involuntaryContextSwitches, voluntaryContextSwitches }, memory] =
    JSON.parse(result.stdout);
  const rows = readRows(dir, 'runtime');
  t.same(labelsOf(rows), LABELS);
  t.ok(
    rows.every(({ label, value }) => /_(seconds|bytes|ratio|count)$/.test(label) && value >= 0),
    'each label ends in its unit',
  );
  t.ok(rows.every(({ pid }) => pid === service));
  for (const space of ['new', 'old', 'code', 'large_object'])
    for (const what of ['used', 'total']) {
      const label = `heap_${space}_space_${what}_bytes`;
      t.ok(valuesOf(rows, label).length >= 4, `${label}: ${valuesOf(rows, label)}`);
    }

  const cpu = sumOf(rows, 'cpu_user_seconds') + sumOf(rows, 'cpu_system_seconds');
  t.ok(cpu > 0.2 && cpu <= (userCPUTime + systemCPUTime) / 1e6, `CPU: ${cpu} s`);
  t.ok(maxOf(rows, 'event_loop_utilisation_ratio') > 0.7, 'the sample with the burning');
  t.ok(Math.min(...valuesOf(rows, 'event_loop_utilisation_ratio')) < 0.5, 'those without');
  t.ok(valuesOf(rows, 'event_loop_utilisation_ratio').every((value) => value <= 1));
  t.ok(sumOf(rows, 'context_switches_voluntary_count') > 0);
  t.ok(sumOf(rows, 'context_switches_voluntary_count') <= voluntaryContextSwitches);
  t.ok(sumOf(rows, 'context_switches_involuntary_count') <= involuntaryContextSwitches);
  t.ok(maxOf(rows, 'rss_bytes') > memory.rss / 2 && maxOf(rows, 'rss_bytes') < memory.rss * 2);
  t.ok(maxOf(rows, 'heap_used_bytes') < maxOf(rows, 'heap_total_bytes'));
});

t.test('garbage collection: each one that is forced is counted, by its kind', async (t) => {
  const dir = t.testdir();
  const result = await runScript(
    dir,
    `start({ dir, runtime: { interval: 50 } });
    const { PerformanceObserver } = await import('node:perf_hooks');
    const seen = { 1: 0, 4: 0, 8: 0, 16: 0, seconds: 0 };
    new PerformanceObserver((list) => {
      for (const { detail, duration } of list.getEntries()) seen[detail.kind]++, (seen.seconds += duration / 1000);
    }).observe({ entryTypes: ['gc'] });
    for (let i = 0; i < 5; i++) gc({ type: 'major' }), gc({ type: 'minor' });
    await wait(120);
    for (let i = 0; i < 3; i++) gc({ type: 'major' });
    while (seen[4] < 8) await wait(1);
    stop();
    console.log(JSON.stringify(seen));`,
    ['--expose-gc'],
  );
  t.match(result, { code: 0, stderr: '' });
  const seen = JSON.parse(result.stdout);
  const rows = readRows(dir, 'runtime');
  t.ok(seen[4] >= 8);
  t.equal(sumOf(rows, 'gc_major_count'), seen[4], 'those after the last interval too');
  t.equal(sumOf(rows, 'gc_minor_count'), seen[1]);
  const seconds = ['minor', 'major', 'incremental', 'weakcb'].reduce(
    (sum, kind) => sum + sumOf(rows, `gc_${kind}_seconds`),
    0,
  );
  t.ok(seconds > 0 && Math.abs(seconds - seen.seconds) < 1e-6, `${seconds} s, ${seen.seconds} s`);
});

t.test('a block of the event loop of 50 ms is in the delay, and an idle loop has none', async (t) => {
  const dir = t.testdir();
  const result = await runScript(
    dir,
    `start({ dir, runtime: { interval: 200 } });
    await wait(450);
    burn(50);
    await wait(250);
    stop();`,
  );
  t.match(result, { code: 0, stderr: '' });
  const rows = readRows(dir, 'runtime');
  // The timer that is late was due up to 20 ms after the block began.
  t.ok(maxOf(rows, 'event_loop_delay_max_seconds') >= 0.029, `${valuesOf(rows, 'event_loop_delay_max_seconds')}`);
  const median = valuesOf(rows, 'event_loop_delay_p50_seconds').sort((a, b) => a - b)[1]!;
  t.ok(median < 0.01, `the period of the timer is no delay: ${valuesOf(rows, 'event_loop_delay_p50_seconds')}`);
});

t.test('file descriptors', async (t) => {
  const dir = t.testdir();
  const descriptors = readdirSync('/proc/self/fd').length - 1;
  start({ dir, runtime: { interval: 10 }, signal: null });
  const opened = Array.from({ length: 100 }, () => openSync('/dev/null', 'r'));
  await wait(60);
  stop();
  for (const fd of opened) closeSync(fd);
  const most = maxOf(readRows(dir, 'runtime'), 'file_descriptors_count');
  t.ok(most >= descriptors + 100 && most < descriptors + 120, `${descriptors} and 100 give ${most}`);
});

t.test("one's own samplers", async (t) => {
  const dir = t.testdir();
  const { code, stderr } = await runScript(
    dir,
    `let calls = 0;
    addSampler('before_count', () => ++calls);
    addSampler('broken', () => { calls += 100; throw new Error('no such queue'); });
    addSampler('text', () => 'seven');
    addSampler('later', async () => 7);
    addSampler('mixed', () => ({ a_count: 1, b_count: '2' }));
    addSampler('none', 7);
    start({ dir, runtime: { interval: 20 } });
    addSampler('pool', () => ({ pool_busy_count: 3, pool_idle_count: 4 }));
    addSampler('quiet', () => undefined);
    addSampler('twice_count', () => 1);
    addSampler('twice_count', () => 2);
    await wait(110);
    stop();`,
  );
  t.equal(code, 0);
  t.same(stderr.trim().split('\n').sort(), [
    'mayfly-telemetry: addSampler("none"): a sampler is a function, this is number. It is left out',
    'mayfly-telemetry: the sampler "broken" failed: no such queue. It is left out until the next start()',
    ...['later', 'mixed', 'text'].map(
      (name) =>
        `mayfly-telemetry: the sampler "${name}" failed: it must give a number, numbers by name, or undefined. ` +
        'It is left out until the next start()',
    ),
  ]);
  const rows = readRows(dir, 'runtime');
  const before = valuesOf(rows, 'before_count');
  t.equal(before[0], 1);
  t.same(
    before.slice(1),
    before.slice(1).map((_, i) => 102 + i),
    'the one that fails was called once',
  );
  t.ok(before.length >= 4);
  for (const [label, value] of Object.entries({ pool_busy_count: 3, pool_idle_count: 4, twice_count: 2 })) {
    t.ok(valuesOf(rows, label).length >= 4, label);
    t.ok(
      valuesOf(rows, label).every((found) => found === value),
      `${label} ${value}`,
    );
  }
  t.same(
    labelsOf(rows).filter((label) => !LABELS.includes(label)),
    ['before_count', 'pool_busy_count', 'pool_idle_count', 'twice_count'],
  );
  t.ok(
    rows.some(({ label }) => label === 'rss_bytes'),
    'the others go on',
  );
});

t.test('off at run time: no sampler is called, and counters begin anew', async (t) => {
  const dir = t.testdir({ control: 'off' });
  const { code, stdout } = await runScript(
    dir,
    `import { writeFileSync } from 'node:fs';
    let calls = 0;
    addSampler('calls_count', () => ++calls);
    start({ dir, runtime: { interval: 20 } });
    burn(300);
    await wait(100);
    const off = calls;
    writeFileSync(dir + '/control', 'on');
    while (calls < 3) await wait(10);
    stop();
    console.log(off);`,
  );
  t.equal(code, 0);
  t.equal(stdout, '0\n');
  const rows = readRows(dir, 'runtime');
  t.ok(sumOf(rows, 'cpu_user_seconds') < 0.25, 'what was burnt before is not in it');
  t.ok(rows.length > 0);
});

t.test('runtime: false, and start() without a folder: nothing', async (t) => {
  const dir = t.testdir();
  addSampler('never', () => {
    throw new Error('it was called');
  });
  t.ok(start({ dir, runtime: false, signal: null }));
  await wait(50);
  stop();
  t.same(readdirSync(dir), []);
});

t.test('an interval that is none is refused', async (t) => {
  const dir = t.testdir();
  const { stdout, stderr } = await runScript(dir, `console.log(start({ dir, runtime: { interval: 5 } }));`);
  t.equal(stdout, 'false\n');
  t.equal(
    stderr,
    `mayfly-telemetry: cannot start in ${dir}: runtime.interval must be a whole number from 10 to 3600000, not 5. ` +
      'There is no telemetry, the service goes on\n',
  );
});

t.test('a service that has nothing more to do ends, and what was counted is written', async (t) => {
  const dir = t.testdir();
  const began = performance.now();
  const { code } = await runScript(dir, 'start({ dir, runtime: { interval: 3_000_000 } });');
  t.equal(code, 0);
  t.ok(performance.now() - began < 60_000);
  t.same(labelsOf(readRows(dir, 'runtime')).length >= LABELS.length - 4, true, 'one sample at the end');
});

t.test('a worker thread says what is of the thread alone', async (t) => {
  const dir = t.testdir();
  const { code, stderr } = await runScript(
    dir,
    `import { Worker } from 'node:worker_threads';
    const inner = "import(" + JSON.stringify(${JSON.stringify(LIBRARY)}) + ").then(({ start, stop }) => { start({ dir: " + JSON.stringify(dir) + ", runtime: { interval: 20 } }); setTimeout(stop, 150); })";
    await new Promise((resolve) => new Worker(inner, { eval: true }).on('exit', resolve));`,
  );
  t.match({ code, stderr }, { code: 0, stderr: '' });
  const rows = readRows(dir, 'runtime');
  const ofProcess = /^(cpu|context|rss|file)/;
  t.same(
    labelsOf(rows),
    LABELS.filter((label) => !ofProcess.test(label)),
  );
});
