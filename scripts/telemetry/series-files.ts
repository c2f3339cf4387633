/**
 * The series of the telemetry of a run, as text, until they become blocks at its end: a file for each side of each round
 * in the run's folder. A run that is killed has those of its finished rounds there.
 */
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TelemetryText } from './openmetrics.ts';

/** Folder in the run's folder. */
export const SERIES_FOLDER = 'telemetry-series';
/** So much of a run is kept; the series of further rounds are not. */
const MOST_BYTES = 512 * 2 ** 20;

/** A text for promtool, and what must be in the blocks that are made from it. */
export type SeriesText = Pick<TelemetryText, 'text' | 'samples' | 'firstMs' | 'lastMs'>;

/** Keeps a text under a name. Gives why it was not kept, or null; a text of nothing is not, either. */
export async function keepSeries(runDir: string, name: string, text: SeriesText): Promise<string | null> {
  if (text.samples === 0) return null;
  const folder = join(runDir, SERIES_FOLDER);
  await mkdir(folder, { recursive: true });
  const sizes = await Promise.all((await readdir(folder)).map(async (file) => (await stat(join(folder, file))).size));
  const kept = sizes.reduce((sum, size) => sum + size, 0);
  if (kept + text.text.length > MOST_BYTES)
    return `those of the rounds before are ${Math.round(kept / 2 ** 20)} MiB already`;
  const { samples, firstMs, lastMs } = text;
  const file = join(folder, `${name}.txt`);
  // The first line tells what the rest holds.
  await writeFile(`${file}.tmp`, `${JSON.stringify({ samples, firstMs, lastMs })}\n${text.text}`);
  await rename(`${file}.tmp`, file);
  return null;
}

/** Names of what is kept, in the order of the rounds. */
export async function namesOfSeries(runDir: string): Promise<string[]> {
  const files = await readdir(join(runDir, SERIES_FOLDER)).catch(() => [] as string[]);
  const round = (name: string) => Number(/\d+/.exec(name)?.[0] ?? 0);
  return files
    .filter((file) => file.endsWith('.txt'))
    .map((file) => file.slice(0, -'.txt'.length))
    .sort((a, b) => round(a) - round(b) || a.localeCompare(b));
}

export async function readSeries(runDir: string, name: string): Promise<SeriesText> {
  const content = await readFile(join(runDir, SERIES_FOLDER, `${name}.txt`), 'utf8');
  const end = content.indexOf('\n');
  return { ...JSON.parse(content.slice(0, end)), text: content.slice(end + 1) };
}

/** Removes what is in blocks now. */
export async function forgetSeries(runDir: string, names: readonly string[]): Promise<void> {
  for (const name of names) await rm(join(runDir, SERIES_FOLDER, `${name}.txt`), { force: true });
  if ((await namesOfSeries(runDir)).length === 0)
    await rm(join(runDir, SERIES_FOLDER), { recursive: true, force: true });
}

/** Several texts as one: each family once, with the series of all. Pure. */
export function mergeSeries(texts: readonly SeriesText[]): SeriesText {
  if (texts.length === 1) return texts[0]!;
  const families = new Map<string, string[]>();
  for (const { text } of texts) {
    let lines: string[] = [];
    for (const line of text.split('\n')) {
      if (line === '' || line === '# EOF') continue;
      if (!line.startsWith('# TYPE ')) lines.push(line);
      else if (families.has(line)) lines = families.get(line)!;
      else families.set(line, (lines = []));
    }
  }
  const least = (pick: (text: SeriesText) => number) => Math.min(...texts.map(pick));
  return {
    text: `${[...families].map(([type, lines]) => [type, ...lines].join('\n')).join('\n')}\n# EOF\n`,
    samples: texts.reduce((sum, { samples }) => sum + samples, 0),
    firstMs: least(({ firstMs }) => firstMs),
    lastMs: -least(({ lastMs }) => -lastMs),
  };
}
