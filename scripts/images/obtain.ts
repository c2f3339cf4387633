/** One image: pulled, else built under the same tag. */
import { InfrastructureError } from '../core/errors.ts';
import type { Progress } from '../core/progress.ts';
import type { Engine } from '../engine/engine.ts';
import type { ImageSpec } from './images.ts';
import { makeImage } from './make.ts';

export interface ObtainOptions {
  api: Engine;
  env: NodeJS.ProcessEnv;
  architecture: string;
  progress: Progress;
  signal?: AbortSignal | undefined;
  /** Milliseconds without any progress after which a pull is given up. */
  stallMs?: number;
}

const STALL_MS = 30_000;

/** Gets an image that is not there. Throws InfrastructureError when it can be neither pulled nor built. */
export async function obtain(spec: ImageSpec, options: ObtainOptions): Promise<'pulled' | 'built'> {
  const step = options.progress.step(`image ${spec.ref}`);
  try {
    const refusal = spec.pull
      ? await tryPull(spec.ref, { ...options, update: (text, fraction) => step.update(text, fraction) })
      : undefined;
    if (spec.pull && refusal === undefined) {
      step.done('pulled');
      return 'pulled';
    }
    if (refusal) step.update(`not pulled (${refusal}); building it from packages`);
    await makeImage(spec, { ...options, step });
    step.done(refusal ? `built from packages, since it could not be pulled: ${refusal}` : 'built');
    return 'built';
  } catch (error) {
    step.fail();
    options.signal?.throwIfAborted();
    throw error instanceof InfrastructureError
      ? new InfrastructureError(`image ${spec.ref}: ${error.message}`, { hint: error.hint, cause: error })
      : error;
  }
}

/** Where an image is pulled from: MAYFLY_REGISTRY names a registry to use instead of the images' own. */
export function pullSource(ref: string, env: NodeJS.ProcessEnv): string {
  return env.MAYFLY_REGISTRY ? `${env.MAYFLY_REGISTRY}/${ref}` : ref;
}

/** One try. Returns why there is no image, or undefined when there is. */
export async function tryPull(
  ref: string,
  options: Omit<ObtainOptions, 'architecture' | 'progress'> & { update: (text: string, fraction?: number) => void },
): Promise<string | undefined> {
  const source = pullSource(ref, options.env);
  options.update(`pulling ${source}`);
  try {
    await options.api.pull(source, {
      stallMs: options.stallMs ?? STALL_MS,
      onProgress: options.update,
      signal: options.signal,
    });
    if (source !== ref) await options.api.rename(source, ref);
    return undefined;
  } catch (error) {
    options.signal?.throwIfAborted();
    return (error as Error).message;
  }
}
