/**
 * From nothing to a machine that can measure: Docker engine, Compose, images. (Node packages come before: run.sh.)
 * Looks first, with two calls to the engine; does only what is missing; can be run again after any failure.
 */

import { hostLock } from '../core/lock.ts';
import type { Progress } from '../core/progress.ts';
import { connectEngine } from '../engine/engine.ts';
import type { EngineFacts, PresentImage } from '../engine/engine-images.ts';
import { engineSocket } from '../engine/socket.ts';
import { BUILT_LABEL, BUILT_VALUE, IMAGES, type ImageName, isCurrent, withNeeds } from '../images/images.ts';
import { obtain } from '../images/obtain.ts';
import { obtainOptional } from '../images/optional.ts';
import { type ComposeFound, inspectCompose, installCompose } from './install-compose.ts';
import { dockerPrograms, type EngineFault, inspectEngine, isFault, repairEngine } from './install-engine.ts';

export type { ImageName };

export interface ImageFound {
  ref: string;
  id: string;
  /** 'built': here, from packages, now or before. 'pulled': by this set-up. 'present': was there. */
  source: 'present' | 'pulled' | 'built';
}

export interface SetupResult {
  engine: EngineFacts;
  compose: ComposeFound;
  /** The wanted images, by name, and the optional ones that are there. */
  images: Record<string, ImageFound>;
  /** The optional images that are not there, by name, with the reason. */
  absent: Record<string, string>;
}

/** What is there; a part that is missing is undefined, an engine that does not answer is a fault. */
export interface Found {
  socket: string;
  engine: EngineFacts | EngineFault;
  /** The docker client is on the PATH. */
  client: boolean;
  compose: ComposeFound | undefined;
  images: Partial<Record<ImageName, ImageFound>>;
  /** Images that were built here by another recipe than today's: they count as missing. */
  outdated: ImageName[];
}

export interface Want {
  images: ImageName[];
  /** Images that the command does without where they cannot be pulled. */
  optional?: ImageName[];
  progress: Progress;
  signal?: AbortSignal;
  env?: NodeJS.ProcessEnv;
}

/**
 * Makes sure that everything wanted is there. Throws InfrastructureError with what the user has to do, or with the last
 * lines of what failed.
 */
export async function setUp(want: Want): Promise<SetupResult> {
  const env = want.env ?? process.env;
  const wanted = [...want.images, ...(want.optional ?? [])];
  const found = await inspect(wanted, env);
  const result = complete(found, want.images) ?? (await repair(want, env));
  const missing = wanted.filter((name) => !result.images[name]);
  return missing.length === 0 ? result : addOptional(result, missing, { ...want, env, socket: found.socket });
}

/** Looks and changes nothing. */
export async function inspect(images: ImageName[], env: NodeJS.ProcessEnv): Promise<Found> {
  const socket = engineSocket(env);
  const [engine, present, compose] = await Promise.all([
    inspectEngine(socket),
    presentImages(socket),
    inspectCompose(env),
  ]);
  const usable = images.filter((name) => isUsable(name, present));
  return {
    socket,
    engine,
    client: dockerPrograms(env).client,
    compose,
    images: Object.fromEntries(
      usable.map((name) => [name, imageFound(IMAGES[name].ref, present.get(IMAGES[name].ref)!)]),
    ),
    outdated: images.filter((name) => present.has(IMAGES[name].ref) && !usable.includes(name)),
  };
}

function isUsable(name: ImageName, present: Map<string, PresentImage>): boolean {
  const image = present.get(IMAGES[name].ref);
  return image !== undefined && isCurrent(IMAGES[name], image.labels);
}

function imageFound(ref: string, { id, labels }: PresentImage): ImageFound {
  return { ref, id, source: labels[BUILT_LABEL] === BUILT_VALUE ? 'built' : 'present' };
}

function complete(found: Found, wanted: ImageName[]): SetupResult | undefined {
  if (isFault(found.engine) || !found.client || !found.compose || wanted.some((name) => !found.images[name]))
    return undefined;
  return {
    engine: found.engine,
    compose: found.compose,
    images: found.images as Record<string, ImageFound>,
    absent: {},
  };
}

async function addOptional(
  result: SetupResult,
  missing: ImageName[],
  how: { socket: string; env: NodeJS.ProcessEnv; progress: Progress; signal?: AbortSignal },
): Promise<SetupResult> {
  const api = connectEngine(how.socket);
  try {
    const absent: Record<string, string> = {};
    for (const name of missing) {
      const reason = await obtainOptional(IMAGES[name].ref, { ...how, api });
      if (reason !== undefined) absent[name] = reason;
    }
    const present = await api.images();
    const pulled = missing.filter((name) => absent[name] === undefined);
    const images = Object.fromEntries(
      pulled.map((name) => [
        name,
        { ...imageFound(IMAGES[name].ref, present.get(IMAGES[name].ref)!), source: 'pulled' as const },
      ]),
    );
    return { ...result, images: { ...result.images, ...images }, absent };
  } finally {
    await api.close();
  }
}

async function repair(want: Want, env: NodeJS.ProcessEnv): Promise<SetupResult> {
  const { progress, signal } = want;
  using _lock = await hostLock({
    signal,
    onWait: () => progress.info('another set-up on this machine is at work; waiting for it'),
  });
  const wanted = [...want.images, ...(want.optional ?? [])];
  const found = await inspect(wanted, env);
  if (isFault(found.engine) || !found.client)
    await repairEngine(isFault(found.engine) ? found.engine : undefined, {
      socket: found.socket,
      env,
      progress,
      signal,
    });
  if (!found.compose) await installCompose({ env, progress, signal });
  const pulled = await obtainImages(want, found.socket, env);
  const result = complete(await inspect(wanted, env), want.images);
  if (!result) throw new Error('the set-up ended without an error, but something is still missing; see npm run doctor');
  for (const name of pulled) if (result.images[name]) result.images[name].source = 'pulled';
  return result;
}

/** Gets every image that is missing, each after what it is built from. Returns the names of those that were pulled. */
async function obtainImages(want: Want, socket: string, env: NodeJS.ProcessEnv): Promise<ImageName[]> {
  const api = connectEngine(socket);
  try {
    const pulled: ImageName[] = [];
    const { architecture } = await api.facts();
    for (const name of await missingImages(want.images, api)) {
      // The docker client must build on the engine that was looked at, whatever its context says.
      const how = await obtain(IMAGES[name], {
        api,
        env: { ...env, DOCKER_HOST: `unix://${socket}` },
        architecture,
        progress: want.progress,
        signal: want.signal,
      });
      if (how === 'pulled') pulled.push(name);
    }
    return pulled;
  } finally {
    await api.close();
  }
}

async function missingImages(wanted: ImageName[], api: ReturnType<typeof connectEngine>): Promise<ImageName[]> {
  const present = await api.images();
  const missing = wanted.filter((name) => !isUsable(name, present));
  return withNeeds(missing).filter((name) => !isUsable(name, present));
}

async function presentImages(socket: string): Promise<Map<string, PresentImage>> {
  const api = connectEngine(socket);
  try {
    return await api.images();
  } catch {
    return new Map(); // the engine's own inspection says why
  } finally {
    await api.close();
  }
}
