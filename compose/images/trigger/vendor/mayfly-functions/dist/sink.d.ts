/** What an author gives of an event: its type, its data, and extension attributes. */
export interface NewEvent {
    type: string;
    data?: unknown;
    subject?: string;
    datacontenttype?: string;
    [attribute: string]: unknown;
}
export interface Times {
    /** When the client wanted it, in milliseconds since the epoch: it goes with the event, as its attribute `scheduled`. */
    scheduledMs?: number | null;
    /** When this function was asked for it. */
    receivedMs?: number | null;
}
export interface SinkOptions {
    /** Default: the environment variable K_SINK. */
    url?: string;
    /** Of all its events. Default: one that no other process has. */
    source?: string;
    /** Tries of an event in all (8). */
    tries?: number;
    /** Between the first two in milliseconds (50); it doubles. */
    backoffMs?: number;
    /** Of one try (5000). */
    timeoutMs?: number;
}
export interface Sent {
    id: string;
    source: string;
    tries: number;
}
export interface Sink {
    readonly source: string;
    /** Resolves once the sink is there, however long that takes. */
    ready(): Promise<void>;
    /** Resolves once the sink has taken the event. Rejects with a SinkError once it is given up. */
    send(event: NewEvent, times?: Times): Promise<Sent>;
    /** Closes its connections. */
    close(): void;
}
/** An event that the sink did not take: the status of its last answer, null without one. */
export declare class SinkError extends Error {
    readonly status: number | null;
    readonly id: string;
    constructor(message: string, id: string, status: number | null);
}
/** The sink of a function. Throws where neither `url` nor K_SINK says where it is. */
export declare function eventSink(options?: SinkOptions): Sink;
