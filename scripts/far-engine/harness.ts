/**
 * Mayfly's own containers on the engine of another host. The harness runs there, with that engine's socket: folders,
 * ports, processes and counters are those of its own host for it (docs/decisions/0029-engine-elsewhere.md).
 */
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { InfrastructureError } from '../core/errors.ts';
import { type Engine, LOG_LIMIT } from '../engine/engine.ts';
import { LABEL } from '../engine/names.ts';
import { isAlive, processLabels } from '../engine/owner.ts';
import { IMAGES } from '../images/images.ts';
import type { Places } from './places.ts';

/** Of the engine's host, and of the harness there. */
const SOCKET = '/var/run/docker.sock';
const CONTROL_GROUPS = '/sys/fs/cgroup';
/** Where the volume of a command is in the container that nothing runs in: files come in and go out by it. */
const IN_FILLER = '/there';
/** An interrupted run takes its stack down, and keeps what was measured. */
const END_S = 300;

/** What a command has on the engine's host. `data` stays for the next one. */
export interface Volumes {
  checkout: string;
  data: string;
  /** Folders of that host that they are. */
  folders: { checkout: string; data: string };
}

/** Name of the volume that keeps what was measured there: one for each data folder of each host. */
const dataVolume = (data: string) =>
  `mayfly-far-${createHash('sha256').update(`${hostname()}\n${data}`).digest('hex').slice(0, 12)}`;

const labels = (role: string) => ({ [LABEL.far]: role, ...processLabels() });

export async function makeVolumes(id: string, data: string, engine: Engine): Promise<Volumes> {
  const names = { checkout: `mayfly-far-${id.toLowerCase()}`, data: dataVolume(data) };
  await engine.createVolume(names.checkout, labels('checkout'));
  await engine.createVolume(names.data, { [LABEL.far]: 'data', [LABEL.folder]: data });
  const [checkout, kept] = await Promise.all([engine.volumeFolder(names.checkout), engine.volumeFolder(names.data)]);
  return { ...names, folders: { checkout, data: kept } };
}

/** A container that is never started: it has the volume, and the engine copies files into it and out of it. */
export interface Filler extends AsyncDisposable {
  put(archive: Readable, signal: AbortSignal): Promise<void>;
  /** A file of the volume, by its path in it, to a path of this host. */
  take(path: string, to: string): Promise<void>;
}

export async function makeFiller({ checkout }: Pick<Volumes, 'checkout'>, engine: Engine): Promise<Filler> {
  const id = await engine.create({
    name: `${checkout}-filler`,
    image: IMAGES.service.ref,
    cmd: ['true'],
    labels: labels('filler'),
    binds: [`${checkout}:${IN_FILLER}`],
    networks: ['none'],
  });
  return {
    put: (archive, signal) => engine.putArchive(id, IN_FILLER, archive, signal),
    take: (path, to) => engine.copyFile(id, join(IN_FILLER, path), to, Number.MAX_SAFE_INTEGER),
    [Symbol.asyncDispose]: () => engine.remove(id),
  };
}

export interface Ended {
  exitCode: number;
  stdout: string;
}

interface Surroundings {
  engine: Engine;
  volumes: Volumes;
  places: Places;
  /** Variables of this host that it is to have, too. */
  env: Record<string, string>;
}

let count = 0;

/**
 * Runs a command of Mayfly there to its end: `entry` of run.sh. What it writes to stderr goes to `onProgress`. The signal
 * interrupts it as Ctrl-C would; then it resolves all the same, once everything there is taken down.
 */
export async function runThere(
  [entry, ...args]: [string, ...string[]],
  { engine, volumes, places, env }: Surroundings,
  onProgress: (text: string) => void,
  signal?: AbortSignal,
): Promise<Ended> {
  const { checkout, data, folders } = volumes;
  const id = await engine.createFrom(`${checkout}-${entry.replaceAll('/', '-')}-${++count}`, {
    Image: IMAGES.service.ref,
    Cmd: ['sh', join(places.root, 'scripts', 'run.sh'), entry, ...args],
    WorkingDir: places.root,
    Env: Object.entries({
      ...env,
      MAYFLY_DATA: folders.data,
      MAYFLY_IN_CONTAINER: '1',
      DOCKER_HOST: `unix://${SOCKET}`,
      HOME: places.home,
      TMPDIR: places.temporary,
    }).map(([name, value]) => `${name}=${value}`),
    Labels: labels('harness'),
    HostConfig: {
      // By volume, so that nobody prunes one in use; at its path on the host, which is what the engine is told of.
      Binds: [`${checkout}:${folders.checkout}`, `${data}:${folders.data}`],
      Mounts: [
        { Type: 'bind', Source: SOCKET, Target: SOCKET },
        // A container sees its own control group alone, also in the namespace of the host: CPU counters are by them.
        { Type: 'bind', Source: CONTROL_GROUPS, Target: CONTROL_GROUPS, ReadOnly: true },
        ...places.mounts.map(({ source, target }) => ({ Type: 'bind', Source: source, Target: target })),
      ],
      // Who has the engine's socket is root on its host anyway. The threads of the load generator get a priority.
      CapAdd: ['SYS_NICE'],
      NetworkMode: 'host',
      PidMode: 'host',
      CgroupnsMode: 'host',
      LogConfig: { Type: 'json-file', Config: LOG_LIMIT },
    },
  });
  const never = new AbortController().signal;
  let stdout = '';
  const ends = () => within(engine.wait(id), `${entry} on the other host`);
  const interrupt = () => void engine.kill(id, 'SIGTERM').catch(() => {});
  try {
    await engine.start(id);
    const heard = Promise.all([
      engine.follow(id, 'stdout', (text) => (stdout += text), never),
      engine.follow(id, 'stderr', onProgress, never),
    ]);
    heard.catch(() => {}); // awaited below
    if (signal?.aborted) interrupt();
    signal?.addEventListener('abort', interrupt);
    const exitCode = await Promise.race([engine.wait(id), aborted(signal).then(ends)]);
    await heard;
    return { exitCode, stdout };
  } catch (error) {
    // The connection is lost, perhaps: it takes down what it has, as far as it can be told to.
    await engine
      .kill(id, 'SIGTERM')
      .then(ends)
      .catch(() => {});
    throw error;
  } finally {
    signal?.removeEventListener('abort', interrupt);
    await engine.remove(id);
  }
}

const aborted = (signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) resolve();
    signal?.addEventListener('abort', () => resolve(), { once: true });
  });

/** What was told to end has so long. */
async function within<T>(work: Promise<T>, what: string): Promise<T> {
  const stop = new AbortController();
  const late = sleep(END_S * 1000, undefined, { signal: stop.signal, ref: false }).then(() => {
    throw new InfrastructureError(`${what} did not end in ${END_S} s after it was told to`, {
      hint: 'The next bench on that engine ends what is left of it, and brings home what was measured.',
    });
  });
  return Promise.race([work, late]).finally(() => stop.abort());
}

/** Throws InfrastructureError where the harness of this host cannot run on that one. */
export async function mustRunThere(engine: Engine, named: string): Promise<void> {
  const { architecture, os } = await engine.facts();
  const own = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch;
  if (process.platform === 'linux' && architecture === own) return;
  throw new InfrastructureError(
    `${named}: its host is ${architecture} (${os}), and this Mayfly is for ${own} on ${process.platform}`,
    { hint: 'Mayfly takes its own programs along, for Linux on the same processor. Run it on that host instead.' },
  );
}

/**
 * Ends and removes what commands of this host that were killed have left there; their runs take their own stacks down.
 * Returns how many containers and volumes those were.
 */
export async function sweepThere(engine: Engine): Promise<number> {
  const isDead = (one: { labels: Record<string, string> }) =>
    one.labels[LABEL.hostname] === hostname() &&
    !isAlive(Number(one.labels[LABEL.pid]), one.labels[LABEL.pidStart] ?? '');
  const containers = (await engine.containers(LABEL.far)).filter(isDead);
  for (const { id, state } of containers) {
    if (state === 'running') await engine.kill(id, 'SIGTERM');
    if (state === 'running')
      await within(engine.wait(id), `container ${id.slice(0, 12)} on the other host`).catch(() => {});
    await engine.remove(id);
  }
  const volumes = (await engine.volumes(LABEL.far)).filter(isDead);
  for (const { name } of volumes) await engine.removeVolume(name);
  return containers.length + volumes.length;
}
