/** The Python library on the real interpreter, and in the real Gunicorn. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { freePort } from '../../scripts/archive/archives.ts';
import { summariseFiles } from '../../scripts/telemetry/summary.ts';
import { engine } from '../e2e/helpers.ts';
import { installLibrary, runService, SOURCE, startPython } from './python-library.ts';
import { runService as runNodeService } from './service.ts';
import { readStrict, type StrictRow } from './strict-files.ts';

t.teardown(() => engine.close());
const python = await installLibrary();
const QUIET = 'runtime=False, signal=None';

/** Runs a service that records into a folder of this test; it must end well. */
async function record(t: Test, code: string): Promise<{ dir: string; stdout: string; stderr: string }> {
  const dir = t.testdir();
  const { code: exit, stdout, stderr } = await runService(python, code, { DIR: dir });
  t.equal(exit, 0, stderr);
  return { dir, stdout: stdout.trim(), stderr: stderr.trim() };
}

const rowsOf = (dir: string, prefix = 'duration'): StrictRow[] =>
  readStrict(dir)
    .filter((file) => file.prefix === prefix)
    .flatMap(({ rows }) => rows);
const textOf = (dir: string, prefix: string): string =>
  readdirSync(dir)
    .filter((name) => name.startsWith(prefix))
    .map((name) => readFileSync(join(dir, name), 'utf8'))
    .join('');
const labelsOf = (rows: StrictRow[]) => rows.map(({ label }) => label);

async function until<T>(what: string, look: () => T | undefined | false): Promise<T> {
  for (const deadline = Date.now() + 60_000; ; await sleep(20)) {
    const found = look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
  }
}

t.test('its types hold, from Python 3.9 on', { timeout: 300_000 }, async (t) => {
  t.ok(existsSync(join(python.library, 'mayfly_telemetry', 'py.typed')), 'the package says that it is typed');
  const { code, stdout, stderr } = await startPython(
    python,
    ['-m', 'mypy', '--strict', '--python-version=3.9', `--cache-dir=${t.testdir()}`, 'mayfly_telemetry'],
    { cwd: SOURCE },
  ).done;
  t.equal(code, 0, stdout + stderr);
});

t.test('rows are those of the library for Node.js, byte by byte', async (t) => {
  const labels = [
    '/orders [POST]',
    'a "quoted" one',
    'two\nlines\tand\u2028more\u0085',
    'ü€🦟',
    '🦟'.repeat(201),
    '',
    'a,b',
  ];
  const values = [0, 1, 0.5, -2, 1234567890123, 1e300, 0.1 + 0.2];
  const py = t.testdir({ python: {}, node: {} });
  const code = `
import json
telemetry.start(os.environ["DIR"], ${QUIET})
for label in json.loads(os.environ["LABELS"]):
    telemetry.stop_duration(label, telemetry.start_duration())
for value in json.loads(os.environ["VALUES"]):
    telemetry.sample("things_count", value)
telemetry.stop()
`;
  const env = { LABELS: JSON.stringify(labels), VALUES: JSON.stringify(values) };
  t.equal((await runService(python, code, { ...env, DIR: join(py, 'python') })).code, 0);
  const node = await runNodeService(
    `start({ dir: process.env.DIR, runtime: false, signal: null });
     for (const label of JSON.parse(process.env.LABELS)) stopDuration(label, startDuration());
     for (const value of JSON.parse(process.env.VALUES)) sample('things_count', value);
     stop();`,
    { env: { ...env, DIR: join(py, 'node') } },
  );
  t.equal(node.code, 0, node.stderr);
  const plain = (dir: string, prefix: string) => {
    const [file, ...more] = readStrict(join(py, dir)).filter((one) => one.prefix === prefix);
    t.same(more, []);
    const text = textOf(join(py, dir), prefix)
      .replaceAll(`,${file!.pid}\n`, ',PID\n')
      .replace(/^\d{19}/gm, 'TIME');
    return prefix === 'duration' ? text.replace(/0\.\d{9}/g, 'SECONDS') : text;
  };
  for (const prefix of ['duration', 'runtime']) t.equal(plain('python', prefix), plain('node', prefix), prefix);
  t.match(labelsOf(rowsOf(join(py, 'python')))[2], 'two lines and more ');

  const summary = async (dir: string) => {
    const paths = readdirSync(join(py, dir)).map((name) => join(py, dir, name));
    const { labels, notes } = await summariseFiles(paths);
    return [notes, labels.map(({ prefix, label, unit, count }) => [prefix, label, unit, count].join('|')).sort()];
  };
  const [notes, of] = await summary('python');
  t.same([notes, of], await summary('node'), 'read alike');
  t.same(notes, []);
  t.ok(of!.includes('runtime|things_count|count|7') && of!.includes('duration|/orders [POST]|s|1'), of!.join('\n'));
});

t.test('names, modes, time and padding', async (t) => {
  const before = BigInt(Date.now()) * 1_000_000n;
  const { dir } = await record(
    t,
    `
os.umask(0o077)
telemetry.start(os.environ["DIR"], rotate_bytes=100_000, ${QUIET})
for i in range(20_000):
    telemetry.stop_duration("x" * (i % 150), telemetry.start_duration())
began = telemetry.start_duration()
time.sleep(0.02)
telemetry.stop_duration("slept", began)
telemetry.stop()
`,
  );
  const files = readStrict(dir);
  t.same(
    files.map(({ number, thread }) => [number, thread]),
    files.map((_, number) => [number, 0]),
    'numbered from 0, without a gap',
  );
  t.ok(files.length > 5, `${files.length} files`);
  for (const { name, bytes } of files) {
    t.equal(statSync(join(dir, name)).mode & 0o777, 0o644, name);
    t.ok(bytes <= 100_000 + 4096, `${name}: ${bytes} bytes`);
  }
  const rows = rowsOf(dir);
  t.same(labelsOf(rows), [...Array.from({ length: 20_000 }, (_, i) => 'x'.repeat(i % 150)), 'slept'], 'all, in order');
  const slept = rows.at(-1)!;
  t.ok(slept.value >= 0.02 && slept.value < 10, `${slept.value}`);
  t.ok(slept.timepoint > before && slept.timepoint < BigInt(Date.now() + 1000) * 1_000_000n, 'the epoch');
  t.match(textOf(dir, 'duration'), /^\d{19}, +\d\.\d{9},"/m, 'spaces before a Measurement');
});

t.test('durations overlap, and are of calls, blocks and coroutines', async (t) => {
  const { dir, stdout } = await record(
    t,
    `
import asyncio
telemetry.start(os.environ["DIR"], ${QUIET})
a, b = telemetry.start_duration(), telemetry.start_duration()
telemetry.stop_duration("a", a)
telemetry.stop_duration("b", b)

@telemetry.timed("call")
def call(depth):
    "It says so."
    if depth: return call(depth - 1)
    raise KeyError("passed on")

@telemetry.timed("coroutine")
async def wait(seconds):
    await asyncio.sleep(seconds)
    return seconds

async def both():
    return await asyncio.gather(wait(0.06), wait(0.03))

try:
    call(1)
except KeyError as error:
    print(call.__doc__, error)
block = telemetry.timed("block")
with block:
    with block:
        time.sleep(0.01)
print(asyncio.run(both()))
telemetry.stop()
`,
  );
  t.equal(stdout, "It says so. 'passed on'\n[0.06, 0.03]");
  const rows = rowsOf(dir);
  t.same(labelsOf(rows), ['a', 'b', 'call', 'call', 'block', 'block', 'coroutine', 'coroutine']);
  const [short, long] = rows.slice(-2).map(({ value }) => value);
  t.ok(short! >= 0.03 && long! >= 0.06, `${short} ${long}`);
});

t.test('what is wrong is said once, and raises nothing', async (t) => {
  const dir = t.testdir({ file: '' });
  const ended = await runService(
    python,
    `
print(telemetry.start(), telemetry.stop(), telemetry.is_running())
telemetry.stop_duration("nothing", telemetry.start_duration())
telemetry.sample("nothing_count", 1)
print(telemetry.start(os.environ["DIR"] + "/file/below"))
print(telemetry.start(os.environ["DIR"], flush_interval=0))
print(telemetry.start(os.environ["DIR"], ${QUIET}), telemetry.start("/elsewhere"), telemetry.is_running())
for id in (0, None, "id", [], 1.5, 1 << 80, -1 << 80):
    telemetry.stop_duration("unknown", id)
twice = telemetry.start_duration()
telemetry.stop_duration("twice", twice)
telemetry.stop_duration("twice", twice)
for value in (float("nan"), float("inf"), "five", None, 10 ** 400, 7):
    telemetry.sample("values_count", value)
for i in range(1100):
    telemetry.stop_duration(f"label {i}", telemetry.start_duration())
print(telemetry.stop(), telemetry.stop())
`,
    { DIR: dir },
  );
  t.equal(ended.code, 0, ended.stderr);
  t.same(ended.stdout.trim().split('\n'), ['False False False', 'False', 'False', 'True True True', 'True False']);
  t.same(ended.stderr.trim().split('\n'), [
    `mayfly-telemetry: cannot start in ${dir}/file/below: [Errno 20] Not a directory: '${dir}/file/below'. There is no telemetry, the service goes on`,
    `mayfly-telemetry: cannot start in ${dir}: flush_interval must be a number above 0, not 0. There is no telemetry, the service goes on`,
    `mayfly-telemetry: start() was called while telemetry runs in ${dir}: it goes on as it is. Call stop() first`,
    'mayfly-telemetry: more than 1000 labels: the rest are recorded as "(other)". The last one was "label 999"',
    'mayfly-telemetry: a value of "values_count" is nan: left out. Record finite numbers (told once)',
  ]);
  const labels = labelsOf(rowsOf(dir));
  t.same(labels.slice(0, 3), ['twice', 'twice', 'label 0']);
  t.same(labels.slice(1000), ['label 998', ...Array.from({ length: 101 }, () => '(other)')]);
  t.same(
    rowsOf(dir, 'runtime').map(({ label, value }) => [label, value]),
    [['(other)', 7]],
  );
  t.notOk(existsSync('/elsewhere'));
});

t.test('a disk that is full', async (t) => {
  const dir = t.testdir();
  // The limit on the size of a file ends a write as a full disk does: a part of it, then an error.
  const { code, stdout, stderr } = await runService(
    python,
    `
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
telemetry.start(os.environ["DIR"], ${QUIET})
for i in range(1000):
    telemetry.stop_duration("label", telemetry.start_duration())
while telemetry.is_on(): time.sleep(0.01)
telemetry.stop_duration("after", telemetry.start_duration())
print(telemetry.stop())
`,
    { DIR: dir },
  );
  t.equal(code, 0, stderr);
  t.equal(stdout.trim(), 'False');
  t.equal(
    stderr.trim(),
    `mayfly-telemetry: cannot write into ${dir}: [Errno 27] File too large. Recording has stopped, the service goes on. ` +
      `Make room in ${dir} or make it writable, then call stop() and start() again`,
  );
  const [file] = readStrict(dir);
  t.ok(file!.bytes > 9900 && file!.bytes <= 10_000, `${file!.bytes} bytes, whole rows`);
});

t.test('written by size, by time and at the exit', async (t) => {
  const { dir, stdout } = await record(
    t,
    `
import glob
def written():
    return sum(open(name, "rb").read().count(b"label") for name in glob.glob(os.environ["DIR"] + "/duration-*"))
def put(count):
    for i in range(count):
        telemetry.stop_duration("label", telemetry.start_duration())
def come(count):
    while written() < count: time.sleep(0.01)

telemetry.start(os.environ["DIR"], flush_bytes=120 * 100, flush_interval=3600, ${QUIET})
put(60)
come(60)
put(100)
print(written() >= 160)
telemetry.stop()
telemetry.start(os.environ["DIR"], flush_interval=0.05, ${QUIET})
put(1)
come(161)
telemetry.stop()
telemetry.start(os.environ["DIR"], flush_interval=3600, ${QUIET})
put(1)
`,
  );
  t.equal(stdout, 'True', 'by whoever records, where more waits than may');
  t.equal(rowsOf(dir).length, 162);
});

t.test('the process is sampled, and what it counts is whole', async (t) => {
  const { dir, stdout } = await record(
    t,
    `
import gc, resource
gc.disable()
telemetry.start(os.environ["DIR"], runtime_interval=0.05, signal=None)
time.sleep(0.3)
for i in range(5): gc.collect(2)
gc.collect(0)
opened = [open("/dev/null") for i in range(50)]
began = time.process_time()
while time.process_time() < began + 0.3: pass
telemetry.stop()
print(len(os.listdir("/proc/self/fd")))
`,
  );
  const rows = rowsOf(dir, 'runtime');
  const of = (label: string) => rows.filter((row) => row.label === label).map(({ value }) => value);
  const sum = (label: string) => of(label).reduce((all, value) => all + value, 0);
  t.same([...new Set(labelsOf(rows))].sort(), [
    'context_switches_involuntary_count',
    'context_switches_voluntary_count',
    'cpu_system_seconds',
    'cpu_user_seconds',
    'file_descriptors_count',
    'gc_generation0_count',
    'gc_generation0_seconds',
    'gc_generation1_count',
    'gc_generation1_seconds',
    'gc_generation2_count',
    'gc_generation2_seconds',
    'rss_bytes',
  ]);
  t.equal(sum('gc_generation2_count'), 5);
  t.equal(sum('gc_generation0_count'), 1);
  t.ok(sum('gc_generation2_seconds') > 0 && sum('gc_generation2_seconds') < 5);
  const cpu = sum('cpu_user_seconds') + sum('cpu_system_seconds');
  t.ok(cpu > 0.25 && cpu < 5, `${cpu} s of CPU`);
  t.ok(of('rss_bytes').every((bytes) => bytes > 5e6 && bytes < 1e9));
  const files = of('file_descriptors_count');
  t.ok(Math.max(...files) >= 50 && Math.max(...files) <= Number(stdout) + 5, files.join());
  t.ok(of('context_switches_voluntary_count').every((count) => count >= 0));
});

t.test('switched by the control file and by a signal', async (t) => {
  const { dir, stdout } = await record(
    t,
    `
import signal
control = os.environ["DIR"] + "/control"
def say(words):
    with open(control + ".new", "w") as file: file.write(words)
    os.rename(control + ".new", control)
def become(on):
    while telemetry.is_on() != on: time.sleep(0.01)
def put(label): telemetry.stop_duration(label, telemetry.start_duration())

say("off cpu")
telemetry.start(os.environ["DIR"], runtime=False)
print(telemetry.is_on(), telemetry.start_duration())
put("off at the start")
say("on")
become(True)
put("on")
say("heap off")
become(False)
put("off")
os.remove(control)
become(True)
put("as told")
os.kill(os.getpid(), signal.SIGUSR2)
become(False)
put("off by the signal")
os.kill(os.getpid(), signal.SIGUSR2)
become(True)
put("on by the signal")
telemetry.stop()
print(signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL)

telemetry.start(os.environ["DIR"], on=False, runtime=False)
put("off, as told")
say("cpu")
time.sleep(0.3)
put("off, since no word says else")
say("on")
become(True)
put("on again")
telemetry.stop()
`,
  );
  t.equal(stdout, 'False 0\nTrue');
  t.same(labelsOf(rowsOf(dir)), ['on', 'as told', 'on by the signal', 'on again']);
});

t.test('a signal that somebody has is left alone', async (t) => {
  const { stdout } = await record(
    t,
    `
import signal, threading
def theirs(number, frame): print("theirs")
def start(): print(telemetry.start(os.environ["DIR"], runtime=False))
signal.signal(signal.SIGUSR2, theirs)
start()
os.kill(os.getpid(), signal.SIGUSR2)
print(telemetry.is_on(), telemetry.stop(), signal.getsignal(signal.SIGUSR2) is theirs)
signal.signal(signal.SIGUSR2, signal.SIG_DFL)
thread = threading.Thread(target=start)
thread.start()
thread.join()
print(signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL)
`,
  );
  t.same(stdout.split('\n'), ['True', 'theirs', 'True True True', 'True', 'True']);
});

t.test('many threads: all of their rows, once', async (t) => {
  const { dir } = await record(
    t,
    `
import threading
telemetry.start(os.environ["DIR"], flush_bytes=20_000, flush_interval=0.01, ${QUIET})
def work(me):
    for i in range(5000): telemetry.stop_duration(f"thread {me}", telemetry.start_duration())
threads = [threading.Thread(target=work, args=(me,)) for me in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
telemetry.stop()
`,
  );
  const counts: Record<string, number> = {};
  for (const label of labelsOf(rowsOf(dir))) counts[label] = (counts[label] ?? 0) + 1;
  t.same(counts, Object.fromEntries([0, 1, 2, 3, 4, 5].map((me) => [`thread ${me}`, 5000])));
});

t.test('a forked child begins files of its own', async (t) => {
  const { dir, stdout } = await record(
    t,
    `
telemetry.start(os.environ["DIR"], flush_interval=3600, ${QUIET})
for i in range(100): telemetry.stop_duration("before", telemetry.start_duration())
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        for i in range(50): telemetry.stop_duration("child", telemetry.start_duration())
        if number == 2: os._exit(0)
        sys.exit(0)
    children.append(child)
for child in children: os.waitpid(child, 0)
telemetry.stop_duration("after", telemetry.start_duration())
print(os.getpid(), *children[:2])
`,
  );
  const [parent, ...children] = stdout.split(' ').map(Number);
  const files = readStrict(dir);
  const of = (pid: number) => labelsOf(files.filter((file) => file.pid === pid).flatMap(({ rows }) => rows));
  t.same(of(parent!), [...Array.from({ length: 100 }, () => 'before'), 'after']);
  for (const child of children)
    t.same(
      of(child),
      Array.from({ length: 50 }, () => 'child'),
    );
  t.equal(files.length, 3, 'a child that ends without its exit loses what waits');
});

t.test('killed while it writes, whole rows', { timeout: 300_000 }, async (t) => {
  const dir = t.testdir();
  const code = `import mayfly_telemetry as telemetry, os
telemetry.start(os.environ["DIR"], flush_bytes=4000, flush_interval=0.001, runtime_interval=0.001, signal=None)
while True:
    for i in range(300): telemetry.stop_duration("x" * i, telemetry.start_duration())
`;
  let rows = 0;
  for (let attempt = 0; attempt < 15; attempt++) {
    const running = startPython(python, ['-c', code], { env: { DIR: dir } });
    await until('a file', () => readdirSync(dir).some((name) => name.includes(`-${running.child.pid}-`)));
    await sleep(10 + attempt * 13);
    running.child.kill('SIGKILL');
    await running.done;
    rows = rowsOf(dir).length; // throws where one is not whole
  }
  t.ok(rows > 1000, `${rows} rows`);
});

/** A folder for Gunicorn: the example, its configuration with these options of the hooks, and a telemetry folder. */
function gunicornFolder(t: Test, options: string, more = ''): string {
  const place = t.testdir({ telemetry: {} });
  writeFileSync(join(place, 'app.py'), readFileSync(join(SOURCE, 'example', 'app.py')));
  const config = readFileSync(join(SOURCE, 'example', 'gunicorn.conf.py'), 'utf8');
  t.match(config, 'hooks()');
  writeFileSync(join(place, 'gunicorn.conf.py'), config.replace('hooks()', `hooks(${options})`) + more);
  return place;
}

async function startGunicorn(t: Test, place: string) {
  const port = await freePort();
  const args = ['-m', 'gunicorn', `--bind=127.0.0.1:${port}`, '--no-control-socket'];
  const env = { MAYFLY_TELEMETRY: join(place, 'telemetry') };
  const running = startPython(python, args, { env, cwd: place });
  t.teardown(async () => {
    running.child.kill('SIGKILL');
    await running.done;
  });
  await running.said(/(Booting worker[^]*){2}/);
  const site = `http://127.0.0.1:${port}`;
  /** The PID that has answered; null where the connection broke. */
  const ask = (path: string, body?: string): Promise<number | null> =>
    fetch(site + path, body === undefined ? {} : { method: 'POST', body }).then(
      async (answer) => (await answer.text(), Number(answer.headers.get('x-pid'))),
      () => null,
    );
  const stop = async () => {
    running.child.kill('SIGTERM');
    return running.done;
  };
  return { running, ask, stop };
}

t.test('in Gunicorn: forked workers under load, one of them killed', { timeout: 300_000 }, async (t) => {
  const place = gunicornFolder(t, 'flush_interval=0.05');
  const { ask, stop } = await startGunicorn(t, place);
  const answered = new Map<number, number>();
  const pids = () => [...answered.keys()];
  let asking = true;
  const clients = Array.from({ length: 8 }, async (_, client) => {
    while (asking) {
      const pid = await ask('/orders', JSON.stringify([client, client + 8]));
      if (pid === null) await sleep(5);
      else answered.set(pid, (answered.get(pid) ?? 0) + 1);
    }
  });
  const least = (pid: number) => (answered.get(pid) ?? 0) > 50;
  await until('both workers answer', () => pids().filter(least).length === 2);
  const victim = pids()[0]!;
  const rowsOfVictim = () =>
    readdirSync(join(place, 'telemetry')).filter((name) => name.startsWith(`duration-${victim}-`)).length > 0;
  await until('the victim has written', rowsOfVictim);
  process.kill(victim, 'SIGKILL');
  await until('the next worker answers', () => pids().filter(least).length === 3);
  asking = false;
  await Promise.all(clients);
  const { code, stderr } = await stop();
  t.equal(code, 0, stderr);
  t.notMatch(stderr, /mayfly-telemetry|Traceback/);

  const files = readStrict(join(place, 'telemetry')).filter(({ prefix }) => prefix === 'duration');
  t.same([...new Set(files.map(({ pid }) => pid))].sort(), pids().sort(), 'each worker, and not the master');
  const rows = files.flatMap((file) => file.rows);
  const keys = new Set(rows.map(({ timepoint, value, label, pid }) => [timepoint, value, label, pid].join()));
  t.equal(keys.size, rows.length, 'no row is there twice');
  for (const [pid, count] of answered) {
    const orders = rows.filter((row) => row.pid === pid && row.label === '/orders [POST]').length;
    if (pid === victim) t.ok(orders > 0 && orders <= count + 1, `${orders} rows of the ${count} answers of the victim`);
    else t.equal(orders, count, 'each request of a worker that ended well');
    if (pid !== victim)
      t.equal(rows.filter((row) => row.pid === pid && row.label === 'write the order').length, count, 'its parts too');
  }
  const runtime = readStrict(join(place, 'telemetry')).filter(({ prefix }) => prefix === 'runtime');
  t.ok(runtime.flatMap((file) => file.rows).some(({ label }) => label === 'ordered_items_count'));
});

t.test(
  'in Gunicorn: routes by default, by a function, in a master that records too',
  { timeout: 300_000 },
  async (t) => {
    const place = gunicornFolder(t, '');
    const one = await startGunicorn(t, place);
    for (let i = 0; i < 4; i++) await one.ask(`/items/${i}`);
    for (let i = 0; i < 4; i++) await one.ask(`/nobody/knows-${i}`);
    await one.ask('/search?12');
    t.equal((await one.stop()).code, 0);
    const counts = (dir: string) => {
      const found: Record<string, number> = {};
      for (const label of labelsOf(rowsOf(dir)).filter((label) => label.endsWith(']')))
        found[label] = (found[label] ?? 0) + 1;
      return found;
    };
    t.same(counts(join(place, 'telemetry')), { '/items/:id [GET]': 4, '(no route) [GET]': 4, '/search [GET]': 1 });

    const other = gunicornFolder(
      t,
      "route=lambda request, environ: '/items/{item}' if request.path.startswith('/items/') else None",
      'preload_app = True\n',
    );
    const app = readFileSync(join(other, 'app.py'), 'utf8');
    writeFileSync(join(other, 'app.py'), `${app}\ntelemetry.start()\ntelemetry.sample('loads_count', 1)\n`);
    const two = await startGunicorn(t, other);
    await two.ask('/items/1');
    await two.ask('/search?12');
    const ended = await two.stop();
    t.equal(ended.code, 0, ended.stderr);
    t.notMatch(ended.stderr, /mayfly-telemetry|Traceback/);
    t.same(counts(join(other, 'telemetry')), { '/items/{item} [GET]': 1, '(no route) [GET]': 1 });
    t.equal(
      rowsOf(join(other, 'telemetry'), 'runtime').filter(({ label }) => label === 'loads_count').length,
      1,
      'what the master has recorded before the fork is the master’s alone',
    );
  },
);

t.test('the labels of requests are bounded', async (t) => {
  const { dir } = await record(
    t,
    `
from types import SimpleNamespace as Thing
from mayfly_telemetry.gunicorn import hooks
telemetry.start(os.environ["DIR"], ${QUIET})
_, _, pre_request, post_request = hooks()
def ask(method, path, status="200 OK"):
    request = Thing(method=method, path=path)
    pre_request(None, request)
    post_request(None, request, {}, Thing(status=status))
for i in range(120): ask("GET", "/" + "x" * i)
ask("BREW", "/")
ask("GET", "/a1/b/22/c")
ask("POST", "/", "405 Method Not Allowed")
post_request(None, Thing(method="GET", path="/"), {}, None)
telemetry.stop()
`,
  );
  const labels = labelsOf(rowsOf(dir));
  t.equal(labels[99], `/${'x'.repeat(99)} [GET]`);
  t.same(labels.slice(100), [
    ...Array.from({ length: 20 }, () => '(other) [GET]'),
    '/ [(other)]',
    '(other) [GET]',
    '(no route) [POST]',
  ]);
});
