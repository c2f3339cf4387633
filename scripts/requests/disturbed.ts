/**
 * What became of the requests of one side in disturbances of its window: how many failed, how long it took until all was
 * as before, the tail within and without. Pure; docs/deployments.md has the definition.
 */
import type { RequestColumns } from '../../loadgen/requests-file.ts';
import { quantilesOf } from './quantiles.ts';

/** A disturbance, in seconds from the start of the window. */
export interface Span {
  fromS: number;
  toS: number;
}

export interface SpanFigures {
  /** Requests that were under way at some moment from its begin until the service had recovered and it was over. */
  requests: number;
  failed: number;
  /** Null where it did not come in the window. */
  recoveryS: number | null;
  p99Inside: number | null;
}

export interface DisturbedFigures {
  spans: SpanFigures[];
  /** Of all spans together: each request counts once. */
  failed: number;
  p99Inside: number | null;
  /** Of the requests that are in no span. */
  p99Outside: number | null;
}

/** So long it has to be as before: no request that is under way in it fails, and latency is within the factor. */
export const CALM_S = 1;
/** A calm time has so many requests at least: at a low rate it is longer. */
const LEAST_REQUESTS = 20;
/** The median and the 95th percentile may be so much above what they were before. */
export const FACTOR = 2;
/** Moments that are looked at. */
const STEP_S = 0.05;
const LATENCY = [0.5, 0.95] as const;
const TAIL = 0.99;

/** A request: when it was due and when it ended, its latency, whether it failed. */
interface Row {
  due: number;
  end: number;
  latency: number;
  failed: boolean;
}

/** What a stretch of the window is like. */
interface Look {
  /** It has too few requests within the window. */
  isOpen: boolean;
  failed: boolean;
  latency: number[];
}

export function disturbedFigures(
  columns: Pick<RequestColumns, 'due' | 'startLag' | 'latency' | 'side' | 'sides' | 'failure'>,
  side: string,
  spans: readonly Span[],
  windowS: number,
): DisturbedFigures {
  const rows = rowsOf(columns, side);
  const usual = usualLatency(rows, Math.min(...spans.map(({ fromS }) => fromS)), windowS);
  const found = spans.map((span) => {
    const recoveryS = recoveryOf(rows, span, usual, windowS);
    const toS = recoveryS === null ? windowS : Math.max(span.toS, span.fromS + recoveryS);
    const own = rows.filter(({ due, end }) => end >= span.fromS && due <= toS);
    return { own, figures: { requests: own.length, failed: failedOf(own), recoveryS, p99Inside: tailOf(own) } };
  });
  const inside = new Set(found.flatMap(({ own }) => own));
  return {
    spans: found.map(({ figures }) => figures),
    failed: failedOf([...inside]),
    p99Inside: tailOf([...inside]),
    p99Outside: tailOf(rows.filter((row) => !inside.has(row))),
  };
}

function rowsOf(
  { due, startLag, latency, side, sides, failure }: Parameters<typeof disturbedFigures>[0],
  wanted: string,
): Row[] {
  const place = sides.indexOf(wanted);
  const rows: Row[] = [];
  for (let i = 0; i < due.length; i++)
    if (side[i] === place)
      rows.push({
        due: due[i]!,
        end: due[i]! + startLag[i]! + latency[i]!,
        latency: latency[i]!,
        failed: failure[i] !== 0,
      });
  return rows.sort((a, b) => a.due - b.due);
}

/** What is usual: of the stretches before the first disturbance the one in the middle. Null where there is none. */
function usualLatency(rows: readonly Row[], untilS: number, windowS: number): number[] | null {
  const looks: Look[] = [];
  const walk = new Walk(rows, windowS);
  for (let at = 0; at + CALM_S <= untilS; at += CALM_S) looks.push(walk.at(at));
  const whole = looks.filter(({ isOpen, latency }) => !isOpen && latency.length > 0);
  if (whole.length === 0) return null;
  return LATENCY.map((_, i) => {
    const values = whole.map(({ latency }) => latency[i]!).sort((a, b) => a - b);
    return values[Math.floor(values.length / 2)]!;
  });
}

/**
 * Seconds from its begin to the first moment from which on it is calm, until the disturbance is over and for a calm time
 * at least.
 */
function recoveryOf(
  rows: readonly Row[],
  { fromS, toS }: Span,
  usual: number[] | null,
  windowS: number,
): number | null {
  const walk = new Walk(rows, windowS);
  let since: number | null = null;
  for (let step = 0; ; step++) {
    const at = fromS + step * STEP_S;
    const look = walk.at(at);
    if (look.isOpen) return null;
    const isCalm = !look.failed && (usual === null || look.latency.every((value, i) => value <= usual[i]! * FACTOR));
    since = isCalm ? (since ?? at) : null;
    if (since !== null && at >= toS) return since - fromS;
  }
}

/** Goes forward over the requests that are under way. */
class Walk {
  readonly #rows: readonly Row[];
  readonly #windowS: number;
  #next = 0;
  #active: Row[] = [];
  constructor(rows: readonly Row[], windowS: number) {
    this.#rows = rows;
    this.#windowS = windowS;
  }

  /** The calm time from this moment on. Moments come in order. */
  at(fromS: number): Look {
    const rows = this.#rows;
    let toS = fromS + CALM_S;
    const take = (isWanted: (row: Row) => boolean) => {
      while (this.#next < rows.length && isWanted(rows[this.#next]!)) this.#active.push(rows[this.#next++]!);
    };
    take(({ due }) => due < toS);
    this.#active = this.#active.filter(({ end }) => end >= fromS);
    take(() => this.#active.length < LEAST_REQUESTS);
    toS = Math.max(toS, this.#active.at(-1)?.due ?? toS);
    const good = this.#active.filter(({ failed }) => !failed);
    return {
      isOpen: toS > this.#windowS || this.#active.length < LEAST_REQUESTS,
      failed: good.length < this.#active.length,
      latency: latenciesOf(good, LATENCY),
    };
  }
}

const failedOf = (rows: readonly Row[]) => rows.filter(({ failed }) => failed).length;
const tailOf = (rows: readonly Row[]) =>
  latenciesOf(
    rows.filter(({ failed }) => !failed),
    [TAIL],
  )[0] ?? null;

function latenciesOf(rows: readonly Row[], shares: readonly number[]): number[] {
  const sorted = Float32Array.from(rows, ({ latency }) => latency).sort();
  return quantilesOf(sorted, shares).map(({ seconds }) => seconds);
}
