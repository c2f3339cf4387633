import type { Context, Span, SpanContext } from '@opentelemetry/api';
import { type Counts } from './export-queue.ts';
import type { Attributes, Kind } from './tracing.ts';
/** A span that is under way, or that nobody records: then there is only its context, which is passed on. */
export interface Begun {
    context: Context;
    span: Span | null;
    /** Microseconds since the epoch; 0 where nobody records it. */
    start: number;
}
export interface Otel {
    /** `parent`: a traceparent; undefined: what is under way, else nothing. */
    begin(name: string, kind: Kind, attributes: Attributes, parent: string | undefined, startMs?: number): Begun;
    /** Runs within its context. */
    within<Result>(begun: Begun, work: () => Result): Result;
    /** Ends it; of an error, that is what it says. */
    end(begun: Begun, error?: unknown, endMs?: number): void;
    /** The same with the message of a failure. Empty: it has failed, and says nothing of it. */
    fail(begun: Begun, message: string): void;
    set(attributes: Attributes): void;
    /** Of a span, or of the one that is under way. */
    contextOf(begun?: Begun): SpanContext | undefined;
    flush(): Promise<void>;
    stop(): Promise<void>;
    counts(): Counts;
}
/** Throws where a package is missing, or the address is none. */
export declare function startOtel(url: string, own: Attributes): Otel;
