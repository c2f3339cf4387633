import { timeRequest } from "./requests.js";
/**
 * A plugin for Fastify 5: times every request under the pattern of its route. It is for the instance that it is
 * registered in, and all within.
 */
export const fastifyTelemetry = Object.assign((instance, _options, done) => {
    instance.addHook('onRequest', (request, reply, next) => {
        timeRequest(request.raw, reply.raw, () => request.routeOptions.url);
        next();
    });
    done();
}, 
// Without the first one the hook would be for the plugin's own routes alone.
{
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: 'mayfly-telemetry',
    [Symbol.for('plugin-meta')]: { name: 'mayfly-telemetry', fastify: '5.x' },
});
