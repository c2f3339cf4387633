/**
 * The records of events that services wrote in a round (docs/events.md), as a stream. They are written by code under
 * test: every field is checked and bounded, and a record that is not as it must be is counted, never guessed.
 */
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { plainText, plural } from '../core/text.ts';

/** What all records have: when, in Unix milliseconds with a fraction. */
interface At {
  t: number;
}
/** An event is its source and its id together. */
interface Named extends At {
  id: string;
  source: string;
}
/** A producer has it, before it is given to the sink. */
export interface Offered extends Named {
  e: 'offered';
  seq: number | null;
  scheduled: number | null;
  received: number | null;
}
/** The sink has answered that it has it. */
export interface Accepted extends Named {
  e: 'accepted';
}
/** The producer has given it up. */
export interface Rejected extends Named {
  e: 'rejected';
}
/** The broker has it, for these triggers. */
export interface Taken extends Named {
  e: 'taken';
  triggers: string[];
}
/** It is none of CloudEvents: what is known of it. */
export interface Refused extends At {
  e: 'refused';
  id: string | null;
  source: string | null;
}
/** One attempt of a delivery, from `t` to `end`. */
export interface Attempt extends Named {
  e: 'attempt';
  end: number;
  trigger: string;
  stored: number | null;
  status: number | null;
}
/** The broker has taken its acknowledgement, or its dead letter. */
export interface Settled extends Named {
  e: 'settled';
  trigger: string;
  as: 'delivered' | 'dead-lettered';
  why: string | null;
}
/** The consumer has done its work, from `t` to `end`, and answers next. */
export interface Consumed extends Named {
  e: 'consumed';
  end: number;
  seq: number | null;
  trigger: string | null;
  scheduled: number | null;
}
export type EventRecord = Offered | Accepted | Rejected | Taken | Refused | Attempt | Settled | Consumed;

/** Files of one service. Only the trigger service may say what the broker and the triggers did. */
export interface RecordFiles {
  service: string;
  role: 'function' | 'trigger';
  paths: readonly string[];
}

export interface ReadOptions {
  /** Names of the triggers that there are. */
  triggers: readonly string[];
  /** Times of this round: Unix milliseconds. */
  fromMs: number;
  toMs: number;
}

/** What was odd about the records; grows while they are read. */
export interface RecordFindings {
  /** Records that could not be read. */
  unreadable: number;
  /** A sentence for each service. */
  notes: string[];
}

/** A longer line is none: a record is at most a page, and so is what is left free before it. */
const MOST_LINE_BYTES = 8192;
const MOST_TEXT = 2048;
const MOST_WHY = 120;
const MOST_TRIGGERS = 1000;
/** Unreadable records of a service that are named. */
const MOST_NAMED = 3;
const READ_BYTES = 1 << 20;
const NEWLINE = 10;

type Fields = Record<string, unknown>;

/** What is wrong with a record. */
class Fault extends Error {}

/** Reads one file after the other. What follows the last newline is not complete, and not read. */
export async function* readRecords(
  files: readonly RecordFiles[],
  options: ReadOptions,
  findings: RecordFindings,
): AsyncGenerator<EventRecord> {
  const check = new Check(options);
  for (const { service, role, paths } of files) {
    const faults: string[] = [];
    let unreadable = 0;
    const odd = (place: string, why: string) => {
      unreadable++;
      if (faults.length < MOST_NAMED) faults.push(`${place} ${why}`);
    };
    for (const path of paths) {
      let number = 0;
      for await (const lines of linesOf(path)) {
        for (const line of lines) {
          number++;
          if (line === '') continue;
          const found = line === null ? `is longer than ${MOST_LINE_BYTES} bytes` : check.record(line, role);
          if (typeof found !== 'string') yield found;
          else odd(`${basename(path)}:${number}`, found);
        }
      }
    }
    if (unreadable === 0) continue;
    findings.unreadable += unreadable;
    const more = unreadable > faults.length ? `; and ${unreadable - faults.length} more` : '';
    findings.notes.push(
      plainText(`${service}: ${plural(unreadable, 'record')} cannot be read: ${faults.join('; ')}${more}`),
    );
  }
}

/** The complete lines of a file, piece by piece, without what is blank around them; null for one that is too long. */
async function* linesOf(path: string): AsyncGenerator<(string | null)[]> {
  await using file = await open(path);
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  let kept = 0;
  let isTooLong = false;
  for (;;) {
    const { bytesRead } = await file.read(buffer, kept, READ_BYTES - kept);
    if (bytesRead === 0) return;
    const end = kept + bytesRead;
    const lines: (string | null)[] = [];
    let at = 0;
    for (let newline = buffer.indexOf(NEWLINE, kept); newline >= 0 && newline < end; ) {
      const fits = !isTooLong && newline - at <= MOST_LINE_BYTES;
      lines.push(fits ? buffer.toString('utf8', at, newline).trim() : null);
      isTooLong = false;
      at = newline + 1;
      newline = buffer.indexOf(NEWLINE, at);
    }
    kept = end - at;
    if (kept > MOST_LINE_BYTES) {
      isTooLong = true;
      kept = 0;
    }
    buffer.copyWithin(0, at, at + kept);
    yield lines;
  }
}

/** A line -> its record, made anew of what is known; or what is wrong with it. */
class Check {
  readonly #triggers: ReadonlyMap<string, string>;
  readonly #options: ReadOptions;

  constructor(options: ReadOptions) {
    this.#options = options;
    // the same text for each record of it
    this.#triggers = new Map(options.triggers.map((name) => [name, name]));
  }

  record(line: string, role: RecordFiles['role']): EventRecord | string {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      return 'is no JSON';
    }
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return 'is no JSON object';
    try {
      return this.#read(value as Fields, role);
    } catch (error) {
      if (error instanceof Fault) return error.message;
      throw error;
    }
  }

  #read(found: Fields, role: RecordFiles['role']): EventRecord {
    const { e } = found;
    const ofTrigger = e === 'taken' || e === 'refused' || e === 'attempt' || e === 'settled';
    const ofFunction = e === 'offered' || e === 'accepted' || e === 'rejected' || e === 'consumed';
    if (!ofTrigger && !ofFunction) throw new Fault(`has e ${shown(e)}, which is no kind of record`);
    if (ofTrigger !== (role === 'trigger'))
      throw new Fault(
        ofTrigger ? `is ${shown(e)}, which the trigger service alone may say` : `is ${shown(e)} of the trigger service`,
      );
    const t = this.#time(found, 't');
    if (e === 'refused') return { e, t, id: textOrNull(found, 'id'), source: textOrNull(found, 'source') };
    const [id, source] = [text(found, 'id'), text(found, 'source')];
    switch (e) {
      case 'offered': {
        const [scheduled, received] = [this.#timeOrNull(found, 'scheduled'), this.#timeOrNull(found, 'received')];
        return { e, t, id, source, seq: sequence(found), scheduled, received };
      }
      case 'accepted':
      case 'rejected':
        return { e, t, id, source };
      case 'taken':
        return { e, t, id, source, triggers: this.#names(found) };
      case 'attempt': {
        const [end, stored] = [this.#end(found, t), this.#timeOrNull(found, 'stored')];
        return { e, t, id, source, end, trigger: this.#trigger(found.trigger), stored, status: statusOf(found) };
      }
      case 'settled': {
        const { as } = found;
        if (as !== 'delivered' && as !== 'dead-lettered') throw new Fault(`has as ${shown(as)}`);
        const why = typeof found.why === 'string' ? plainText(found.why.slice(0, MOST_WHY)) : null;
        return { e, t, id, source, trigger: this.#trigger(found.trigger), as, why };
      }
      default: {
        const trigger = found.trigger == null ? null : this.#trigger(found.trigger);
        const scheduled = this.#timeOrNull(found, 'scheduled');
        return { e: 'consumed', t, id, source, end: this.#end(found, t), seq: sequence(found), trigger, scheduled };
      }
    }
  }

  #time(found: Fields, name: string): number {
    const value = found[name];
    if (typeof value !== 'number' || !(value >= this.#options.fromMs && value <= this.#options.toMs))
      throw new Fault(`has ${name} ${shown(value)}, which is no time of this round`);
    return value;
  }

  #timeOrNull(found: Fields, name: string): number | null {
    return found[name] == null ? null : this.#time(found, name);
  }

  #end(found: Fields, t: number): number {
    const end = this.#time(found, 'end');
    if (end < t) throw new Fault('ends before it begins');
    return end;
  }

  #trigger(value: unknown): string {
    const known = typeof value === 'string' ? this.#triggers.get(value) : undefined;
    if (known === undefined) throw new Fault(`names trigger ${shown(value)}, which there is none of`);
    return known;
  }

  #names({ triggers }: Fields): string[] {
    if (!Array.isArray(triggers) || triggers.length > MOST_TRIGGERS) throw new Fault('has no list of triggers');
    return triggers.map((name) => this.#trigger(name));
  }
}

function text(found: Fields, name: string): string {
  const value = found[name];
  if (typeof value !== 'string' || value === '' || value.length > MOST_TEXT)
    throw new Fault(`has ${name} ${shown(value)}, which is no text of 1 to ${MOST_TEXT} letters`);
  return value;
}

const textOrNull = (found: Fields, name: string) => (found[name] == null ? null : text(found, name));

function sequence({ seq }: Fields): number | null {
  if (seq == null) return null;
  if (!Number.isSafeInteger(seq) || (seq as number) < 0) throw new Fault(`has seq ${shown(seq)}`);
  return seq as number;
}

function statusOf({ status }: Fields): number | null {
  if (status == null) return null;
  if (!Number.isInteger(status) || (status as number) < 100 || (status as number) > 999)
    throw new Fault(`has status ${shown(status)}`);
  return status as number;
}

const shown = (value: unknown): string => plainText((JSON.stringify(value) ?? 'missing').slice(0, 40));
