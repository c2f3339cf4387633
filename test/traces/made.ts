/** Spans for the tests of traces. */
import type { Span } from '../../scripts/traces/spans.ts';

export const TRACE = 'a'.repeat(32);
/** A name -> an id of 16 hexadecimal digits. */
export const idOf = (name: string): string => Buffer.from(name).toString('hex').padStart(16, '0').slice(-16);
/** Somewhen, in microseconds. */
export const BEGAN = 1_790_000_000_000_000;

/** A span from `from` to `to`, microseconds after the begin; its service is the first word of its name. */
export function made(name: string, parent: string | null, from: number, to: number, more: Partial<Span> = {}): Span {
  return {
    traceId: TRACE,
    id: idOf(name),
    parentId: parent === null ? null : idOf(parent),
    shared: false,
    kind: null,
    name,
    service: name.split(' ')[0]!,
    start: BEGAN + from,
    duration: to - from,
    tags: {},
    ...more,
  };
}
