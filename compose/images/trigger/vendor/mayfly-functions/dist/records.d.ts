/** An event is known by both. Times are milliseconds since the epoch with a fraction, as nowMs() of the clock gives them. */
interface Of {
    t: number;
    id: string;
    source: string;
}
/** Producer: before the sink gets it. */
export interface Offered extends Of {
    e: 'offered';
    type: string;
    seq: number | null;
    scheduled: number | null;
    received: number | null;
}
/** Producer: the sink has answered 2xx. */
export interface Accepted extends Of {
    e: 'accepted';
    tries: number;
}
/** Producer: given up. */
export interface Rejected extends Of {
    e: 'rejected';
    status: number | null;
    why: string;
}
/** Ingress: the broker has acknowledged it. No trigger: unrouted. */
export interface Taken extends Of {
    e: 'taken';
    triggers: string[];
}
/** Ingress: it was no CloudEvent. */
export interface Refused {
    e: 'refused';
    t: number;
    id: string | null;
    source: string | null;
    why: string;
}
/** Trigger service: one attempt has ended. `stored`: when the broker got the event. */
export interface Attempt extends Of {
    e: 'attempt';
    end: number;
    trigger: string;
    n: number;
    stored: number | null;
    status: number | null;
}
/** Trigger service: the broker has the acknowledgement, or the dead letter. */
export interface Settled extends Of {
    e: 'settled';
    trigger: string;
    as: 'delivered' | 'dead-lettered';
    why?: string;
}
/** Consumer: done, before it answers. */
export interface Consumed extends Of {
    e: 'consumed';
    end: number;
    seq: number | null;
    trigger: string | null;
    scheduled: number | null;
}
export type EventRecord = Offered | Accepted | Rejected | Taken | Refused | Attempt | Settled | Consumed;
/**
 * Writes a record, and returns when it is in the file. Where it cannot be written, one line on stderr says so and
 * nothing is recorded from then on: the function goes on.
 */
export declare function record(what: EventRecord): void;
export {};
