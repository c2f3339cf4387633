/**
 * From nothing to a machine that can measure: Docker engine, Compose, images. (Node packages come before: run.sh.)
 * Looks first, with two calls to the engine; does only what is missing; can be run again after any failure.
 */
import type { Progress } from '../types.ts';
import { inspectCompose, mendCompose, type ComposeFound } from './compose.ts';
import { engineSocket } from '../engine-socket.ts';
import { connect, type EngineFacts } from './engine-api.ts';
import { dockerPrograms, inspectEngine, isFault, mendEngine, type EngineFault } from './engine.ts';
import { BUILT_LABEL, BUILT_VALUE, IMAGES, withNeeds, type ImageName } from './images.ts';
import { hostLock } from './lock.ts';
import { obtain } from './obtain.ts';

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
  /** The wanted images, by name. */
  images: Record<string, ImageFound>;
}

/** What is there; a part that is missing is undefined, an engine that does not answer is a fault. */
export interface Found {
  socket: string;
  engine: EngineFacts | EngineFault;
  /** The docker client is on the PATH. */
  client: boolean;
  compose: ComposeFound | undefined;
  images: Partial<Record<ImageName, ImageFound>>;
}

export interface Want {
  images: ImageName[];
  progress: Progress;
  signal?: AbortSignal;
  env?: NodeJS.ProcessEnv;
}

/** Makes sure that everything wanted is there. Throws InfrastructureError with what the user has to do, or with the last lines of what failed. */
export async function setUp(want: Want): Promise<SetupResult> {
  const env = want.env ?? process.env;
  const found = await inspect(want.images, env);
  return complete(found, want.images) ?? mend(want, env);
}

/** Looks and changes nothing. */
export async function inspect(images: ImageName[], env: NodeJS.ProcessEnv): Promise<Found> {
  const socket = engineSocket(env);
  const [engine, present, compose] = await Promise.all([inspectEngine(socket), presentImages(socket), inspectCompose(env)]);
  const found = images.flatMap((name) => {
    const image = present.get(IMAGES[name].ref);
    return image ? [[name, { ref: IMAGES[name].ref, id: image.id, source: image.labels[BUILT_LABEL] === BUILT_VALUE ? 'built' : 'present' }] as const] : [];
  });
  return { socket, engine, client: dockerPrograms(env).client, compose, images: Object.fromEntries(found) };
}

function complete(found: Found, wanted: ImageName[]): SetupResult | undefined {
  if (isFault(found.engine) || !found.client || !found.compose || wanted.some((name) => !found.images[name])) return undefined;
  return { engine: found.engine, compose: found.compose, images: found.images as Record<string, ImageFound> };
}

async function mend(want: Want, env: NodeJS.ProcessEnv): Promise<SetupResult> {
  const { progress, signal } = want;
  using _lock = await hostLock({ signal, onWait: () => progress.info('another set-up on this machine is at work; waiting for it') });
  const found = await inspect(want.images, env);
  if (isFault(found.engine) || !found.client) await mendEngine(isFault(found.engine) ? found.engine : undefined, { socket: found.socket, env, progress, signal });
  if (!found.compose) await mendCompose({ env, progress, signal });
  const pulled = await mendImages(want, found.socket, env);
  const result = complete(await inspect(want.images, env), want.images);
  if (!result) throw new Error('the set-up ended without an error, but something is still missing; see npm run doctor');
  for (const name of pulled) if (result.images[name]) result.images[name].source = 'pulled';
  return result;
}

/** Gets every image that is missing, each after what it is built from. Returns the names of those that were pulled. */
async function mendImages(want: Want, socket: string, env: NodeJS.ProcessEnv): Promise<ImageName[]> {
  const api = connect(socket);
  try {
    const pulled: ImageName[] = [];
    const { architecture } = await api.facts();
    for (const name of await missingImages(want.images, api)) {
      // The docker client must build on the engine that was looked at, whatever its context says.
      const how = await obtain(IMAGES[name], { api, env: { ...env, DOCKER_HOST: `unix://${socket}` }, architecture, progress: want.progress, signal: want.signal });
      if (how === 'pulled') pulled.push(name);
    }
    return pulled;
  } finally {
    await api.close();
  }
}

async function missingImages(wanted: ImageName[], api: ReturnType<typeof connect>): Promise<ImageName[]> {
  const present = await api.images();
  const missing = wanted.filter((name) => !present.has(IMAGES[name].ref));
  return withNeeds(missing).filter((name) => !present.has(IMAGES[name].ref));
}

async function presentImages(socket: string): Promise<Awaited<ReturnType<ReturnType<typeof connect>['images']>>> {
  const api = connect(socket);
  try {
    return await api.images();
  } catch {
    return new Map(); // the engine's own inspection says why
  } finally {
    await api.close();
  }
}
