/** The trend of one run: made from its record when its metrics are shipped, and shipped beside them. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../app/context.ts';
import type { RunDocument } from '../documents/run.ts';
import { writeWhole } from '../stack/run-folder.ts';
import type { Bucket } from './bucket.ts';
import { TREND } from './pending.ts';
import { readSnapshot } from './snapshot.ts';
import { changePointSamples, openMetrics, runSamples, TREND_LABELS } from './trend.ts';
import { makeBlocks } from './trend-blocks.ts';
import { uploadBlocks } from './upload.ts';

/** Holds the text of which blocks/ was made; written after them. */
const MADE = 'made.txt';
/** Holds the text that is in the bucket. */
const SHIPPED = 'shipped.txt';

/**
 * Ships the trend of a run with the change points that were found since it began; a later one comes with the next
 * rebuild. Blocks that a push before has made are shipped as they are, and what has been shipped is not made again:
 * repeating it changes nothing. Throws InfrastructureError.
 */
export async function shipTrend(run: RunDocument, runDir: string, bucket: Bucket, ctx: Context): Promise<void> {
  const points = ctx.store.changePoints(run.benchmark).filter((point) => point.found_at >= run.started_at);
  const trend = openMetrics([...runSamples(run), ...changePointSamples(points)]);
  const folder = join(runDir, TREND);
  const holds = async (file: string) => (await readFile(join(folder, file), 'utf8').catch(() => null)) === trend.text;
  const owner = `${run.run_id}-trend`; // not part of the run's stack: it lives on while that goes down
  if (await holds(SHIPPED)) return;
  if (!(await holds(MADE))) {
    await makeBlocks(trend, folder, { owner }, ctx);
    await writeWhole(join(folder, MADE), trend.text);
  }
  await uploadBlocks(
    { snapshot: await readSnapshot(join(folder, 'blocks')), labels: TREND_LABELS, owner, what: 'the trend' },
    bucket,
    ctx,
  );
  await writeWhole(join(folder, SHIPPED), trend.text);
  await rm(join(folder, 'blocks'), { recursive: true, force: true });
}
