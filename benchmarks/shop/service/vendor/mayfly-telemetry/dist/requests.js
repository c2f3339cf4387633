/** What the hooks for node:http, Fastify and Express share: one duration for each request, under `path [METHOD]`. */
import { METHODS } from 'node:http';
import { performance } from 'node:perf_hooks';
import { isOn, recordAt } from "./recorder.js";
/** A request that no route has taken. */
const NO_ROUTE = '(no route)';
const OTHER_METHOD = '(other)';
const KNOWN = new Set(METHODS);
/** On a request that is timed: a second hook counts it no second time, but may know its route. */
const timed = Symbol('mayfly-telemetry.timed');
/** Records the time from now to the end of the answer, or to the end of the connection. `routeOf` is asked then. */
export function timeRequest(request, response, routeOf) {
    if (!isOn())
        return;
    if (request[timed]) {
        request[timed].unshift(routeOf);
        return;
    }
    const routes = [routeOf];
    request[timed] = routes;
    const from = performance.now();
    let isOpen = true;
    const end = () => {
        if (!isOpen)
            return;
        isOpen = false;
        const to = performance.now();
        recordAt('duration', labelOf(request.method, routes), (to - from) / 1000, to);
    };
    response.on('close', end);
    // Node.js 20 never closes an answer that waits behind another one of a connection that has ended.
    request.on('aborted', end);
}
function labelOf(method, routes) {
    let path = NO_ROUTE;
    for (const routeOf of routes) {
        try {
            const route = routeOf();
            if (typeof route !== 'string' || route === '')
                continue;
            path = route;
            break;
        }
        catch {
            // A fault of what names routes is none of the request's.
        }
    }
    return `${path} [${method !== undefined && KNOWN.has(method) ? method : OTHER_METHOD}]`;
}
