/**
 * The events of a generator: lines of its standard output that it has written so far, and those to come. The generator
 * runs code of the benchmark's author, who may print what he likes: nothing of it is taken for granted, or kept without
 * a bound.
 */
import type { LoadEvent } from '../../../loadgen/result.ts';

/** A line that is longer is none of ours. */
const LONGEST_LINE = 4 * 1024 ** 2;
const LONGEST_MESSAGE = 2000;

type Name = LoadEvent['event'];
type Named<N extends Name> = Extract<LoadEvent, { event: N }>;

export class EventStream {
  /** The first of each kind: there is one of each. */
  readonly #events = new Map<Name, LoadEvent>();
  readonly #wake = new Set<() => void>();
  #rest = '';
  /** The line that is being read is too long already. */
  #skipping = false;
  #ended = false;
  #error: unknown;

  add(text: string): void {
    const lines = text.split('\n');
    const rest = lines.pop()!;
    for (const line of lines) {
      const event = this.#skipping ? null : readEvent(this.#rest + line);
      if (event && !this.#events.has(event.event)) this.#events.set(event.event, event);
      this.#rest = '';
      this.#skipping = false;
    }
    this.#rest += rest;
    if (this.#rest.length > LONGEST_LINE) {
      this.#rest = '';
      this.#skipping = true;
    }
    this.#tell();
  }

  /** Nothing more comes. */
  end(error?: unknown): void {
    this.#ended = true;
    this.#error = error;
    this.#tell();
  }

  find<N extends Name>(name: N): Named<N> | undefined {
    return this.#events.get(name) as Named<N> | undefined;
  }

  /**
   * The event of this name, or a fault, whichever is first; null when the stream ends without. The signal's reason is
   * thrown.
   */
  async wait<N extends Name>(name: N, signal: AbortSignal): Promise<Named<N> | Named<'fault'> | null> {
    for (;;) {
      signal.throwIfAborted();
      const found = this.find('fault') ?? this.find(name);
      if (found) return found;
      if (this.#error) throw this.#error;
      if (this.#ended) return null;
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#wake.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#wake.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    }
  }

  #tell(): void {
    for (const wake of [...this.#wake]) wake();
  }
}

/** An event in a line; null where it is none. */
function readEvent(line: string): LoadEvent | null {
  if (line.length > LONGEST_LINE || !line.startsWith('{"event":"')) return null;
  try {
    return eventOf(JSON.parse(line));
  } catch {
    return null;
  }
}

/**
 * The event, where it holds what one of its name holds. Whether the result is one is judged by its schema
 * (check-result.ts).
 */
function eventOf(given: Record<string, unknown>): LoadEvent | null {
  const { event, startMs, endMs, files, kind, message, hint, result } = given;
  if (event === 'ready') return { event };
  if (event === 'checked')
    return isRecord(files) && Object.values(files).every((hash) => typeof hash === 'string')
      ? { event, files: files as Record<string, string> }
      : null;
  if (event === 'window') return isTime(startMs) && isTime(endMs) ? { event, startMs, endMs } : null;
  if (event === 'ended') return isTime(endMs) ? { event, endMs } : null;
  if (event === 'fault')
    return (kind === 'usage' || kind === 'generator') && typeof message === 'string'
      ? {
          event,
          kind,
          message: message.slice(0, LONGEST_MESSAGE),
          ...(typeof hint === 'string' ? { hint: hint.slice(0, LONGEST_MESSAGE) } : {}),
        }
      : null;
  if (event === 'result')
    return isRecord(result) ? { event, result: result as unknown as Named<'result'>['result'] } : null;
  return null;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
