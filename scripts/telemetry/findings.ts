/** What was odd about telemetry files: counted, and told in a sentence each. */
import { plural } from '../core/text.ts';

type TimeUnit = 's' | 'ms' | 'us';
const UNITS: Record<TimeUnit, string> = { s: 'seconds', ms: 'milliseconds', us: 'microseconds' };

/** How often something was so, and where first. */
interface Seen {
  count: number;
  first: string;
}

export class Findings {
  #malformed: Seen | undefined;
  readonly #units = new Map<TimeUnit, Seen>();
  #clock: Seen | undefined;
  #headless: Seen | undefined;
  #unknown: Seen | undefined;

  malformed(place: string, reason: string): void {
    if (this.#malformed) this.#malformed.count++;
    else this.#malformed = { count: 1, first: `${place}: ${reason}` };
  }

  /** A timepoint that is not in nanoseconds. */
  unit(unit: TimeUnit, file: string, line: number): void {
    const seen = this.#units.get(unit);
    if (seen) seen.count++;
    else this.#units.set(unit, { count: 1, first: `${file}:${line}` });
  }

  /** A timepoint before 2000 or in the future. */
  clock(atMs: number, file: string, line: number): void {
    if (this.#clock) this.#clock.count++;
    else this.#clock = { count: 1, first: `${file}:${line}, ${new Date(atMs).toISOString()}` };
  }

  /** A file that is none of telemetry. */
  headless(file: string): void {
    this.#headless = { count: (this.#headless?.count ?? 0) + 1, first: this.#headless?.first ?? file };
  }

  /** A file of which the name does not say what it holds. */
  unknownPrefix(file: string): void {
    this.#unknown = { count: (this.#unknown?.count ?? 0) + 1, first: this.#unknown?.first ?? file };
  }

  notes(): string[] {
    const notes: string[] = [];
    if (this.#headless)
      notes.push(
        `${plural(this.#headless.count, 'file')} left out, since the first line is not "Timepoint, Measurement, Label, PID": ${also(this.#headless)}`,
      );
    if (this.#malformed)
      notes.push(
        `${plural(this.#malformed.count, 'malformed line')} left out; the first one is ${this.#malformed.first}`,
      );
    for (const [unit, { count, first }] of this.#units)
      notes.push(`${plural(count, 'timepoint')} taken as ${UNITS[unit]}, not nanoseconds; the first one is ${first}`);
    if (this.#clock)
      notes.push(
        `${plural(this.#clock.count, 'timepoint')} before 2000 or in the future, so of another clock; the first one is ${this.#clock.first}`,
      );
    if (this.#unknown)
      notes.push(
        `${plural(this.#unknown.count, 'file')} taken as "other", since the name does not begin with duration, runtime or profiler: ${also(this.#unknown)}`,
      );
    return notes;
  }
}

const also = ({ count, first }: Seen) =>
  count === 1 ? first : `${first} and ${(count - 1).toLocaleString('en')} more`;
