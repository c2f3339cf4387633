/** CloudEvents over HTTP: binary mode out; binary and structured mode in. */
import type { IncomingHttpHeaders } from 'node:http';
import { CloudEvent } from 'cloudevents';
/** A request that holds no CloudEvent, and of which one it does not: what it names as its id and source. */
export declare class EventError extends Error {
    readonly status: number;
    readonly id: string | null;
    readonly source: string | null;
    constructor(message: string, { id, source }?: {
        id?: unknown;
        source?: unknown;
    }, status?: number);
}
/** An event as an HTTP request in binary mode. Data is JSON, unless it is bytes, or a text of another type than JSON. */
export declare function toHttp(event: CloudEvent<any>): {
    headers: Record<string, string>;
    body: Buffer;
};
/** The event that a request holds. Throws an EventError that says what is wrong with it. */
export declare function fromHttp(headers: IncomingHttpHeaders, body: Buffer): CloudEvent<any>;
