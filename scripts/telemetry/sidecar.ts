/**
 * The telemetry sidecar: moves what services write into their telemetry folders to the host, while they write. It runs
 * in a container of its own with Node.js alone, without a network and without a capability. The folders belong to code
 * under test: no link is followed, nothing is opened but regular files, and what is kept has bounds.
 *
 * SIGHUP: the control files become what the harness has written down. SIGTERM: takes what is there, and ends.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, opendir, readFile, rename, statfs, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServiceState, SidecarPlan, SidecarState } from './sidecar-state.ts';

/** Names that are taken. Whatever they are joined to, they lead nowhere else. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.(?:csv|jsonl|cpuprofile|heapprofile)$/;
/** As the libraries name what they rotate: a file with a higher number says that this one is finished. */
const ROTATED = /^(?<base>(?:duration|runtime|profiler)-\d+-\d+-\d+)-(?<n>\d+)\.csv$/;
/** Written line by line, while others are read: what has no newline yet is no line. */
const isText = (name: string) => /\.(?:csv|jsonl)$/.test(name);
/** Entries of a folder that are looked at in one go. */
const MOST_ENTRIES = 10_000;
/** Files that were not taken which are named. */
const MOST_NAMED = 20;
const COPY_BYTES = 1 << 20;
const NEWLINE = 10;

const plan: SidecarPlan = JSON.parse(process.env.MAYFLY_SIDECAR ?? '{}');
const state: SidecarState = { ended: false, control: null, controlFaults: {}, services: {} };
/** Names that were refused, so that each counts once. */
const refused = new Map<string, Set<string>>();
const buffer = Buffer.allocUnsafe(COPY_BYTES);

for (const { name } of plan.services) {
  await mkdir(join(plan.out, name), { recursive: true });
  state.services[name] = { files: 0, bytes: 0, fullMs: null, stopped: null, refused: [], refusedCount: 0 };
  refused.set(name, new Set());
}

/** One thing at a time. */
let work: Promise<void> = writeState();
const inTurn = (next: () => Promise<void>) => {
  work = work.then(next).catch((error: Error) => {
    console.error(error.message);
    process.exit(1);
  });
};
let isLooking = false;
const looking = setInterval(() => {
  if (isLooking) return;
  isLooking = true;
  inTurn(() => look(false).finally(() => (isLooking = false)));
}, plan.everyMs);
process.on('SIGHUP', () => inTurn(control));
process.on('SIGTERM', () =>
  inTurn(async () => {
    clearInterval(looking);
    await look(true);
    state.ended = true;
    await writeState();
    process.exit(0);
  }),
);

/** Takes what is finished; at the end all that is there. */
async function look(isEnd: boolean): Promise<void> {
  const before = JSON.stringify(state);
  for (const service of plan.services) {
    await watchSpace(service);
    const names = await namesIn(service);
    const finished = isEnd ? names : finishedOf(names);
    for (const name of finished) await take(service, name, !isEnd);
  }
  if (JSON.stringify(state) !== before) await writeState();
}

type Service = SidecarPlan['services'][number];
const stateOf = ({ name }: Service): ServiceState => state.services[name]!;

/** Notes when a folder has no room left, for bytes or for files. */
async function watchSpace(service: Service): Promise<void> {
  const own = stateOf(service);
  if (own.fullMs !== null) return;
  const { bavail, ffree, files } = await statfs(service.folder);
  if (bavail === 0 || (files > 0 && ffree === 0)) own.fullMs = Date.now();
}

/** Names of the folder itself that may be taken, in their order. */
async function namesIn(service: Service): Promise<string[]> {
  const names: string[] = [];
  let entries = 0;
  for await (const { name } of await opendir(service.folder)) {
    if (++entries > MOST_ENTRIES) {
      refuse(service, '(more)', `there are more than ${MOST_ENTRIES} entries in the folder`);
      break;
    }
    if (NAME.test(name)) names.push(name);
    else if (isText(name)) refuse(service, name, 'has a name that is too long or holds other than A-Z a-z 0-9 . _ -');
  }
  return names.sort();
}

/** Files that nobody writes any more: rotated ones (records of events never are), and profiles, which get their names when they are whole. */
function finishedOf(names: readonly string[]): string[] {
  const last = new Map<string, number>();
  const rotated = names.flatMap((name) => {
    const { base, n } = ROTATED.exec(name)?.groups ?? {};
    if (base === undefined) return [];
    last.set(base, Math.max(last.get(base) ?? 0, Number(n)));
    return [{ name, base, n: Number(n) }];
  });
  return [
    ...rotated.filter(({ base, n }) => n < last.get(base)!).map(({ name }) => name),
    ...names.filter((name) => !isText(name)),
  ];
}

/** Copies one file; `andRemove` takes it away from its service. */
async function take(service: Service, name: string, andRemove: boolean): Promise<void> {
  const own = stateOf(service);
  if (own.stopped || refused.get(service.name)!.has(name)) return;
  const from = await openRegular(service, name);
  if (from === null) return;
  try {
    const { size } = await from.stat();
    if (size > service.bytes)
      return refuse(service, name, `says that it holds ${size} bytes, more than fit in its folder`);
    if (own.bytes + size > plan.mostBytes) return stop(own, `more than ${plan.mostBytes} bytes`);
    if (own.files >= plan.mostFiles) return stop(own, `more than ${plan.mostFiles} files`);
    const kept = await keep(service, name, from, size);
    if (kept === null) return;
    own.files++;
    own.bytes += kept;
  } finally {
    await from.close();
  }
  if (!andRemove) return;
  await watchSpace(service); // what is freed now would hide that there was none
  await unlink(join(service.folder, name)).catch((error) =>
    refuse(service, name, `cannot be removed: ${codeOf(error)}`),
  );
}

/** Null, and refused, for what is no regular file or may not be read. */
async function openRegular(service: Service, name: string): Promise<FileHandle | null> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const opened = await open(join(service.folder, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(codeOf);
  if (typeof opened === 'string') {
    if (opened !== 'ENOENT') refuse(service, name, opened === 'ELOOP' ? 'is a link' : `cannot be read: ${opened}`);
    return null;
  }
  if ((await opened.stat()).isFile()) return opened;
  await opened.close();
  refuse(service, name, 'is no regular file');
  return null;
}

/** Bytes that were kept: of text up to its last line. Null, and refused, where one of that name was kept before. */
async function keep(service: Service, name: string, from: FileHandle, size: number): Promise<number | null> {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const path = join(plan.out, service.name, name);
  const to = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644).catch(codeOf);
  if (typeof to === 'string') {
    if (to === 'EEXIST') refuse(service, name, 'was there before, and another one of that name was taken');
    else stop(stateOf(service), `the host does not take it: ${to}`);
    return null;
  }
  let copied = 0;
  let lines = 0;
  try {
    while (copied < size) {
      const { bytesRead } = await from.read(buffer, 0, Math.min(COPY_BYTES, size - copied), copied);
      if (bytesRead === 0) break;
      const piece = buffer.subarray(0, bytesRead);
      await to.writeFile(piece);
      const newline = piece.lastIndexOf(NEWLINE);
      if (newline >= 0) lines = copied + newline + 1;
      copied += bytesRead;
    }
    if (!isText(name)) return copied;
    await to.truncate(lines);
    return lines;
  } catch (error) {
    await to.truncate(lines).catch(() => {});
    stop(stateOf(service), `the host does not take it: ${codeOf(error)}`);
    return lines;
  } finally {
    await to.close();
  }
}

function stop(own: ServiceState, why: string): void {
  own.stopped ??= { atMs: Date.now(), why };
}

function refuse(service: Service, name: string, why: string): void {
  const known = refused.get(service.name)!;
  if (known.has(name) || known.size >= MOST_ENTRIES) return;
  known.add(name);
  const own = stateOf(service);
  own.refusedCount++;
  if (own.refused.length < MOST_NAMED) own.refused.push({ name: name.slice(0, 80), why });
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? (error as Error).message;

/**
 * Puts the words of the harness into each folder, or takes the file away where there are none. By another name first:
 * what the service may have put in its place is replaced, never written through.
 */
async function control(): Promise<void> {
  const words = await readFile(join(plan.out, '.control'), 'utf8').catch(() => null);
  state.controlFaults = {};
  for (const service of plan.services) {
    const file = join(service.folder, 'control');
    await (words === null ? removed(file) : replaced(service.folder, file, words)).catch((error) => {
      state.controlFaults[service.name] = codeOf(error);
    });
  }
  state.control = words;
  await writeState();
}

const removed = (file: string) =>
  unlink(file).catch((error) => (error.code === 'ENOENT' ? undefined : Promise.reject(error)));

async function replaced(folder: string, file: string, words: string): Promise<void> {
  const temporary = join(folder, `.control-${crypto.randomUUID()}`);
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const handle = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
  try {
    await handle.chmod(0o644);
    await handle.writeFile(words);
  } finally {
    await handle.close();
  }
  await rename(temporary, file).catch(async (error) => {
    await unlink(temporary).catch(() => {});
    throw error;
  });
}

/** Whoever reads it sees the old one or the new one. */
async function writeState(): Promise<void> {
  const temporary = join(plan.out, '.state.json.tmp');
  await writeFile(temporary, JSON.stringify(state));
  await rename(temporary, join(plan.out, '.state.json'));
}
