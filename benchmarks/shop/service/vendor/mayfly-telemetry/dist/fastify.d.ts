import type { IncomingMessage, ServerResponse } from 'node:http';
/** What the plugin takes of a Fastify instance. */
interface Instance {
    addHook(name: 'onRequest', hook: (request: FastifyRequest, reply: {
        raw: ServerResponse;
    }, done: () => void) => void): unknown;
}
interface FastifyRequest {
    raw: IncomingMessage;
    /** Of a request that no route takes it has no URL. */
    routeOptions: {
        url?: string;
    };
}
/**
 * A plugin for Fastify 5: times every request under the pattern of its route. It is for the instance that it is
 * registered in, and all within.
 */
export declare const fastifyTelemetry: ((instance: Instance, _options: object, done: () => void) => void) & {
    [x: symbol]: string | boolean | {
        name: string;
        fastify: string;
    };
};
export {};
