/**
 * The telemetry of a run on its way into the archive: what its rounds have left as series becomes blocks beside that of
 * its Prometheus, in the snapshot (docs/decisions/0023-telemetry.md).
 */
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../app/context.ts';
import { firstLine } from '../core/errors.ts';
import { forgetSeries, mergeSeries, namesOfSeries, readSeries, type SeriesText } from '../telemetry/series-files.ts';
import { TELEMETRY_MARK } from './blocks.ts';
import { makeBlocks } from './trend-blocks.ts';

/** Texts go to promtool together up to so many letters: most runs make one block. */
const MOST_LETTERS = 64 * 2 ** 20;
/** Folder in the run's folder in which the blocks are made. */
const MAKING = 'telemetry-blocks';

/** What the mark of a block says. */
interface Mark {
  schema: 'mayfly.telemetry-block/v1';
  /** Names of the texts that it was made of. */
  of: string[];
}

/**
 * Makes blocks of the series that are left in the run's folder, and puts them into its snapshot. Repeating it changes
 * nothing. What cannot be made is told and never hinders the other metrics: it stays for the next try, as long as the
 * run's folder does.
 */
export async function addTelemetry(runDir: string, snapshotDir: string, runId: string, ctx: Context): Promise<void> {
  const names = await namesOfSeries(runDir);
  if (names.length === 0) return;
  await forgetSeries(runDir, await inBlocks(snapshotDir)); // a kill came between a block and this
  try {
    ctx.signal.throwIfAborted();
    for (let left = await namesOfSeries(runDir); left.length > 0; left = await namesOfSeries(runDir)) {
      const { of, text } = await nextTexts(runDir, left);
      const made = await makeBlocks(
        text,
        join(runDir, MAKING),
        { owner: `${runId}-telemetry`, what: 'the telemetry' },
        ctx,
      );
      const mark: Mark = { schema: 'mayfly.telemetry-block/v1', of };
      for (const block of made.blocks) {
        await writeFile(join(made.dir, block, TELEMETRY_MARK), JSON.stringify(mark));
        await rename(join(made.dir, block), join(snapshotDir, block));
      }
      await forgetSeries(runDir, of);
    }
  } catch (error) {
    ctx.progress.warn(
      ctx.signal.aborted
        ? `the telemetry of run ${runId} waits on this host: npm run archive:push puts it into the archive`
        : `the telemetry of run ${runId} is not in its archive: ${firstLine(error)}; what was summed up of it is kept`,
    );
  } finally {
    await rm(join(runDir, MAKING), { recursive: true, force: true });
  }
}

/** The first of the texts, as many as go together. */
async function nextTexts(runDir: string, names: readonly string[]): Promise<{ of: string[]; text: SeriesText }> {
  const texts: SeriesText[] = [];
  let letters = 0;
  for (const name of names) {
    const text = await readSeries(runDir, name);
    if (texts.length > 0 && letters + text.text.length > MOST_LETTERS) break;
    texts.push(text);
    letters += text.text.length;
  }
  return { of: names.slice(0, texts.length), text: mergeSeries(texts) };
}

/** Names of the texts that blocks of the snapshot were made of. */
async function inBlocks(snapshotDir: string): Promise<string[]> {
  const marks = (await readdir(snapshotDir)).map((block) =>
    readFile(join(snapshotDir, block, TELEMETRY_MARK), 'utf8').then(
      (content) => (JSON.parse(content) as Mark).of,
      () => [],
    ),
  );
  return (await Promise.all(marks)).flat();
}
