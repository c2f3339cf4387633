/**
 * Why it is slower: one more round after the last one that counts, in which the services are profiled under the same
 * load. It is no round of the verdict. Whatever fails in it is said, and the run is what it was.
 */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../app/context.ts';
import { DISTURBANCE_METRICS, EVENT_METRICS } from '../config/metric-defaults.ts';
import { firstLine } from '../core/errors.ts';
import { inStep } from '../core/step.ts';
import { plainText, plural } from '../core/text.ts';
import type { ProfileDocument } from '../documents/run.ts';
import { sideNetwork } from '../engine/names.ts';
import type { Plan } from '../plan/plan.ts';
import { requestsFile } from '../requests/view.ts';
import { fileEnding, profileFromOutside } from '../stack/outside-profile.ts';
import type { SideContainer, Sides, Stack } from '../stack/run-stack.ts';
import type { SideTelemetry } from '../stack/telemetry.ts';
import { PROFILES_FOLDER, type ProfileFile, profileName, readProfiles } from '../telemetry/run-profiles.ts';
import { collect } from './collect/collect.ts';
import { until } from './load/watch.ts';
import { prepareRound, SETTLE_MS } from './rounds.ts';

/** Word of the control file with which the library of a service profiles it. */
const CPU = 'cpu';
/** After the window so long is waited for the first profile of a service, and so long for more of it. */
const FIRST_MS = 20_000;
const NEXT_MS = 2500;
const LOOK_MS = 100;
/** Profiles of one service and side that are kept: of processes, threads, replicas. */
const MOST_FILES = 64;

/** Profiles the services, where the benchmark asks for it, and keeps what came of it. Throws where the run is to end. */
export async function profileRound(stack: Stack, ctx: Context): Promise<void> {
  const { plan } = stack.built;
  if (plan.config.telemetry.every(({ profile }) => profile === undefined)) return;
  const run = ctx.store.run(plan.runId);
  const notes: string[] = [];
  const files: ProfileFile[] = [];
  // what is too much for the host at once is profiled one side after the other, as it was measured
  const rounds = run.pairing === 'alternating' ? plan.sides.map((side) => [side]) : [plan.sides];
  const first = Math.max(0, ...run.rounds.map(({ round }) => round)) + 1;
  try {
    for (const [i, sides] of rounds.entries()) {
      const found = await measure(first + i, { ...plan, sides }, stack, ctx);
      files.push(...found.files);
      notes.push(...found.notes);
    }
    if (files.length > 0) {
      const found = await readProfiles(files);
      ctx.store.saveProfiles(plan.runId, found);
      notes.push(...faultNotes(found.profiles));
    }
  } catch (error) {
    stack.signal.throwIfAborted();
    notes.push(`there is no profile: ${firstLine(error)}`);
  }
  for (const note of notes) ctx.progress.warn(note);
  if (notes.length > 0) ctx.store.amendRun(plan.runId, { notes: [...(run.notes ?? []), ...notes] });
}

interface Found {
  files: ProfileFile[];
  notes: string[];
}

/** One round, both sides or one: what it has left, moved into the folder of the run's profiles. */
function measure(round: number, plan: Plan, stack: Stack, ctx: Context): Promise<Found> {
  const title = `profile round${plan.sides.length === 1 && stack.built.plan.sides.length > 1 ? ` of ${plan.sides[0]!.name}` : ''}, which does not count`;
  return inStep(ctx.progress, title, async (step) => {
    // telemetry is for the profile alone here: nothing of it is a value; nor of traces or events, though both go on
    const metrics = plan.config.metrics.filter(
      ({ name, telemetry, trace }) =>
        telemetry === undefined &&
        trace === undefined &&
        ![...EVENT_METRICS, ...DISTURBANCE_METRICS].some((other) => other.name === name),
    );
    // a profile is of the service as it is
    const config = { ...plan.config, metrics, disturbances: [] };
    await using prepared = prepareRound(round, { ...plan, config }, stack, ctx);
    const [sides, generator] = await prepared.ready;
    const profilers = startable(sides, ctx);
    const notes: string[] = [];
    const tell = (error: unknown) => void notes.push(`profile round: ${firstLine(error)}`);
    let outside: Promise<ProfileFile[]> = Promise.resolve([]);
    let ended: Promise<void> = Promise.resolve();
    const load = await generator.drive(sides, step, {
      warmUp: () => {},
      window: async () => {
        outside = profilers.outside(tell);
        await profilers.control(CPU).catch(tell);
      },
      measuring: () => {},
      measured: () => {
        ended = profilers.control(null).catch(tell);
      },
    });
    await ended;
    const files = [...(await taken(sides, stack)), ...(await outside)];
    await until(load.endSteadyMs + SETTLE_MS, stack.signal);
    const untraced = { ...sides.plan, config: { ...sides.plan.config, traces: null } };
    const rounds = await collect(load, { ...sides, plan: untraced, telemetry: [] }, stack, ctx);
    await rm(requestsFile(plan.dir, round), { force: true }); // they are of no round that counts
    const reasons = rounds.flatMap(({ document: { side, reasons } }) =>
      reasons.map(({ message }) => `${side}: ${message}`),
    );
    if (reasons.length > 0)
      notes.push(`the profile round is INVALID, so its profiles may be of another load: ${reasons.join('; ')}`);
    step.done(reasons.length > 0 ? 'INVALID' : undefined);
    const moved = await kept(files, plan, notes);
    for (const one of sides.telemetry) await one.discard();
    return { files: moved, notes: [...notes, ...missing(files, sides)] };
  });
}

/** What starts and ends the profilers of a round. */
function startable(sides: Sides, ctx: Context) {
  const { plan, round } = sides;
  const cpu = plan.config.telemetry.some(({ profile }) => profile === 'cpu');
  return {
    control: async (words: string | null) => {
      if (cpu) await Promise.all(sides.telemetry.map((one) => one.control(words)));
    },
    /** Profiles from outside, for as long as the window is. A failure is told, and there is none of that container. */
    outside: async (tell: (error: unknown) => void): Promise<ProfileFile[]> => {
      const all = plan.config.telemetry.flatMap(({ service, profile }) =>
        profile === undefined || profile === 'cpu'
          ? []
          : sides.containers.filter((one) => one.service === service).map((container) => ({ profile, container })),
      );
      const files = await Promise.all(
        all.map(async ({ profile, container }) => {
          const { side, service } = container;
          const instance = instanceOf(container);
          const path = join(plan.dir, 'profiling', `${side}-${instance}${fileEnding(profile)}`);
          const kind = profile === 'perf' ? 'perf' : 'pprof';
          return profileFromOutside(
            {
              profiler: profile,
              container,
              network: sideNetwork(plan, side, round),
              seconds: plan.config.load.durationS,
              file: path,
              owner: plan.runId,
            },
            ctx,
          ).then(
            (): ProfileFile[] => [{ side, service, instance, kind, path, file: '' }],
            (error) => (tell(error), []),
          );
        }),
      );
      return files.flat();
    },
  };
}

const instanceOf = ({ service, replica }: SideContainer) => `${service}-${replica}`;

/** Profiles that the libraries of the services have written, once they have. */
async function taken({ plan, telemetry }: Sides, stack: Stack): Promise<ProfileFile[]> {
  const wanted = plan.config.telemetry.filter(({ profile }) => profile === 'cpu').map(({ service }) => service);
  if (wanted.length === 0) return [];
  await Promise.all(telemetry.flatMap((one) => wanted.map((service) => written(one, service, stack.signal))));
  const found = await Promise.all(
    telemetry.map(async (one) => {
      const { services } = await one.end();
      return services.flatMap(({ service, paths }) =>
        wanted.includes(service)
          ? paths
              .filter((path) => path.endsWith('.cpuprofile'))
              .map(
                (path): ProfileFile => ({
                  side: one.side,
                  service,
                  instance: processOf(path),
                  kind: 'cpu',
                  path,
                  file: '',
                }),
              )
          : [],
      );
    }),
  );
  return found.flat();
}

/** `12-0`: process and thread, of `profiler-12-0-1700000000000-0.cpuprofile`. */
const processOf = (path: string): string =>
  /^profiler-(\d+-\d+)-/.exec(basename(path))?.[1] ?? basename(path, extname(path));

/** Waits for the profiles of a service: how many processes there are, only they know. */
async function written({ dir }: SideTelemetry, service: string, signal: AbortSignal): Promise<void> {
  let [count, deadline] = [0, performance.now() + FIRST_MS];
  while (performance.now() < deadline) {
    const names = await readdir(join(dir, service)).catch(() => [] as string[]);
    const now = names.filter((name) => name.endsWith('.cpuprofile')).length;
    if (now > count) [count, deadline] = [now, performance.now() + NEXT_MS];
    await sleep(LOOK_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** Moves them to where the snapshot takes them from, under names of ours; the others go with the round. */
async function kept(files: readonly ProfileFile[], plan: Plan, notes: string[]): Promise<ProfileFile[]> {
  const folder = join(plan.dir, PROFILES_FOLDER);
  await mkdir(folder, { recursive: true });
  const moved: ProfileFile[] = [];
  for (const own of Map.groupBy(files, ({ side, service }) => `${side} ${service}`).values()) {
    const more = own.length - MOST_FILES;
    if (more > 0)
      notes.push(
        `profile round: ${plural(more, 'profile')} of ${own[0]!.service} of ${own[0]!.side} left out, beyond ${MOST_FILES}`,
      );
    for (const [i, one] of own.slice(0, MOST_FILES).entries()) {
      const file = profileName(one.side, one.service, i + 1, extname(one.path));
      await rename(one.path, join(folder, file));
      moved.push({ ...one, file, path: join(folder, file) });
    }
  }
  return moved;
}

/** Services that were to write a profile of themselves and have not. */
function missing(files: readonly ProfileFile[], { plan }: Sides): string[] {
  return plan.sides.flatMap(({ name }) =>
    plan.config.telemetry
      .filter(
        ({ profile, service }) =>
          profile === 'cpu' && !files.some((one) => one.side === name && one.service === service),
      )
      .map(
        ({ service }) =>
          `profile round: ${service} of ${name} has written no profile; does it start the telemetry library? docs/telemetry.md says how`,
      ),
  );
}

const faultNotes = (profiles: readonly ProfileDocument[]): string[] =>
  profiles.flatMap(({ side, service, file, fault }) =>
    fault === undefined
      ? []
      : [`a profile of ${service} of ${side} is kept as it is, and not shown: ${file} ${plainText(fault)}`],
  );
