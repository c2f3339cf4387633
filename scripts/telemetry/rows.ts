/**
 * The bytes of a telemetry file -> its rows. Written by hand over bytes: a general CSV parser makes an array of strings
 * of each row, and is slower than the 50 MB/s that a file of gigabytes needs; `npm run perf:telemetry` measures both.
 * Nothing here looks back further than one line, and a line is bounded.
 */
import type { Findings } from './findings.ts';
import { harmless, type Labels } from './labels.ts';

/** A longer line is malformed. */
const MOST_LINE_BYTES = 65_536;
const COLUMNS = ['Timepoint', 'Measurement', 'Label', 'PID'];
const YEAR_2000_MS = 946_684_800_000;
const DAY_MS = 86_400_000;
/** Powers of ten that a double holds exactly. */
const POWERS = Array.from({ length: 23 }, (_, n) => Number(`1e${n}`));
/** Whole numbers below it are exact in a double. */
const EXACT = 9e15;

const [TAB, NEWLINE, CARRIAGE_RETURN, SPACE, QUOTE, PLUS, COMMA, MINUS, POINT, ZERO, NINE, CAPITAL_E, SMALL_E] = [
  9, 10, 13, 32, 34, 43, 44, 45, 46, 48, 57, 69, 101,
];

/** Takes a row: milliseconds since the epoch, the measurement, what is kept for its label, the process. */
export type TakeRow<T> = (atMs: number, value: number, of: T, pid: number) => void;

export interface RowOptions<T> {
  /** In messages. */
  file: string;
  /** Its measurements are durations, which are never below zero. */
  durations: boolean;
  labels: Labels<T>;
  findings: Findings;
  row: TakeRow<T>;
  /** Milliseconds since the epoch. */
  nowMs: number;
}

/** Reads one file, in pieces of any size. What follows the last newline is not complete, and not read. */
export class RowParser<T> {
  readonly #options: RowOptions<T>;
  readonly #futureMs: number;
  #kept: Buffer = Buffer.alloc(0);
  /** In a line that is too long. */
  #skipping = false;
  #line = 0;
  #headless = false;

  constructor(options: RowOptions<T>) {
    this.#options = options;
    this.#futureMs = options.nowMs + DAY_MS;
  }

  /** Takes the next piece; the piece may be reused afterwards. false: the file is none of telemetry, no more is needed. */
  push(piece: Buffer): boolean {
    let data = piece;
    if (this.#kept.length > 0) data = Buffer.concat([this.#kept, piece]);
    let start = 0;
    const end = data.lastIndexOf(NEWLINE) + 1;
    if (this.#skipping && end > 0) {
      start = data.indexOf(NEWLINE) + 1;
      this.#skipping = false;
    }
    if (this.#line === 0 && start < end) start = this.#header(data);
    if (this.#headless) return false;
    this.#rows(data, start, end);
    if (this.#skipping) return true;
    this.#kept = Buffer.from(data.subarray(end));
    if (this.#kept.length > MOST_LINE_BYTES) {
      if (this.#line === 0) return this.#noHeader();
      this.#line++;
      this.#tooLong();
      this.#skipping = true;
      this.#kept = Buffer.alloc(0);
    }
    return true;
  }

  /** Place after the header. */
  #header(data: Buffer): number {
    const end = data.indexOf(NEWLINE);
    this.#line = 1;
    const text = data.toString('latin1', 0, Math.min(end, 200)).replace(/^\xef\xbb\xbf/, '');
    if (end > MOST_LINE_BYTES || !isHeader(split(text) ?? [])) this.#noHeader();
    return end + 1;
  }

  #noHeader(): boolean {
    if (!this.#headless) this.#options.findings.headless(this.#options.file);
    this.#headless = true;
    return false;
  }

  /** Rows as most producers write them; any other line goes to #otherwise. Every loop ends at a newline. */
  #rows(data: Buffer, from: number, end: number): void {
    const { labels, row, durations } = this.#options;
    let at = from;
    while (at < end) {
      const start = at;
      this.#line++;
      let byte = data[at]!;

      let timepoint = 0;
      while (byte >= ZERO && byte <= NINE) {
        timepoint = timepoint * 10 + (byte - ZERO);
        byte = data[++at]!;
      }
      if (byte !== COMMA || timepoint >= 1e20 || at === start) {
        at = this.#otherwise(data, start);
        continue;
      }
      do byte = data[++at]!;
      while (byte === SPACE);

      const number = at;
      const negative = byte === MINUS;
      if (negative) byte = data[++at]!;
      const digits = at;
      let mantissa = 0;
      let exponent = 0;
      while (byte >= ZERO && byte <= NINE) {
        mantissa = mantissa * 10 + (byte - ZERO);
        byte = data[++at]!;
      }
      let seen = at - digits;
      if (byte === POINT) {
        byte = data[++at]!;
        const fraction = at;
        while (byte >= ZERO && byte <= NINE) {
          mantissa = mantissa * 10 + (byte - ZERO);
          byte = data[++at]!;
        }
        exponent = fraction - at;
        seen -= exponent;
      }
      if (seen > 0 && (byte === SMALL_E || byte === CAPITAL_E)) {
        byte = data[++at]!;
        const below = byte === MINUS;
        if (below || byte === PLUS) byte = data[++at]!;
        const power = at;
        let given = 0;
        while (byte >= ZERO && byte <= NINE && at - power < 4) {
          given = given * 10 + (byte - ZERO);
          byte = data[++at]!;
        }
        if (at === power) seen = 0;
        exponent += below ? -given : given;
      }
      let value: number;
      if (mantissa < EXACT && exponent >= -22 && exponent <= 22) {
        value = exponent < 0 ? mantissa / POWERS[-exponent]! : mantissa * POWERS[exponent]!;
        if (negative) value = -value;
      } else value = Number(data.toString('latin1', number, at));
      while (byte === SPACE) byte = data[++at]!;
      if (seen === 0 || byte !== COMMA || (value < 0 && durations) || !Number.isFinite(value)) {
        at = this.#otherwise(data, start);
        continue;
      }
      do byte = data[++at]!;
      while (byte === SPACE);

      let first = at;
      let last: number;
      let hash = 0;
      if (byte === QUOTE) {
        first++;
        byte = data[++at]!;
        while (byte !== QUOTE && byte !== NEWLINE) {
          hash = (Math.imul(hash, 31) + byte) | 0;
          byte = data[++at]!;
        }
        last = at;
        if (byte === QUOTE) byte = data[++at]!;
        while (byte === SPACE) byte = data[++at]!;
      } else {
        while (byte !== COMMA && byte !== NEWLINE) {
          hash = (Math.imul(hash, 31) + byte) | 0;
          byte = data[++at]!;
        }
        last = at;
        while (last > first && data[last - 1]! <= SPACE) last--;
      }
      if (byte !== COMMA || data[first]! < SPACE) {
        at = this.#otherwise(data, start);
        continue;
      }
      do byte = data[++at]!;
      while (byte === SPACE);

      let pid = 0;
      const process = at;
      while (byte >= ZERO && byte <= NINE) {
        pid = pid * 10 + (byte - ZERO);
        byte = data[++at]!;
      }
      const known = at > process && at - process <= 10;
      while (byte === SPACE) byte = data[++at]!;
      if (byte === CARRIAGE_RETURN) byte = data[++at]!;
      if (!known || byte !== NEWLINE || at - start > MOST_LINE_BYTES) {
        at = this.#otherwise(data, start);
        continue;
      }
      at++;
      row(this.#time(timepoint), value, labels.at(data, first, last, hash), pid);
    }
  }

  /** Milliseconds since the epoch. The unit is known by the magnitude: each of 1973 to 5138 is of one unit only. */
  #time(timepoint: number): number {
    const { file, findings } = this.#options;
    let ms: number;
    if (timepoint >= 1e17) ms = timepoint / 1e6;
    else if (timepoint >= 1e14) {
      ms = timepoint / 1e3;
      findings.unit('us', file, this.#line);
    } else if (timepoint >= 1e11) {
      ms = timepoint;
      findings.unit('ms', file, this.#line);
    } else {
      ms = timepoint * 1e3;
      findings.unit('s', file, this.#line);
    }
    if (ms < YEAR_2000_MS || ms > this.#futureMs) findings.clock(ms, file, this.#line);
    return ms;
  }

  /** A line that is written in another way, or malformed. Returns the place after it. */
  #otherwise(data: Buffer, start: number): number {
    const end = data.indexOf(NEWLINE, start);
    if (end - start > MOST_LINE_BYTES) this.#tooLong();
    else {
      const fault = this.#general(data.toString('latin1', start, end));
      if (fault !== null) this.#malformed(fault);
    }
    return end + 1;
  }

  /** Takes a line field by field; what is wrong with it, or null. */
  #general(line: string): string | null {
    const { labels, row, durations } = this.#options;
    if (isBlank(line)) return null;
    const fields = split(line);
    if (fields === null) return 'a quote is not closed, or something follows it';
    if (fields.length !== COLUMNS.length)
      return `${fields.length === 1 ? '1 field' : `${fields.length} fields`} instead of ${COLUMNS.length}`;
    if (isHeader(fields)) return null; // files that were put one after the other
    const [at, measurement, label, process] = fields as [string, string, string, string];
    const timepoint = wholeNumber(at) ?? plainNumber(at);
    if (!(timepoint >= 0 && timepoint < 1e20)) return `Timepoint is no time: ${quoted(at)}`;
    const value = plainNumber(measurement);
    if (!Number.isFinite(value)) return `Measurement is no finite number: ${quoted(measurement)}`;
    if (durations && value < 0) return `Measurement is a duration below zero: ${quoted(measurement)}`;
    const pid = plainNumber(process);
    if (!Number.isInteger(pid) || pid < 0 || pid >= 1e10) return `PID is no whole number: ${quoted(process)}`;
    row(this.#time(timepoint), value, labels.of(label), pid);
    return null;
  }

  #tooLong(): void {
    this.#malformed(`longer than ${MOST_LINE_BYTES.toLocaleString('en')} bytes`);
  }

  #malformed(reason: string): void {
    this.#options.findings.malformed(`${this.#options.file}:${this.#line}`, reason);
  }
}

const quoted = (text: string) => JSON.stringify(harmless(text, 40));
const isHeader = (fields: string[]) =>
  fields.length === COLUMNS.length && fields.every((field, i) => field === COLUMNS[i]);

/** A number of digits alone, added up as #rows does it: to half a microsecond of a time. */
function wholeNumber(text: string): number | undefined {
  let sum = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < ZERO || code > NINE) return undefined;
    sum = sum * 10 + (code - ZERO);
  }
  return text === '' ? undefined : sum;
}

/** Digits, a sign, a point, an exponent; NaN for anything else that Number would take. */
function plainNumber(text: string): number {
  if (text === '' || text.length > 400) return Number.NaN;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const fits =
      (code >= ZERO && code <= NINE) ||
      code === POINT ||
      code === MINUS ||
      code === PLUS ||
      code === SMALL_E ||
      code === CAPITAL_E;
    if (!fits) return Number.NaN;
  }
  return Number(text);
}

const isPadding = (code: number) => code === SPACE || code === TAB || code === CARRIAGE_RETURN;

function isBlank(line: string): boolean {
  for (let i = 0; i < line.length; i++) if (!isPadding(line.charCodeAt(i))) return false;
  return true;
}

/** The fields of a line without their padding and quotes; null where a quote is not closed. */
function split(line: string): string[] | null {
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && isPadding(line.charCodeAt(at))) at++;
    if (line.charCodeAt(at) === QUOTE) {
      let field = '';
      let from = ++at;
      for (;;) {
        const quote = line.indexOf('"', at);
        if (quote === -1) return null;
        field += line.slice(from, quote);
        at = quote + 1;
        if (line.charCodeAt(at) !== QUOTE) break;
        from = at++; // the second one of two is kept
      }
      while (at < line.length && isPadding(line.charCodeAt(at))) at++;
      if (at < line.length && line.charCodeAt(at) !== COMMA) return null;
      fields.push(field);
    } else {
      const comma = line.indexOf(',', at);
      let end = comma === -1 ? line.length : comma;
      const next = end;
      while (end > at && isPadding(line.charCodeAt(end - 1))) end--;
      fields.push(line.slice(at, end));
      at = next;
    }
    if (at >= line.length) return fields;
    at++;
  }
}
