import { timeRequest } from "./requests.js";
/** What is emitted in place of `request` for a client that waits for a word of the server, where somebody listens. */
const EXPECTING = ['checkContinue', 'checkExpectation'];
/** Times every request to `server` (node:http, node:https, node:http2). Put in after the listeners of the service. */
export function instrumentHttp(server, options = {}) {
    const { route } = options;
    const time = (request, response) => timeRequest(request, response, () => route?.(request, response));
    for (const event of ['request', ...EXPECTING.filter((name) => server.listenerCount(name) > 0)])
        server.prependListener(event, time);
}
