/**
 * What is asked of the requests of a run: whether its files are whole, a table of percentiles, a picture, one file of
 * them all.
 */
import { stat } from 'node:fs/promises';
import { METADATA, openRequests, type RequestColumns } from '../../loadgen/requests-file.ts';
import type { SideName } from '../documents/run.ts';
import { type DisturbedFigures, disturbedFigures, type Span } from './disturbed.ts';
import { RequestsFault } from './limits.ts';
import { type Quantile, quantilesOf } from './quantiles.ts';
import { type RequestsHead, readHead, readRequests } from './read-file.ts';

/** A file and whose requests should be in it. */
export interface RequestsPart {
  /** Absolute path. */
  file: string;
  runId: string;
  round: number;
}

/** What could not be read, as a sentence without its subject: `is missing`. */
export interface RoundFault {
  round: number;
  message: string;
}

/** What was read. */
export interface Read {
  rounds: number[];
  /** Requests that were kept, and those that there were. */
  rows: number;
  of: number;
  faults: RoundFault[];
}

export interface SummaryLine {
  side: SideName;
  /** null: all names together. */
  name: string | null;
  requests: number;
  failed: number;
  quantiles: Quantile[];
}

export interface RequestsSummary extends Read {
  lines: SummaryLine[];
}

export interface RequestsPicture extends RequestsSummary {
  /** Edges of the bins of `shares`, seconds, each a fixed factor above the one before. */
  edges: number[];
  /** Of the requests of a side, by bin. */
  shares: { side: SideName; share: number[] }[];
  points: RequestPoints[];
}

/** Single requests of a side: the slowest, those that failed, and of the rest as many as can be told apart. */
export interface RequestPoints {
  side: SideName;
  /** Seconds since the start of the window of its round, and its latency. */
  due: number[];
  latency: number[];
  round: number[];
  failed: boolean[];
}

export interface Tasks {
  check(part: RequestsPart): Promise<Omit<RequestsHead, 'runId' | 'benchmark'>>;
  summary(parts: readonly RequestsPart[], shares: readonly number[]): Promise<RequestsSummary>;
  picture(parts: readonly RequestsPart[], shares: readonly number[]): Promise<RequestsPicture>;
  join(parts: readonly RequestsPart[], out: string): Promise<Read & { bytes: number }>;
  /** Of a round, by side; as many spans are found as are asked for. Throws RequestsFault. */
  disturbed(part: RequestsPart, sides: readonly SideSpans[], windowS: number): Promise<DisturbedFigures[]>;
}

/** Disturbances of a side. */
export interface SideSpans {
  side: SideName;
  spans: Span[];
}

/** Names that get a line of their own: those with most requests. */
const MOST_NAMES = 100;
const OTHER_NAMES = '(other names)';
/** Of a side. */
const SLOWEST = 400;
const MOST_FAILED = 200;
const DRAWN = 1500;
const BINS_A_DECADE = 50;
/** Whatever is faster is in the first bin. */
const LEAST_S = 1e-6;

export const tasks: Tasks = { check, summary, picture, join, disturbed };

/** Reads the file whole, once it is the one that it should be. Throws RequestsFault. */
async function check({ file, runId, round }: RequestsPart): Promise<Omit<RequestsHead, 'runId' | 'benchmark'>> {
  const said = await readHead(file);
  if (said.runId !== runId)
    throw new RequestsFault(`is of run ${JSON.stringify(said.runId.slice(0, 40))}, not of ${runId}`);
  if (said.round !== round) throw new RequestsFault(`is of round ${said.round}, not of ${round}`);
  const { runId: _run, benchmark: _benchmark, ...head } = (await readRequests(file)).head;
  return head;
}

async function disturbed(
  { file, round, runId }: RequestsPart,
  sides: readonly SideSpans[],
  windowS: number,
): Promise<DisturbedFigures[]> {
  const { head, rows } = await readRequests(file);
  if (head.round !== round || head.runId !== runId) throw new RequestsFault('is of another round');
  if (head.of > head.rows)
    throw new RequestsFault(
      `has only ${head.rows} of its ${head.of} requests: make the window shorter, or the rate lower`,
    );
  return sides.map(({ side, spans }) => disturbedFigures(rows, side, spans, windowS));
}

async function summary(parts: readonly RequestsPart[], shares: readonly number[]): Promise<RequestsSummary> {
  const values = new Values();
  const read = await readAll(parts, async (rows) => values.add(rows));
  return { ...read, lines: values.lines(shares) };
}

async function picture(parts: readonly RequestsPart[], shares: readonly number[]): Promise<RequestsPicture> {
  const values = new Values();
  const points = new Points(
    (
      await Promise.all(
        parts.map(({ file }) =>
          readHead(file).then(
            ({ rows }) => rows,
            () => 0,
          ),
        ),
      )
    ).reduce((sum, rows) => sum + rows, 0),
  );
  const read = await readAll(parts, async (rows, { round }) => {
    values.add(rows);
    points.add(rows, round);
  });
  return { ...read, lines: values.lines(shares), ...values.bins(), points: points.ofSides() };
}

async function join(parts: readonly RequestsPart[], out: string): Promise<Read & { bytes: number }> {
  const heads = await Promise.all(parts.map(({ file }) => readHead(file).catch(() => null)));
  const known = heads.filter((head) => head !== null);
  const writer = openRequests(
    out,
    {
      [METADATA.runId]: parts[0]?.runId ?? '',
      [METADATA.benchmark]: known[0]?.benchmark ?? '',
      [METADATA.of]: String(known.reduce((sum, { of }) => sum + of, 0)),
      [METADATA.windows]: JSON.stringify(
        Object.fromEntries(known.map(({ round, windowStartMs }) => [round, windowStartMs])),
      ),
    },
    { rounds: true },
  );
  try {
    const read = await readAll(parts, (rows, { round }) => writer.append(rows, round));
    await writer.finish();
    return { ...read, bytes: (await stat(out)).size };
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

/** One file after the other; one that cannot be read is said, and the others are read. */
async function readAll(
  parts: readonly RequestsPart[],
  take: (rows: RequestColumns, part: RequestsPart) => Promise<void>,
): Promise<Read> {
  const read: Read = { rounds: [], rows: 0, of: 0, faults: [] };
  for (const part of parts) {
    try {
      const { head, rows } = await readRequests(part.file);
      if (head.round !== part.round || head.runId !== part.runId)
        throw new RequestsFault(`is of round ${head.round} of run ${JSON.stringify(head.runId.slice(0, 40))}`);
      await take(rows, part);
      read.rounds.push(part.round);
      read.rows += head.rows;
      read.of += head.of;
    } catch (error) {
      if (!(error instanceof RequestsFault)) throw error;
      read.faults.push({ round: part.round, message: error.message });
    }
  }
  return read;
}

interface Group {
  failed: number;
  pieces: Float32Array[];
  count: number;
}

/** Every latency of a request that did not fail, by side and name; how many failed is counted. */
class Values {
  readonly #sides = new Map<string, Map<string, Group>>();

  add({ latency, side, sides, name, names, failure }: RequestColumns): void {
    const counts = new Uint32Array(sides.length * names.length);
    const key = (i: number) => side[i]! * names.length + name[i]!;
    const failed = new Uint32Array(counts.length);
    for (let i = 0; i < latency.length; i++) (failure[i] === 0 ? counts : failed)[key(i)]!++;
    const pieces = Array.from(counts, (count) => new Float32Array(count));
    counts.fill(0);
    for (let i = 0; i < latency.length; i++) if (failure[i] === 0) pieces[key(i)]![counts[key(i)]!++] = latency[i]!;
    pieces.forEach((piece, place) => {
      if (piece.length + failed[place]! === 0) return;
      const groups = getOrMake(this.#sides, sides[Math.floor(place / names.length)]!, () => new Map<string, Group>());
      const group = getOrMake(groups, names[place % names.length]!, () => ({ failed: 0, pieces: [], count: 0 }));
      group.pieces.push(piece);
      group.count += piece.length + failed[place]!;
      group.failed += failed[place]!;
    });
  }

  lines(shares: readonly number[]): SummaryLine[] {
    const line = (side: string, name: string | null, groups: Group[]): SummaryLine => ({
      side: side as SideName,
      name,
      requests: sum(groups, ({ count }) => count),
      failed: sum(groups, ({ failed }) => failed),
      quantiles: quantilesOf(whole(groups), shares),
    });
    return [...this.#sides]
      .sort(([a], [b]) => (a < b ? 1 : -1))
      .flatMap(([side, groups]) => {
        const named = [...groups].sort(([, a], [, b]) => b.count - a.count);
        const rest = named.slice(MOST_NAMES).map(([, group]) => group);
        return [
          line(side, null, [...groups.values()]),
          ...named.slice(0, MOST_NAMES).map(([name, group]) => line(side, name, [group])),
          ...(rest.length > 0 ? [line(side, OTHER_NAMES, rest)] : []),
        ];
      });
  }

  bins(): Pick<RequestsPicture, 'edges' | 'shares'> {
    const sides = [...this.#sides].map(([side, groups]) => ({
      side: side as SideName,
      values: whole([...groups.values()]),
    }));
    const binOf = (value: number) => Math.floor(Math.log10(Math.max(value, LEAST_S)) * BINS_A_DECADE);
    let [first, last] = [Infinity, -Infinity];
    for (const { values } of sides)
      for (const value of values) [first, last] = [Math.min(first, binOf(value)), Math.max(last, binOf(value))];
    if (first > last) return { edges: [], shares: [] };
    const shares = sides.map(({ side, values }) => {
      const counts = new Array<number>(last - first + 1).fill(0);
      for (const value of values) counts[binOf(value) - first]!++;
      return { side, share: counts.map((count) => count / Math.max(1, values.length)) };
    });
    return { edges: Array.from({ length: last - first + 2 }, (_, i) => 10 ** ((first + i) / BINS_A_DECADE)), shares };
  }
}

interface Point {
  due: number;
  latency: number;
  round: number;
  failed: boolean;
}

class Points {
  /** A request is drawn where mixed() of its number is below. */
  readonly #limit: number;
  readonly #sides = new Map<string, { slowest: Point[]; least: number; failed: Point[]; drawn: Point[] }>();
  #seen = 0;

  /** `rows`: of both sides, which have about half each. */
  constructor(rows: number) {
    this.#limit = (2 ** 32 * 2 * DRAWN) / Math.max(rows, 1);
  }

  add(rows: RequestColumns, round: number): void {
    for (let i = 0; i < rows.latency.length; i++) {
      const kept = getOrMake(this.#sides, rows.sides[rows.side[i]!]!, () => ({
        slowest: [],
        least: -1,
        failed: [],
        drawn: [],
      }));
      const failed = rows.failure[i] !== 0;
      const isSlow = rows.latency[i]! > kept.least;
      const isDrawn = mixed(this.#seen++) < this.#limit;
      const isFailed = failed && kept.failed.length < MOST_FAILED;
      if (!isSlow && !isDrawn && !isFailed) continue;
      const point = { due: rows.due[i]!, latency: rows.latency[i]!, round, failed };
      if (isDrawn) kept.drawn.push(point);
      if (isFailed) kept.failed.push(point);
      if (isSlow && kept.slowest.push(point) >= 4 * SLOWEST) {
        kept.slowest = slowest(kept.slowest);
        kept.least = kept.slowest.at(-1)!.latency;
      }
    }
  }

  ofSides(): RequestPoints[] {
    return [...this.#sides]
      .sort(([a], [b]) => (a < b ? 1 : -1))
      .map(([side, kept]) => {
        const all = [...new Set([...slowest(kept.slowest), ...kept.failed, ...kept.drawn])].sort(
          (a, b) => a.due - b.due,
        );
        return {
          side: side as SideName,
          due: all.map(({ due }) => rounded(due)),
          latency: all.map(({ latency }) => rounded(latency)),
          round: all.map(({ round }) => round),
          failed: all.map(({ failed }) => failed),
        };
      });
  }
}

const slowest = (points: Point[]) => points.sort((a, b) => b.latency - a.latency).slice(0, SLOWEST);
/** Microseconds are enough for a picture. */
const rounded = (seconds: number) => Math.round(seconds * 1e7) / 1e7;

/**
 * A number below 2^32 that looks drawn: which requests are taken must not keep step with the order of sides. The
 * finalizer of MurmurHash3.
 */
function mixed(i: number): number {
  let h = i + 1;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** All values of these groups, sorted. */
function whole(groups: Group[]): Float32Array {
  const pieces = groups.flatMap((group) => group.pieces);
  const all = new Float32Array(sum(pieces, ({ length }) => length));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all.sort();
}

const sum = <T>(list: readonly T[], value: (one: T) => number) => list.reduce((total, one) => total + value(one), 0);

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}
