/** The sidecar as a process of its own, on folders that a hostile service has filled. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import {
  SIDECAR_VARIABLE,
  type SidecarPlan,
  type SidecarState,
  STATE_FILE,
  WORDS_FILE,
} from '../../scripts/telemetry/sidecar-state.ts';

const HEADER = 'Timepoint, Measurement, Label, PID\n';
const row = (n: number) => `17000000000000000${String(n).padStart(2, '0')},0.5,"a",1\n`;

interface Sidecar {
  child: ChildProcess;
  folder: string;
  out: string;
  /** Waits until the state is as wanted. */
  until(wanted: (state: SidecarState) => boolean): Promise<SidecarState>;
  end(): Promise<SidecarState>;
}

/** `through`: the command that starts it. */
function start(t: Test, changes: Partial<SidecarPlan> & { bytes?: number; through?: string[] } = {}): Sidecar {
  const { bytes = 1 << 20, through = [], ...more } = changes;
  const root = t.testdir({ volume: {}, out: {} });
  const [folder, out] = [join(root, 'volume'), join(root, 'out')];
  const plan: SidecarPlan = {
    services: [{ name: 'shop', folder, bytes }],
    out,
    everyMs: 20,
    mostBytes: 10 << 20,
    mostFiles: 100,
    ...more,
  };
  const [program, ...args] = [...through, process.execPath, 'scripts/telemetry/sidecar.ts'];
  const child = spawn(program!, args, {
    env: { ...process.env, [SIDECAR_VARIABLE]: JSON.stringify(plan) },
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  let errors = '';
  let ended = false;
  child.stderr!.on('data', (chunk) => (errors += chunk));
  child.on('exit', () => (ended = true));
  t.teardown(() => child.kill('SIGKILL'));
  const until = async (wanted: (state: SidecarState) => boolean) => {
    for (;;) {
      const state = existsSync(join(out, STATE_FILE)) && JSON.parse(readFileSync(join(out, STATE_FILE), 'utf8'));
      if (state && wanted(state)) return state;
      if (ended) throw new Error(`the sidecar has ended: ${errors}\n${JSON.stringify(state)}`);
      await sleep(10);
    }
  };
  const end = () => {
    child.kill('SIGTERM');
    return until((state) => state.ended);
  };
  return { child, folder, out, until, end };
}

const taken = ({ out }: Sidecar, name: string) => readFileSync(join(out, 'shop', name), 'utf8');
const names = ({ out }: Sidecar) => readdirSync(join(out, 'shop')).sort();

t.test('a finished file is moved while its service goes on; at the end the rest, up to its last line', async (t) => {
  const sidecar = start(t);
  await sidecar.until(() => true);
  const { folder } = sidecar;
  writeFileSync(join(folder, 'duration-7-0-1700-0.csv'), HEADER + row(1));
  writeFileSync(join(folder, 'duration-7-0-1700-1.csv'), HEADER + row(2));
  writeFileSync(join(folder, 'duration-8-0-1700-0.csv'), HEADER + row(3));
  writeFileSync(join(folder, 'profiler-7-0-1700-0.cpuprofile'), '{}');
  writeFileSync(join(folder, 'other.csv'), `${HEADER}${row(4)}170000000`);
  writeFileSync(join(folder, 'profiler-7-0-1700-1.cpuprofile.tmp'), '{');
  const during = await sidecar.until(({ services }) => services.shop!.files === 2);
  t.same(names(sidecar), ['duration-7-0-1700-0.csv', 'profiler-7-0-1700-0.cpuprofile']);
  t.notOk(existsSync(join(folder, 'duration-7-0-1700-0.csv')), 'it is out of the folder, which has room again');
  t.match(during, { ended: false, services: { shop: { bytes: HEADER.length + row(1).length + 2, fullMs: null } } });

  appendFileSync(join(folder, 'duration-7-0-1700-1.csv'), row(5));
  t.match(await sidecar.end(), { services: { shop: { files: 5, stopped: null, refused: [], refusedCount: 0 } } });
  t.equal(taken(sidecar, 'duration-7-0-1700-1.csv'), HEADER + row(2) + row(5));
  t.equal(taken(sidecar, 'other.csv'), HEADER + row(4), 'what has no end yet is no line');
  t.equal(taken(sidecar, 'duration-8-0-1700-0.csv'), HEADER + row(3));
  t.notOk(names(sidecar).some((name) => name.endsWith('.tmp')));
});

t.test('records of events are taken at the end, up to their last line', async (t) => {
  const sidecar = start(t);
  await sidecar.until(() => true);
  const { folder } = sidecar;
  const line = '{"e":"accepted","t":1,"id":"1","source":"/a","tries":1}\n';
  writeFileSync(join(folder, 'events-7-1700.jsonl'), line);
  writeFileSync(join(folder, 'profiler-7-0-1700-0.cpuprofile'), '{}');
  await sidecar.until(({ services }) => services.shop!.files === 1);
  t.same(names(sidecar), ['profiler-7-0-1700-0.cpuprofile'], 'they are written to as long as the service lives');
  appendFileSync(join(folder, 'events-7-1700.jsonl'), `${line}{"e":"acc`);
  writeFileSync(join(folder, '.evil.jsonl'), line);
  t.match(await sidecar.end(), {
    services: { shop: { files: 2, refused: [{ name: '.evil.jsonl', why: /^has a name that is too long or holds/ }] } },
  });
  t.equal(taken(sidecar, 'events-7-1700.jsonl'), line + line);
});

t.test('links, pipes, folders, huge files, names that lead elsewhere: not taken, and told', async (t) => {
  const sidecar = start(t);
  const { folder, out } = sidecar;
  await sidecar.until(() => true);
  writeFileSync(join(out, '..', 'secret'), 'secret\n');
  const finished = (base: string, make: (file: string) => void) => {
    make(join(folder, `duration-${base}-0-1-0.csv`));
    writeFileSync(join(folder, `duration-${base}-0-1-1.csv`), HEADER);
  };
  finished('1', (file) => symlinkSync(join(out, '..', 'secret'), file));
  finished('2', (file) => execFileSync('mkfifo', [file]));
  finished('3', (file) => mkdirSync(file));
  finished('4', (file) => {
    writeFileSync(file, HEADER);
    truncateSync(file, 2 ** 40);
  });
  writeFileSync(join(folder, '..evil.csv'), 'x\n');
  writeFileSync(join(folder, 'a\nb\u001b[2J.csv'), 'x\n');
  writeFileSync(join(folder, `${'x'.repeat(220)}.csv`), 'x\n');
  symlinkSync('..', join(folder, 'up.csv'));
  writeFileSync(join(folder, 'control'), 'on');
  mkdirSync(join(folder, 'below'));
  writeFileSync(join(folder, 'below', 'duration-9-0-1-0.csv'), HEADER);
  const { services } = await sidecar.end();
  t.same(services.shop!.refused.map(({ name, why }) => `${name} ${why}`).sort(), [
    '..evil.csv has a name that is too long or holds other than A-Z a-z 0-9 . _ -',
    'a\nb\u001b[2J.csv has a name that is too long or holds other than A-Z a-z 0-9 . _ -',
    'duration-1-0-1-0.csv is a link',
    'duration-2-0-1-0.csv is no regular file',
    'duration-3-0-1-0.csv is no regular file',
    'duration-4-0-1-0.csv says that it holds 1099511627776 bytes, more than fit in its folder',
    'up.csv is a link',
    `${'x'.repeat(80)} has a name that is too long or holds other than A-Z a-z 0-9 . _ -`,
  ]);
  t.equal(services.shop!.refusedCount, 8, 'each once, however often it was seen');
  t.same(
    names(sidecar),
    [1, 2, 3, 4].map((base) => `duration-${base}-0-1-1.csv`),
    'nothing else is in the folder of the run',
  );
  t.same(readdirSync(out).sort(), [STATE_FILE, 'shop']);
});

t.test('a file that may not be read', async (t) => {
  // Root without capabilities, as in its container: it may read no more than others.
  const sidecar = start(t, process.getuid!() === 0 ? { through: ['setpriv', '--bounding-set=-all'] } : {});
  await sidecar.until(() => true);
  writeFileSync(join(sidecar.folder, 'mine.csv'), HEADER);
  chmodSync(join(sidecar.folder, 'mine.csv'), 0);
  t.match(await sidecar.end(), {
    services: { shop: { refused: [{ name: 'mine.csv', why: 'cannot be read: EACCES' }] } },
  });
});

t.test('a name that was taken already', async (t) => {
  const sidecar = start(t);
  await sidecar.until(() => true);
  const first = join(sidecar.folder, 'duration-7-0-1-0.csv');
  writeFileSync(first, HEADER + row(1));
  writeFileSync(join(sidecar.folder, 'duration-7-0-1-1.csv'), HEADER);
  await sidecar.until(({ services }) => services.shop!.files === 1);
  writeFileSync(`${first}.new`, HEADER + row(2));
  renameSync(`${first}.new`, first);
  const { services } = await sidecar.end();
  t.same(services.shop!.refused, [
    { name: 'duration-7-0-1-0.csv', why: 'was there before, and another one of that name was taken' },
  ]);
  t.equal(taken(sidecar, 'duration-7-0-1-0.csv'), HEADER + row(1));
});

t.test('so many bytes and so many files are kept of a service, and no more', async (t) => {
  for (const [limits, why] of [
    [{ mostBytes: 100 }, 'more than 100 bytes'],
    [{ mostFiles: 2 }, 'more than 2 files'],
  ] as const) {
    const sidecar = start(t, limits);
    await sidecar.until(() => true);
    const began = Date.now();
    for (const base of [1, 2, 3, 4]) writeFileSync(join(sidecar.folder, `duration-${base}-0-1-0.csv`), HEADER);
    const { services } = await sidecar.end();
    t.match(services.shop, { files: 2, bytes: 2 * HEADER.length, stopped: { why } });
    t.ok(services.shop!.stopped!.atMs >= began && services.shop!.stopped!.atMs <= Date.now());
    t.equal(names(sidecar).length, 2);
  }
});

t.test('the words of the harness come into the folder, whatever the service has put there', async (t) => {
  const sidecar = start(t);
  const { folder, out, child, until } = sidecar;
  await until(() => true);
  const file = join(folder, 'control');
  const secret = join(out, '..', 'mine');
  writeFileSync(secret, 'mine');
  const say = async (words: string | null) => {
    if (words === null) rmSync(join(out, WORDS_FILE));
    else writeFileSync(join(out, WORDS_FILE), words);
    child.kill('SIGHUP');
    return until(({ control, controlFaults }) => control === words || Object.keys(controlFaults).length > 0);
  };
  symlinkSync(secret, file);
  await say('on cpu');
  t.equal(readFileSync(secret, 'utf8'), 'mine', 'a link is replaced, not followed');
  t.ok(lstatSync(file).isFile());
  t.equal(readFileSync(file, 'utf8'), 'on cpu');
  t.equal(lstatSync(file).mode & 0o777, 0o644);
  rmSync(file);
  linkSync(secret, file);
  await say('on');
  t.equal(readFileSync(secret, 'utf8'), 'mine');
  await say(null);
  t.notOk(existsSync(file));
  t.same(
    readdirSync(folder).filter((name) => name.startsWith('.control')),
    [],
  );
  rmSync(file, { force: true });
  mkdirSync(join(file, 'x'), { recursive: true });
  t.match(await say('cpu'), { controlFaults: { shop: /^(EISDIR|ENOTEMPTY|EEXIST)$/ } });
  t.same(
    readdirSync(folder).filter((name) => name.startsWith('.control')),
    [],
  );
  await sidecar.end();
});
