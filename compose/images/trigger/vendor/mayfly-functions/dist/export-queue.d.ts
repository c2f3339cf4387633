/** Finished spans on their way to Zipkin, in batches; the function never waits for them. */
import type { ZipkinExporter } from '@opentelemetry/exporter-zipkin';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace';
export interface Counts {
    /** Zipkin has them. */
    sent: number;
    /** There was no room, or Zipkin refused them. */
    lost: number;
    waiting: number;
}
export declare class ExportQueue implements SpanProcessor {
    #private;
    constructor(exporter: ZipkinExporter, url: string);
    onStart(): void;
    onEnd(span: ReadableSpan): void;
    /** Sends what waits now. Never rejects: what could not be sent waits on, or is lost. */
    forceFlush(): Promise<void>;
    shutdown(): Promise<void>;
    get counts(): Counts;
}
