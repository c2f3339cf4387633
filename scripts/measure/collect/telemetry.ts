/**
 * What the services of a side wrote into their telemetry folders in a round: summed up by label for the round's record,
 * and as series for the archive. What is wrong with the files is said, and never spoils the round.
 */
import { open } from 'node:fs/promises';
import { didYouMean } from '../../config/nearest.ts';
import { firstLine } from '../../core/errors.ts';
import { plainText, plural } from '../../core/text.ts';
import type { Metric, RoundDocument, SideName } from '../../documents/run.ts';
import { sizeText } from '../../stack/disk.ts';
import type { Sides } from '../../stack/run-stack.ts';
import type { SideTelemetry, TakenTelemetry } from '../../stack/telemetry.ts';
import { openMetricsOf, type TelemetrySource } from '../../telemetry/openmetrics.ts';
import { keepSeries } from '../../telemetry/series-files.ts';
import { summariseFiles, type TelemetryLabel } from '../../telemetry/summary.ts';
import type { LoadResult } from '../load/generator.ts';
import { type Collected, newsOf } from './news.ts';

type Found = NonNullable<RoundDocument['telemetry']>;
type Asked = NonNullable<Metric['telemetry']>;
type Window = Pick<LoadResult, 'startMs' | 'endMs'>;

/** Refused files that are named. */
const MOST_NAMED = 3;
/** Labels of a service that the record of a round has. */
const MOST_LABELS = 200;

/** The telemetry of one side. */
export interface CollectedTelemetry {
  document: Found;
  services: TakenTelemetry[];
  /** A value for a metric; or why there is none. */
  valueOf(asked: Asked): number | string;
}

/** Ends the sidecar of a side, and sums up the telemetry that it has taken; null where the benchmark names none. */
export async function collectTelemetry(side: SideName, load: Window, sides: Sides): Promise<CollectedTelemetry | null> {
  const own = sides.telemetry.find((one) => one.side === side);
  const { telemetry: listed, broker } = sides.plan.config;
  if (!own || listed.length === 0) return null;
  const { services: taken, fault } = await own.end();
  // a folder may be there for records of events alone
  const services = taken
    .filter((one) => listed.some(({ service }) => service === one.service))
    .map((one) => ({ ...one, paths: one.paths.filter((path) => !path.endsWith('.jsonl')) }));
  const notes: string[] = fault === undefined ? [] : [`some of it may be missing: ${fault}`];
  const all: TelemetryLabel[] = [];
  const labels: TelemetryLabel[] = [];
  for (const taken of services) {
    const own = listed.find(({ service }) => service === taken.service)!;
    const bytes = own.bytes + (broker?.recordsBytes ?? 0);
    notes.push(...(await sidecarNotes(taken, bytes, load)));
    const summary = await summariseFiles(
      taken.paths.filter((path) => path.endsWith('.csv')),
      { fromMs: load.startMs, toMs: load.endMs, service: taken.service, most: Number.MAX_SAFE_INTEGER },
    ).catch((error: Error) => ({ labels: [], notes: [`its files cannot be read: ${firstLine(error)}`] }));
    all.push(...summary.labels);
    labels.push(...summary.labels.slice(0, MOST_LABELS));
    notes.push(...summary.notes.map((note) => `${taken.service}: ${note}`));
    const left = summary.labels.length - MOST_LABELS;
    if (left > 0) notes.push(`${taken.service}: ${plural(left, 'label')} left out, the least frequent`);
  }
  return {
    document: { labels, ...(notes.length > 0 ? { notes } : {}) },
    services,
    valueOf: (asked) => valueOf(asked, all, services),
  };
}

/** What the sidecar has to say of one service: what it did not take, and from when on there is nothing. */
async function sidecarNotes({ service, paths, state }: TakenTelemetry, bytes: number, window: Window) {
  if (paths.length === 0 && !state?.refusedCount) return [nothingWritten(service)];
  const notes: string[] = [];
  if (state && state.refusedCount > 0) {
    const named = state.refused.slice(0, MOST_NAMED).map(({ name, why }) => `${plainText(name)} ${why}`);
    const more = state.refusedCount > named.length ? `; and ${state.refusedCount - named.length} more` : '';
    notes.push(`${service}: ${plural(state.refusedCount, 'file')} not taken: ${named.join('; ')}${more}`);
  }
  if (state?.stopped && state.stopped.atMs < window.endMs)
    notes.push(`${service}: missing ${from(state.stopped.atMs, window)}: ${state.stopped.why}`);
  if (state?.fullMs != null) {
    const last = await lastSampleMs(paths);
    const atMs = Math.min(state.fullMs, last ?? Infinity);
    if (atMs < window.endMs)
      notes.push(
        `${service}: missing ${from(atMs, window)}: its folder was full (${sizeText(bytes)}); size in benchmark.yaml gives it more`,
      );
  }
  return notes;
}

const nothingWritten = (service: string) => `${service} has written no telemetry`;

const from = (atMs: number, { startMs }: Window) =>
  atMs <= startMs ? 'in the whole window' : `from ${((atMs - startMs) / 1000).toFixed(1)} s into the window on`;

/** When the newest sample of all files was taken; null where none says it. */
async function lastSampleMs(paths: readonly string[]): Promise<number | null> {
  const times = await Promise.all(paths.map(lastTimepoint));
  const known = times.filter((time) => time !== null);
  return known.length > 0 ? known.reduce((a, b) => Math.max(a, b)) : null;
}

const TAIL_BYTES = 4096;

async function lastTimepoint(path: string): Promise<number | null> {
  await using file = await open(path);
  const { size } = await file.stat();
  const from = Math.max(0, size - TAIL_BYTES);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, from);
  const last = buffer.toString('latin1', 0, bytesRead).trimEnd().split('\n').at(-1)!;
  const [, nanoseconds] = /^\s*(\d{10,20})\s*,/.exec(last) ?? [];
  return nanoseconds === undefined ? null : Number(nanoseconds) / 1e6;
}

function valueOf(asked: Asked, labels: readonly TelemetryLabel[], services: readonly TakenTelemetry[]) {
  const { service, prefix, label, value } = asked;
  const found = labels.find((one) => one.service === service && one.prefix === prefix && one.label === label);
  if (found) return found[value];
  if (services.find((one) => one.service === service)?.paths.length === 0) return nothingWritten(service);
  const known = labels.filter((one) => one.service === service && one.prefix === prefix).map((one) => one.label);
  return plainText(`${service} wrote no ${prefix} "${label}" in the window${didYouMean(label, known)}`);
}

/**
 * Keeps the series of a side for the archive, and removes the files that they are made of. That it cannot be done is a
 * note: the record of the round has what was summed up.
 */
export async function keepTelemetry(
  { services, document }: CollectedTelemetry,
  { side, ...own }: SideTelemetry,
  load: Pick<LoadResult, 'go' | 'endMs'>,
  sides: Sides,
  valid: boolean,
): Promise<void> {
  const { plan, round, containers } = sides;
  const { commit } = plan.sides.find(({ name }) => name === side)!;
  const sources = services.flatMap(({ service, paths }): TelemetrySource[] => {
    const files = paths.filter((path) => path.endsWith('.csv'));
    const replicas = containers.filter((one) => one.side === side && one.service === service).length;
    // its replicas share the folder
    const instance = replicas > 1 ? service : `${service}-1`;
    const labels = { side, round: String(round), commit, service, instance };
    return files.length === 0 ? [] : [{ paths: files, labels, fromMs: load.go.atMs, toMs: load.endMs }];
  });
  if (valid && sources.length > 0) {
    const fault = await openMetricsOf(sources)
      .then((text) => keepSeries(plan.dir, `round-${round}-${side}`, text))
      .catch((error: Error) => firstLine(error));
    if (fault !== null) document.notes = [...(document.notes ?? []), `its series are not in the archive: ${fault}`];
  }
  if (!plan.config.keep) await own.discard();
}

/** What is to be said of the telemetry of a round, once in a run; what a metric without a value says is not said twice. */
export const telemetryWarnings = (collected: Collected, told: Set<string>): string[] =>
  newsOf('telemetry', collected, told, ({ telemetry }) => telemetry?.notes);
