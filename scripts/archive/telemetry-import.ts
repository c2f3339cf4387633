/**
 * Telemetry files that are brought into the bucket by hand: blocks of no run, in a stream of their own, so that what
 * looks after runs leaves them alone.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ulid } from 'ulid';
import type { Context } from '../app/context.ts';
import { inStep } from '../core/step.ts';
import { plural } from '../core/text.ts';
import { type Block, isTelemetry, listBlocks } from './blocks.ts';
import type { Bucket } from './bucket.ts';
import { inTemporary } from './maintenance/read.ts';
import { readSnapshot } from './snapshot.ts';
import type { TrendText } from './trend.ts';
import { makeBlocks } from './trend-blocks.ts';
import { uploadBlocks } from './upload.ts';

const HOUR_MS = 3_600_000;
/** A text goes into so many blocks, nearly: promtool reads all of it for each. */
const MOST_BLOCKS = 24;

/** Labels that such blocks carry, or the series in them; no label of a user may be one of them. */
export const TAKEN_LABELS = ['stream', 'telemetry', 'run_id', 'benchmark', 'host', 'label', 'prefix', 'pid', 'le'];

/** External labels of the blocks. */
export const telemetryLabels = (name: string, own: Record<string, string>): Record<string, string> => ({
  ...own,
  stream: 'telemetry',
  telemetry: name,
});

/**
 * Makes blocks of the text and ships them; returns those that are new in the bucket. The same text twice changes
 * nothing: what is there with the same labels, times and samples is not shipped again. Throws InfrastructureError.
 */
export async function importTelemetry(
  text: TrendText,
  labels: Record<string, string>,
  bucket: Bucket,
  ctx: Context,
): Promise<string[]> {
  return inTemporary(
    'telemetry',
    async (folder) => {
      const owner = `${ulid()}-telemetry`;
      const what = 'the telemetry';
      const hours = Math.max(2, Math.ceil((text.lastMs - text.firstMs) / HOUR_MS / MOST_BLOCKS));
      const made = await inStep(ctx.progress, `make blocks of ${plural(text.samples, 'sample')}`, () =>
        makeBlocks(text, join(folder, 'made'), { owner, hours, what }, ctx),
      );
      const { blocks: listed } = await listBlocks(bucket, ctx);
      const there = new Set(listed.filter((block) => !block.marked && isTelemetry(block)).map(keyOf));
      for (const id of made.blocks) {
        const { minTime, maxTime, stats } = JSON.parse(await readFile(join(made.dir, id, 'meta.json'), 'utf8'));
        const key = keyOf({ labels, minTime, maxTime, samples: stats.numSamples, series: stats.numSeries });
        if (there.has(key)) await rm(join(made.dir, id), { recursive: true });
      }
      const snapshot = await readSnapshot(made.dir);
      if (snapshot.blocks.length > 0)
        await inStep(ctx.progress, `ship ${plural(snapshot.blocks.length, 'block')} to ${bucket.name}`, () =>
          uploadBlocks({ snapshot, labels, owner, what }, bucket, ctx),
        );
      return snapshot.blocks;
    },
    ctx,
  );
}

const keyOf = ({
  labels,
  minTime,
  maxTime,
  samples,
  series,
}: Pick<Block, 'labels' | 'minTime' | 'maxTime' | 'samples' | 'series'>) =>
  JSON.stringify([Object.entries(labels).sort(), minTime, maxTime, samples, series]);
