/**
 * The traces of a round, as Zipkin has them once the services have sent their last spans: where the time went, hop by
 * hop, and those that are kept whole. What is wrong with them is said, and never spoils the round.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TracesConfig } from '../../config/types.ts';
import { firstLine } from '../../core/errors.ts';
import { plainText, plural } from '../../core/text.ts';
import type { Metric, SideName, TracesDocument } from '../../documents/run.ts';
import { chooser } from '../../traces/choose.ts';
import { treeOf } from '../../traces/critical-path.ts';
import { hopSums } from '../../traces/hops.ts';
import { TRACES_FOLDER, tracesName, writeKept } from '../../traces/kept.ts';
import type { Span } from '../../traces/spans.ts';
import { connectZipkin, type ZipkinClient, ZipkinFault } from '../../traces/zipkin.ts';
import type { LoadResult } from '../load/generator.ts';
import { type Collected, newsOf } from './news.ts';

type Window = Pick<LoadResult, 'startMs' | 'endMs' | 'before' | 'after'>;
type Asked = NonNullable<Metric['trace']>;

/**
 * The library sends its spans within a second after the last one has ended: where none has come for longer than that, there
 * are no more. It is looked at so often, and for so long at most.
 */
const STILL_MS = 1300;
const LOOK_MS = 100;
const MOST_WAIT_MS = 15_000;
/** Traces of a side and round that are looked at. */
const MOST_TRACES = 200_000;
/** Spans that Zipkin keeps: MEM_MAX_SPANS of compose/run.yaml. */
const KEPT_SPANS = 100_000;
/** Hops that a message names. */
const MOST_NAMED = 10;

/** The traces of one side. */
export interface CollectedTraces {
  document: TracesDocument;
  /** A value for a metric; or why there is none. */
  valueOf(asked: Asked): number | string;
}

export interface OfRound {
  config: TracesConfig;
  round: number;
  /** The run's folder. */
  dir: string;
  /** Of the run stack: its address and its container's id; null where it did not come up. */
  zipkin: { url: string; id: string } | null;
  /** Ids of the containers that measure, and of those that are measured. */
  containers: { stack: readonly string[]; services: readonly string[] };
  signal: AbortSignal;
}

/** For the sides of a round, which wait together until the last spans are there. */
export function tracesOfRound(load: Window, { config, round, dir, zipkin, containers, signal }: OfRound) {
  const client = zipkin && connectZipkin(zipkin.url, signal);
  let settled: Promise<string | null> | undefined;
  return {
    async of(side: SideName): Promise<CollectedTraces> {
      const notes: string[] = [];
      const found = client
        ? await (settled ??= untilStill(client, load.startMs, signal))
            .then((late) => (late !== null && notes.push(late), read(client, side, round, load, config.keep, notes)))
            .catch((error) => fault(error, notes))
        : fault(new ZipkinFault('Zipkin did not come up'), notes);
      const kept = await keep(found.chosen, dir, side, round, notes);
      const cost = zipkin && costOf(zipkin.id, containers, load);
      const { chosen: _, ...figures } = found;
      const document: TracesDocument = {
        sampling: config.sampling,
        ...figures,
        ...(kept ? { kept } : {}),
        ...cost,
        ...(notes.length > 0 ? { notes: notes.map(plainText) } : {}),
      };
      return { document, valueOf: (asked) => valueOf(asked, document) };
    },
  };
}

interface Chosen {
  slowest: Span[][];
  sample: Span[][];
}
type Figures = Pick<TracesDocument, 'traces' | 'complete' | 'holes' | 'unfinished' | 'spans' | 'total_avg' | 'hops'>;

function fault(error: unknown, notes: string[]): Figures & { chosen: Chosen } {
  if (!(error instanceof ZipkinFault)) throw error;
  notes.push(`there are no traces: ${firstLine(error)}`);
  return {
    traces: 0,
    complete: 0,
    holes: 0,
    unfinished: 0,
    spans: 0,
    total_avg: null,
    hops: [],
    chosen: { slowest: [], sample: [] },
  };
}

/** Waits until no more spans come. A sentence where they never stop, or Zipkin has refused some. */
async function untilStill(zipkin: ZipkinClient, startMs: number, signal: AbortSignal): Promise<string | null> {
  const beganMs = performance.now();
  let last = await zipkin.counts();
  for (let changedMs = beganMs; performance.now() - changedMs < STILL_MS; ) {
    await sleep(LOOK_MS, undefined, { signal });
    const now = await zipkin.counts();
    if (now.taken !== last.taken) changedMs = performance.now();
    last = now;
    if (performance.now() - beganMs > MOST_WAIT_MS)
      return `spans were still coming ${MOST_WAIT_MS / 1000} s after the load had ended: some may be missing`;
  }
  if (last.taken > KEPT_SPANS && !(await zipkin.hasBefore(startMs)))
    return `Zipkin keeps ${plural(KEPT_SPANS, 'span')} and has let go of the first ones of this window: sample fewer requests (traces/sampling)`;
  return last.dropped > 0 ? `Zipkin could not keep ${plural(last.dropped, 'span')} of this run` : null;
}

async function read(
  zipkin: ZipkinClient,
  side: SideName,
  round: number,
  { startMs, endMs }: Window,
  most: number,
  notes: string[],
): Promise<Figures & { chosen: Chosen }> {
  const sums = hopSums();
  const chosen = chooser<Span[]>(most);
  const count = { traces: 0, holes: 0, unfinished: 0, spans: 0 };
  let faults = 0;
  let isCut = false;
  const tags = { 'mayfly.side': side, 'mayfly.round': String(round) };
  for await (const answer of zipkin.traces(tags, startMs, endMs)) {
    faults += answer.faults;
    isCut ||= answer.cut;
    for (const spans of answer.traces) {
      if (count.traces >= MOST_TRACES) break;
      const tree = treeOf(spans);
      // Zipkin is asked in whole milliseconds
      if (typeof tree === 'object' && (tree.root.start < startMs * 1000 || tree.root.start >= endMs * 1000)) continue;
      count.traces++;
      count.spans += spans.length;
      if (tree === 'hole') count.holes++;
      else if (tree === 'unfinished') count.unfinished++;
      else {
        sums.add(tree);
        chosen.add(tree.root.span.traceId, tree.total, spans);
      }
    }
    if (count.traces < MOST_TRACES) continue;
    notes.push(`only the first ${plural(MOST_TRACES, 'trace')} of the window are looked at`);
    break;
  }
  if (faults > 0)
    notes.push(`${plural(faults, 'entry').replace('entrys', 'entries')} of Zipkin's answers are no spans`);
  if (isCut) notes.push('more traces began in one millisecond than Zipkin gives: some are left out');
  if (count.traces === 0) notes.push('no trace began in the window');
  if (sums.refused() > 0) notes.push('the spans name too many hops: only the first are in the record');
  return { ...count, ...sums.result(), chosen: { slowest: chosen.slowest(), sample: chosen.sample() } };
}

/** Writes those that are kept, the slowest first, each once. */
async function keep(
  { slowest, sample }: Chosen,
  dir: string,
  side: SideName,
  round: number,
  notes: string[],
): Promise<TracesDocument['kept']> {
  if (slowest.length === 0) return undefined;
  const file = tracesName(side, round);
  try {
    await mkdir(join(dir, TRACES_FOLDER), { recursive: true });
    await writeKept(join(dir, TRACES_FOLDER, file), [...new Set([...slowest, ...sample])]);
    return { file, slowest: slowest.length, sample: sample.length };
  } catch (error) {
    notes.push(`none of them is kept: ${firstLine(error)}`);
    return undefined;
  }
}

/** CPU time over the window of Zipkin and of all that measures,, and their shares. */
function costOf(
  id: string,
  { stack, services }: OfRound['containers'],
  { before, after }: Window,
): Pick<TracesDocument, 'zipkin' | 'measuring'> {
  const of = (ids: Iterable<string>) =>
    [...ids].reduce((sum, one) => {
      const [from, to] = [before.containers.get(one)?.cpuSeconds, after.containers.get(one)?.cpuSeconds];
      return from === undefined || to === undefined ? sum : sum + Math.max(0, to - from);
    }, 0);
  const [own, all, measuring] = [of([id]), of(after.containers.keys()), of(stack)];
  const both = measuring + of(services);
  return {
    ...(all > 0 ? { zipkin: { cpu_seconds: own, share: own / all } } : {}),
    ...(both > 0 ? { measuring: { cpu_seconds: measuring, share: measuring / both } } : {}),
  };
}

function valueOf({ hop, value }: Asked, { complete, hops, notes }: TracesDocument): number | string {
  if (complete === 0) return notes?.[0] ?? 'no trace of the window is whole';
  const found = hops.find((one) => one.hop === hop);
  if (found) return found[value];
  const names = hops.slice(0, MOST_NAMED).map((one) => plainText(one.hop));
  return `no trace has a hop ${hop}; there ${names.length === 1 ? 'is' : 'are'} ${names.join(', ')}`;
}

/** What is to be said of the traces of a round, once in a run; what a metric without a value says is not said twice. */
export const traceWarnings = (collected: Collected, told: Set<string>): string[] =>
  newsOf('traces', collected, told, ({ traces }) => notesOf(traces));

/** Traces that are not whole are worth a word where they are more than a few. */
const FEW = 0.02;

function notesOf(traces: TracesDocument | undefined): string[] {
  if (!traces) return [];
  const { traces: all, complete, holes, unfinished, notes = [] } = traces;
  const broken = all - complete;
  return [
    ...notes,
    ...(broken > FEW * all
      ? [
          `${broken} of ${all} are not whole (${holes} with a hole, ${unfinished} unfinished): all figures are of the others`,
        ]
      : []),
  ];
}
