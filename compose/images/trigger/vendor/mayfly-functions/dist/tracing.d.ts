/**
 * Traces of a function: three lines of an author. Without OTEL_EXPORTER_ZIPKIN_ENDPOINT each of these is one comparison,
 * and nothing of OpenTelemetry is loaded.
 */
import type { Interceptor, ServerInterceptor } from '@grpc/grpc-js';
import type { Counts } from './export-queue.ts';
export type Attributes = Record<string, string | number | boolean | undefined>;
export type Kind = 'internal' | 'server' | 'client' | 'producer' | 'consumer';
export interface SpanOptions {
    /** The `traceparent` that it goes on from. Default: the span that is under way, else a trace of its own. */
    parent?: string | undefined;
    kind?: Kind;
    /** Its begin, where that is not now: milliseconds since the epoch, as nowMs() gives them. */
    startMs?: number;
}
export interface Current {
    traceId: string;
    spanId: string;
    sampled: boolean;
    traceparent: string;
}
/**
 * Begins tracing, if OTEL_EXPORTER_ZIPKIN_ENDPOINT is set. `attributes` are of every span. What OTEL_SERVICE_NAME,
 * OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG say is followed. Never throws.
 */
declare function start({ attributes }?: {
    attributes?: Attributes;
}): void;
/** Sends what is not sent yet, in less than a second, and ends. */
declare function stop(): Promise<void>;
/** Spans of the calls that arrive: `new Server({ interceptors: [tracing.grpcServer()] })`. */
declare function grpcServer(): ServerInterceptor;
/** Spans of the calls that are made, and the `traceparent` in their metadata: an interceptor of a client or of a call. */
declare function grpcClient(): Interceptor;
/** Calls `work` within a span that lasts until it has returned, or its promise is settled. An error becomes the span's. */
declare function span<Result>(name: string, attributes: Attributes, work: () => Result, options?: SpanOptions): Result;
/** A span that is over, such as one that began in another process. Returns its traceparent, where there is one. */
declare function ended(name: string, attributes: Attributes, { parent, kind, startMs, endMs }: SpanOptions & {
    startMs: number;
    endMs: number;
}): string | undefined;
/** More attributes for the span that is under way. */
declare function set(attributes: Attributes): void;
/** The span that is under way, recorded or not. */
declare function current(): Current | undefined;
/** The traceparent that an event came with: of the request that brought it, else of the event itself. */
declare function fromEvent(event: object, headers?: Record<string, unknown>): string | undefined;
/** The event with the traceparent of the span that is under way; without one as it is. */
declare function intoEvent<Event extends object>(event: Event): Event;
/** Spans since start(). */
declare function counts(): Counts;
export declare const tracing: {
    start: typeof start;
    stop: typeof stop;
    grpcServer: typeof grpcServer;
    grpcClient: typeof grpcClient;
    span: typeof span;
    ended: typeof ended;
    set: typeof set;
    current: typeof current;
    fromEvent: typeof fromEvent;
    intoEvent: typeof intoEvent;
    counts: typeof counts;
};
export {};
