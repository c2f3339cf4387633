import type { IncomingMessage, Server, ServerResponse } from 'node:http';
export interface HttpOptions<Request, Response> {
    /**
     * The route's pattern, such as `/orders/:id`, asked at the end of the request; undefined where there is none. There
     * must be few of them: never the raw path. Without it every request is `(no route)`.
     */
    route?: (request: Request, response: Response) => string | undefined;
}
/** Times every request to `server` (node:http, node:https, node:http2). Put in after the listeners of the service. */
export declare function instrumentHttp<Request extends IncomingMessage = IncomingMessage, Response extends ServerResponse = ServerResponse>(server: Pick<Server, 'prependListener' | 'listenerCount'>, options?: HttpOptions<Request, Response>): void;
