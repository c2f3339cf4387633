/**
 * Images of measured commits: each run may leave two. Those that were used longest ago go, until the rest fits a budget.
 */
import type { Context } from '../app/context.ts';
import { firstLine, UsageError } from '../core/errors.ts';
import { plural } from '../core/text.ts';
import type { BuiltImage, SideName } from '../documents/run.ts';
import type { Engine } from '../engine/engine.ts';
import type { ImageInfo } from '../engine/engine-images.ts';
import { LABEL } from '../engine/names.ts';

/** Bytes that they may take together, beside what they were built from; MAYFLY_IMAGE_BUDGET is another number of GB. */
const BUDGET = 20e9;
/** Another run may have built it and not started it yet. */
const YOUNG_MS = 3600_000;

/** An image that a build starts from. */
export interface Base {
  ref: string;
  id: string;
}

export interface MeasuredImage {
  tag: string;
  /** Bytes that are its own. */
  bytes: number;
  /** When a run used it last: milliseconds since the epoch. */
  usedMs: number;
}

/** Bytes. Throws a UsageError where the variable is no number of gigabytes. */
export function imageBudget(env: NodeJS.ProcessEnv): number {
  const given = env.MAYFLY_IMAGE_BUDGET;
  if (given === undefined || given === '') return BUDGET;
  if (!/^\d{1,6}(\.\d+)?$/.test(given))
    throw new UsageError(`MAYFLY_IMAGE_BUDGET must be a number of gigabytes, got ${JSON.stringify(given)}`, {
      hint: 'For example MAYFLY_IMAGE_BUDGET=20.',
    });
  return Number(given) * 1e9;
}

/** Least recently used first. */
export async function measuredImages(engine: Engine): Promise<MeasuredImage[]> {
  const sizes = new Map<string, number>();
  const sizeOf = async (id: string) => {
    if (!sizes.has(id)) sizes.set(id, (await engine.image(id))?.size ?? 0);
    return sizes.get(id)!;
  };
  const images: MeasuredImage[] = [];
  for (const tag of await engine.imageTags(LABEL.benchmark)) {
    const image = await engine.image(tag);
    if (!image) continue;
    const bases = await Promise.all(basesOf(image).map(({ id }) => sizeOf(id)));
    images.push({ tag, bytes: Math.max(0, image.size - Math.max(0, ...bases)), usedMs: image.taggedMs });
  }
  return images.sort((a, b) => a.usedMs - b.usedMs);
}

/** What an image was built from, as it was recorded; of one of an earlier version nothing. */
export function basesOf({ labels }: Pick<ImageInfo, 'labels'>): Base[] {
  try {
    const bases: unknown = JSON.parse(labels[LABEL.bases] ?? '[]');
    return Array.isArray(bases) ? bases : [];
  } catch {
    return [];
  }
}

/** Which go: pure. `keep`: tags that stay. */
export function tooMany(
  images: readonly MeasuredImage[],
  { budget, keep, now }: { budget: number; keep: ReadonlySet<string>; now: number },
): MeasuredImage[] {
  let bytes = images.reduce((sum, image) => sum + image.bytes, 0);
  return images.filter((image) => {
    if (bytes <= budget || keep.has(image.tag) || now - image.usedMs < YOUNG_MS) return false;
    bytes -= image.bytes;
    return true;
  });
}

/**
 * Removes those that do not fit, once a run has built another one; one that a container uses stays. A failure is no
 * matter of the run: the next one tries again.
 */
export async function forgetOldImages(
  images: Partial<Record<SideName, BuiltImage[]>>,
  ctx: Pick<Context, 'engine' | 'env' | 'progress' | 'now'>,
): Promise<void> {
  const ours = Object.values(images).flat();
  if (!ours.some(({ source }) => source === 'built')) return;
  const options = { budget: imageBudget(ctx.env), keep: new Set(ours.map(({ tag }) => tag)), now: ctx.now() };
  const gone: MeasuredImage[] = [];
  try {
    for (const image of tooMany(await measuredImages(ctx.engine), options))
      if (await ctx.engine.removeImage(image.tag)) gone.push(image);
  } catch (error) {
    ctx.progress.warn(`old images of measured commits could not be removed: ${firstLine(error)}`);
  }
  if (gone.length > 0)
    ctx.progress.info(
      `removed ${plural(gone.length, 'image')} of commits measured before, ${gigabytes(gone.reduce((sum, { bytes }) => sum + bytes, 0))}: MAYFLY_IMAGE_BUDGET is ${gigabytes(options.budget)}`,
    );
}

export const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
