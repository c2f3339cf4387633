/** What the hooks for node:http, Fastify and Express share: one duration for each request, under `path [METHOD]`. */
import { type IncomingMessage, type ServerResponse } from 'node:http';
/** On a request that is timed: a second hook counts it no second time, but may know its route. */
declare const timed: unique symbol;
type RouteOf = () => string | undefined;
type Request = Pick<IncomingMessage, 'method' | 'on'> & {
    [timed]?: RouteOf[];
};
/** Records the time from now to the end of the answer, or to the end of the connection. `routeOf` is asked then. */
export declare function timeRequest(request: Request, response: Pick<ServerResponse, 'on'>, routeOf: RouteOf): void;
export {};
