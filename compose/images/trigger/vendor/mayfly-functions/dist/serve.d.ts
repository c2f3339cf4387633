import type { CloudEvent } from 'cloudevents';
export interface Delivery {
    /** The trigger that sent it here; null where none did. */
    trigger: string | null;
}
/** Its event is done once it has returned, or its promise is resolved. An error with a `status` is answered with that. */
export type Handler = (event: CloudEvent<any>, delivery: Delivery) => unknown;
export interface ServeOptions {
    /** Default: the environment variable PORT, else 8080. 0: a free one. */
    port?: number;
    /** Default: the environment variable HOST, else all. */
    host?: string;
    /** Bytes of a request (1 MiB). */
    maxBytes?: number;
    /** Whether SIGTERM and SIGINT finish what is under way and end the process (true). */
    signals?: boolean;
}
export interface EventServer {
    readonly port: number;
    /** Takes no more, finishes what is under way, and sends the spans. */
    stop(): Promise<void>;
}
/** Resolves once it listens. `GET /healthz` answers 200 from then on. */
export declare function serveEvents(handler: Handler, options?: ServeOptions): Promise<EventServer>;
