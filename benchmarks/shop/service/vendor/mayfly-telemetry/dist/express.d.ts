import type { IncomingMessage, ServerResponse } from 'node:http';
/**
 * Middleware for Express 4 and 5: times every request under the pattern of its route, with the patterns of the routers
 * that it lies in. It is the first thing that an application uses.
 */
export declare function expressTelemetry(): (request: IncomingMessage, response: ServerResponse, next: () => void) => void;
