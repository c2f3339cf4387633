/**
 * Telemetry folders of the services of a side in a round: a volume that is memory for each, and beside them the sidecar,
 * which takes out what they write (docs/decisions/0023-telemetry.md). With a broker the records of events lie in them
 * too. A benchmark that names neither has none of it.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../app/context.ts';
import { RECORDS_FOLDER } from '../config/broker.ts';
import type { Config, TelemetryFolder } from '../config/types.ts';
import { InfrastructureError } from '../core/errors.ts';
import type { SideName } from '../documents/run.ts';
import type { ContainerSpec } from '../engine/engine.ts';
import { LABEL, roundProject } from '../engine/names.ts';
import { thisUser } from '../engine/owner.ts';
import type { Plan } from '../plan/plan.ts';
import {
  SIDECAR_VARIABLE,
  type SidecarPlan,
  type SidecarState,
  STATE_FILE,
  WORDS_FILE,
} from '../telemetry/sidecar-state.ts';
import { TRIGGER } from './chains.ts';
import type { ComposeDocument } from './compose-file.ts';
import { type Counted, findCounters } from './counters.ts';
import { writeWhole } from './run-folder.ts';

/** Environment variable in which a service finds its telemetry folder. */
const FOLDER_VARIABLE = 'MAYFLY_TELEMETRY';
/** The sidecar takes what is finished so often: in the window it is as good as idle. */
const EVERY_MS = 1000;
/** Of one service and round so much stays on the host until it is summed up. */
const MOST_BYTES = 2 ** 30;
const MOST_FILES = 10_000;
/** Files that a folder has room for, whatever their size: each takes memory of the kernel. */
const MOST_INODES = 16_384;
export const SIDECAR_MEMORY = 256 * 2 ** 20;
const SCRATCH_BYTES = 2 ** 20;
/** The sidecar has so long to take what is left, and to put a word into the control files. */
const PATIENCE_MS = 30_000;
const LOOK_MS = 20;

/** What the sidecar has taken of one service. */
export interface TakenTelemetry {
  service: string;
  /** Files on this host, absolute. */
  paths: string[];
  /** Null where the sidecar has left no word of it. */
  state: SidecarState['services'][string] | null;
}

/** What the sidecar has taken of a side. */
export interface Taken {
  services: TakenTelemetry[];
  /** Why it may not be all. */
  fault?: string;
}

/** The telemetry of one side in one round. */
export interface SideTelemetry extends AsyncDisposable {
  side: SideName;
  /** Where the files are, until `discard`. */
  dir: string;
  /** CPU counters of the sidecar: of the run, and of no side. */
  counted: Counted | null;
  /** Puts words into the control file of every folder of the side; null takes it away. */
  control(words: string | null): Promise<void>;
  /** Takes what there is, and ends the sidecar. */
  end(): Promise<Taken>;
  /** Removes the files. */
  discard(): Promise<void>;
}

const volumeName = (plan: Plan, side: SideName, round: number, service: string) =>
  `${roundProject(plan, side, round)}-telemetry-${service}`;

/** What is in it is no matter of the disk. Compose puts a _ before the names of a service's own volumes. */
export const isTelemetryVolume = (name: string): boolean =>
  /^mayfly-[0-9a-z]+-(candidate|baseline)(-\d+)?-telemetry-/.test(name);

/** A folder that a service writes into: what the harness needs of it. */
type Folder = Pick<TelemetryFolder, 'service' | 'folder' | 'bytes'>;

/** The folders of a side: those that the benchmark lists, and with a broker one for the records of every other service. */
export function foldersOf({ telemetry, broker }: Pick<Config, 'telemetry' | 'broker'>): Folder[] {
  const listed = new Set(telemetry.map(({ service }) => service));
  const records = broker ? [...broker.services, TRIGGER].filter((service) => !listed.has(service)) : [];
  return [
    // records need room of their own beside what the file gives to telemetry
    ...telemetry.map(({ service, folder, bytes }) => ({ service, folder, bytes: bytes + (broker?.recordsBytes ?? 0) })),
    ...records.map((service) => ({ service, folder: RECORDS_FOLDER, bytes: broker!.recordsBytes })),
  ];
}

/** Where the files of a side and round are on this host. */
const outOf = (plan: Plan, side: SideName, round: number) => join(plan.dir, 'telemetry', `round-${round}`, side);

/** The same document, in which each service that is to write telemetry has its folder, and knows where. Pure. */
export function withTelemetry(document: ComposeDocument, plan: Plan, side: SideName, round: number): ComposeDocument {
  const folders = foldersOf(plan.config);
  if (folders.length === 0) return document;
  const key = (service: string) => `mayfly-telemetry-${service}`;
  const services = { ...document.services };
  for (const { service: name, folder } of folders) {
    const service = services[name];
    services[name] = {
      ...service,
      environment: { ...service.environment, [FOLDER_VARIABLE]: folder },
      // Without a copy of what the image has there, which would be a folder of the image's owner.
      volumes: [
        ...(service.volumes ?? []),
        { type: 'volume', source: key(name), target: folder, volume: { nocopy: true } },
      ],
    };
  }
  const volumes = folders.map(({ service }) => [
    key(service),
    { external: true, name: volumeName(plan, side, round, service) },
  ]);
  return { ...document, services, volumes: { ...document.volumes, ...Object.fromEntries(volumes) } };
}

/**
 * The sidecar's container. It has no label of a side: nothing that is asked of the containers of a side means it. Pure.
 */
export function sidecarSpec(
  plan: Plan,
  side: SideName,
  round: number,
  image: string,
  paths: { root: string },
): ContainerSpec {
  const services = foldersOf(plan.config).map(({ service, bytes }) => ({
    name: service,
    folder: `/telemetry/${service}`,
    bytes,
  }));
  const told: SidecarPlan = {
    services,
    out: '/out',
    everyMs: EVERY_MS,
    mostBytes: Math.max(MOST_BYTES, ...services.map(({ bytes }) => bytes)), // all that fits is taken
    mostFiles: MOST_FILES,
  };
  return {
    name: `${roundProject(plan, side, round)}-telemetry`,
    image,
    entrypoint: ['node'],
    // without a compiler that may keep Node.js from ending (scripts/setup/v8.cjs)
    cmd: ['--disable-warning=ExperimentalWarning', '--no-maglev', '--max-old-space-size=64', '/mayfly/sidecar.ts'],
    env: { [SIDECAR_VARIABLE]: JSON.stringify(told) },
    user: thisUser(), // whose the run's folder is
    labels: { ...plan.labels, [LABEL.service]: 'telemetry', [LABEL.round]: String(round) },
    binds: [
      `${join(paths.root, 'scripts', 'telemetry', 'sidecar.ts')}:/mayfly/sidecar.ts:ro`,
      `${join(paths.root, 'package.json')}:/mayfly/package.json:ro`,
      `${outOf(plan, side, round)}:/out`,
      ...services.map(({ name, folder }) => `${volumeName(plan, side, round, name)}:${folder}:nocopy`),
    ],
    networks: ['none'],
    cpuset: plan.cpusets.metrics,
    cpus: 0.5,
    pidsLimit: 32,
    memoryBytes: SIDECAR_MEMORY,
    scratchBytes: SCRATCH_BYTES,
  };
}

/**
 * Makes the folders of a side, before its services start, and the sidecar, which keeps them there whatever becomes of
 * the services. Null where the benchmark has no such folder.
 */
export async function startTelemetry(
  plan: Plan,
  side: SideName,
  round: number,
  ctx: Context,
): Promise<SideTelemetry | null> {
  const folders = foldersOf(plan.config);
  if (folders.length === 0) return null;
  const labels = { ...plan.labels, 'com.docker.compose.project': roundProject(plan, side, round) };
  for (const { service, bytes } of folders)
    await ctx.engine.createMemoryVolume(volumeName(plan, side, round, service), labels, bytes, MOST_INODES);
  const dir = outOf(plan, side, round);
  await mkdir(dir, { recursive: true });
  const id = await ctx.engine.create(sidecarSpec(plan, side, round, ctx.machine.images.node!.ref, ctx.paths));
  const remove = () => ctx.engine.remove(id);
  try {
    await ctx.engine.start(id);
    const { pid } = await ctx.engine.inspect(id);
    let ended: ReturnType<SideTelemetry['end']> | undefined;
    return {
      side,
      dir,
      counted: await findCounters(id, pid),
      control: (words) => control(id, dir, words, ctx),
      end: () => (ended ??= end(id, dir, plan, ctx)),
      discard: () => rm(dir, { recursive: true, force: true }),
      [Symbol.asyncDispose]: async () => {
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function end(id: string, dir: string, plan: Plan, ctx: Context): ReturnType<SideTelemetry['end']> {
  await ctx.engine.kill(id, 'SIGTERM');
  const fault = await until(id, dir, (state) => state.ended, ctx);
  const state = await readState(dir);
  await ctx.engine.remove(id);
  const services = foldersOf(plan.config).map(async ({ service }) => ({
    service,
    paths: (await readdir(join(dir, service)).catch(() => [] as string[]))
      .sort()
      .map((name) => join(dir, service, name)),
    state: state?.services[service] ?? null,
  }));
  return { services: await Promise.all(services), ...(fault === null ? {} : { fault }) };
}

async function control(id: string, dir: string, words: string | null, ctx: Context): Promise<void> {
  const file = join(dir, WORDS_FILE);
  await (words === null ? rm(file, { force: true }) : writeWhole(file, words));
  await ctx.engine.kill(id, 'SIGHUP');
  const fault = await until(id, dir, (state) => state.control === words || hasFaults(state), ctx);
  const faults = Object.entries((await readState(dir))?.controlFaults ?? {});
  const [first] = faults;
  if (fault === null && !first) return;
  throw new InfrastructureError(
    first
      ? `the control file of ${first[0]} could not be written: ${first[1]}`
      : `the control files of telemetry could not be written: ${fault}`,
    { hint: 'docs/telemetry.md says what may be in a telemetry folder.' },
  );
}

const hasFaults = ({ controlFaults }: SidecarState) => Object.keys(controlFaults).length > 0;

/** Waits for what the sidecar says, so long; gives why it did not, or null. */
async function until(
  id: string,
  dir: string,
  wanted: (state: SidecarState) => boolean,
  ctx: Context,
): Promise<string | null> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let look = 1; ; look++) {
    const state = await readState(dir);
    if (state && wanted(state)) return null;
    if (performance.now() > deadline) return `the telemetry sidecar did not answer in ${PATIENCE_MS / 1000} s`;
    if (look % 10 === 0) {
      const gone = await whyGone(id, ctx);
      if (gone !== null) {
        const last = await readState(dir); // it may have answered and ended meanwhile
        return last && wanted(last) ? null : gone;
      }
    }
    await sleep(LOOK_MS);
  }
}

async function whyGone(id: string, ctx: Context): Promise<string | null> {
  const { running, exitCode, oomKilled } = await ctx.engine.inspect(id);
  if (running) return null;
  const said = (await ctx.engine.logs(id, 3)).stderr.trim().split('\n').at(-1);
  return `the telemetry sidecar ended with exit code ${exitCode}${oomKilled ? ', out of memory' : ''}${said ? `: ${said}` : ''}`;
}

const readState = (dir: string): Promise<SidecarState | null> =>
  readFile(join(dir, STATE_FILE), 'utf8').then(
    (text) => JSON.parse(text) as SidecarState,
    () => null,
  );
