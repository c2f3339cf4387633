/** `npm run bench` on the engine of another host: Mayfly goes there, and the run comes home. */
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../app/context.ts';
import type { Bucket } from '../archive/bucket.ts';
import { inTemporary } from '../archive/maintenance/read.ts';
import { importRun } from '../archive/maintenance/transfer.ts';
import { chainImages } from '../config/broker.ts';
import type { GivenFlags } from '../config/flags.ts';
import { topOf } from '../config/identity.ts';
import { isUrl } from '../config/repository.ts';
import type { Config } from '../config/types.ts';
import { EXIT, InfrastructureError, UsageError } from '../core/errors.ts';
import { inStep } from '../core/step.ts';
import { plural } from '../core/text.ts';
import type { RunDocument } from '../documents/run.ts';
import { connectEngine } from '../engine/engine.ts';
import { type ImageName, PROFILE_NAMES, RUN_IMAGES, SERVICE_NAMES } from '../images/images.ts';
import { setUp } from '../setup/machine.ts';
import { cargo } from './cargo.ts';
import { type Ended, type Filler, makeFiller, makeVolumes, mustRunThere, runThere, sweepThere } from './harness.ts';
import { argumentsThere, placesIn } from './places.ts';
import { openRelay, type Relay } from './relay.ts';

/** Variables that a run there has from here, where they are set. */
const HANDED_ON = ['MAYFLY_REGISTRY'];
/** Exit codes after which its stdout is the document of the run, or of why there was nothing to compare. */
const WITH_DOCUMENT: readonly number[] = [EXIT.pass, EXIT.regression, EXIT.invalid];

/** What is measured, and where what came of it is to be kept. */
export interface Wanted {
  config: Config;
  /** The flags as the user gave them. */
  values: GivenFlags['values'];
  /** Of this host. */
  bucket: Bucket;
}

/** The context of this host: nothing was set up here. Its engine need not answer: only what ships to a trend asks it. */
export type AtHome = Omit<Context, 'machine'>;

/** How it ended: with a run, which is in the store now; with why there was nothing to compare; or with an exit code alone. */
export type Measured = { run: RunDocument; machine: Context['machine'] } | { nothing: string } | { exitCode: number };

/**
 * Measures on the engine of another host, which `named` says in words. Everything there is gone afterwards but the
 * volume with its own store. Throws UsageError for what cannot be done there, and InfrastructureError.
 */
export async function measureThere(
  { config, values, bucket }: Wanted,
  named: string,
  home: AtHome,
  onProgress: (text: string) => void,
): Promise<Measured> {
  refuseWhatStays(values, named);
  refuseAnotherName(config, named);
  const { env, progress, signal, paths } = home;
  await using relay = await openRelay(env, paths.cache);
  const own = { ...env, DOCKER_HOST: `unix://${relay.socket}`, DOCKER_CONTEXT: '' };
  const engine = connectEngine(relay.socket);
  await using _closing = { [Symbol.asyncDispose]: () => engine.close() };
  await inStep(progress, `reach the engine: ${named}`, () =>
    answering(relay, named, () => mustRunThere(engine, named)),
  );
  const left = await sweepThere(engine);
  if (left > 0)
    progress.warn(
      `a bench of this host was killed: removed ${plural(left, 'object')} that it had there; what it has measured comes home`,
    );
  const machine = await setUp({ images: imagesOf(config), progress, signal, env: own });
  const id = home.newRunId();
  const volumes = await makeVolumes(id, paths.data, engine);
  await using _volume = { [Symbol.asyncDispose]: () => engine.removeVolume(volumes.checkout) };
  await using filler = await makeFiller(volumes, engine);
  const places = placesIn(volumes.folders.checkout, {
    root: paths.root,
    dir: config.dir,
    top: topOf(config.dir),
    repositories: Object.values(config.builds).flatMap((one) =>
      one.kind === 'git' && !isUrl(one.repository) ? [one.repository] : [],
    ),
  });
  await load(filler, { places, volumes, composePlugin: machine.compose.path, hashes: hashesIn(values) }, home);
  const handedOn = HANDED_ON.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  const there: There = { engine, volumes, places, env: Object.fromEntries(handedOn), filler };
  const ended = await runThere(['bench', ...argumentsThere(values, places.dir)], there, onProgress, signal);
  const document = WITH_DOCUMENT.includes(ended.exitCode) ? documentOf(ended) : null;
  // What an interrupted run has measured comes home too, and what a command that was killed has left.
  const ids = [
    ...(document?.run_id === undefined ? [] : [document.run_id]),
    ...(document === null || left > 0 ? await othersThere(there, home) : []),
  ];
  if (ids.length > 0 && config.elsewhere) home.store.keepBenchmark(config.benchmark, config.elsewhere);
  for (const one of new Set(ids)) await bringHome(one, there, bucket, { ...home, machine, signal: NEVER });
  signal.throwIfAborted();
  if (document === null) return { exitCode: ended.exitCode };
  const { run_id, reason } = document;
  return run_id === undefined ? { nothing: reason! } : { run: home.store.run(run_id), machine };
}

/** Flags that mean something of this host. */
function refuseWhatStays(values: GivenFlags['values'], named: string): void {
  const why = {
    live: 'the archive in which it would be seen is on this host',
    keep: 'the stack would stay on the other host',
  };
  for (const [flag, text] of Object.entries(why))
    if (values[flag])
      throw new UsageError(`--${flag} cannot be given where ${named}: ${text}`, { hint: `Leave --${flag} out.` });
}

/** There its name may be free, and its runs would come home under the name of another benchmark. */
function refuseAnotherName({ nameNote }: Config, named: string): void {
  if (nameNote !== undefined)
    throw new UsageError(`this benchmark cannot be measured where ${named}: ${nameNote}`, {
      hint: 'Give it a name by the field name in its benchmark.yaml.',
    });
}

/** The docker client's own words, where it cannot reach the engine. */
async function answering<T>(relay: Relay, named: string, work: () => Promise<T>): Promise<T> {
  return work().catch((error: Error) => {
    const said = relay.complaint();
    if (said === '') throw error;
    throw new InfrastructureError(`${named}, which does not answer: ${said}`, {
      hint: 'Does `docker version` reach it? Mayfly goes the way that the docker client goes.',
      cause: error,
    });
  });
}

/** All that this benchmark may need: the harness there builds none. */
const imagesOf = (config: Config): ImageName[] => [
  ...RUN_IMAGES,
  ...SERVICE_NAMES,
  ...chainImages(config),
  ...(config.telemetry.some(({ profile }) => profile === 'perf') ? PROFILE_NAMES : []),
];

/** Commits that are named by their hash: no branch need hold them. */
const hashesIn = (values: GivenFlags['values']): string[] => [...(values.commit ?? []), ...(values.against ?? [])];

/** What was measured comes home after an interrupt, too. */
const NEVER = new AbortController().signal;

type Load = { places: There['places']; volumes: There['volumes']; composePlugin: string; hashes: string[] };

function load(filler: Filler, { places, volumes, composePlugin, hashes }: Load, home: AtHome): Promise<void> {
  const { progress, signal } = home;
  return inStep(progress, 'take Mayfly, the benchmark and its repository there', () =>
    inTemporary(
      'far',
      async (folder) => {
        const stage = await mkdtemp(join(folder, 'stage-'));
        const volume = volumes.folders.checkout;
        for await (const part of cargo(places, { stage, volume, composePlugin, hashes }, home)) {
          signal.throwIfAborted();
          await filler.put(part, signal);
        }
      },
      home,
    ),
  );
}

type There = Parameters<typeof runThere>[1] & { filler: Filler };

/** What bench has printed there; null where it has printed nothing. */
function documentOf({ stdout, exitCode }: Ended): { run_id?: string; reason?: string } | null {
  if (stdout.trim() === '') return null;
  try {
    return JSON.parse(stdout);
  } catch {
    throw new InfrastructureError(`bench ended there with exit code ${exitCode}, and its result cannot be read`, {
      hint: 'Its messages are above. What was measured is kept there: the next bench on that engine brings it home.',
    });
  }
}

/** Runs that have ended there and are not in the store of this host; what waits there is shipped first. */
async function othersThere(there: There, { store }: AtHome): Promise<string[]> {
  const quiet = () => {};
  await runThere(['archive-push'], there, quiet);
  const { exitCode, stdout } = await runThere(['runs', '--json', '--limit=1000'], there, quiet);
  if (exitCode !== EXIT.pass) return [];
  const { runs } = JSON.parse(stdout) as { runs: Pick<RunDocument, 'run_id' | 'status'>[] };
  const known = new Set(store.runs().map(({ run_id }) => run_id));
  return runs.flatMap(({ run_id, status }) => (status === 'running' || known.has(run_id) ? [] : [run_id])).reverse();
}

/** Into the store and the bucket of this host: an export there, an import here. */
function bringHome(runId: string, there: There, bucket: Bucket, ctx: Context): Promise<void> {
  return inStep(ctx.progress, `bring run ${runId} home`, async (step) => {
    const file = `${runId}.tar`;
    let said = '';
    const out = join(there.volumes.folders.checkout, file);
    const { exitCode } = await runThere(['archive', 'export', runId, `--out=${out}`], there, (text) => (said += text));
    if (exitCode !== EXIT.pass)
      throw new InfrastructureError(`run ${runId} could not be exported there:\n${said.trim()}`, {
        hint: 'It is kept there: the next bench on that engine brings it home.',
      });
    const blocks = await inTemporary(
      'home',
      async (folder) => {
        await there.filler.take(file, join(folder, file));
        return (await importRun(join(folder, file), bucket, ctx)).blocks.length;
      },
      ctx,
    );
    step.done(plural(blocks, 'block'));
  });
}
