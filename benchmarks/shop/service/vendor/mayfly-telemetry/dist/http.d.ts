import type { IncomingMessage, ServerResponse } from 'node:http';
export interface HttpOptions<Request, Response> {
    /**
     * The route's pattern, such as `/orders/:id`, asked at the end of the request; undefined where there is none. There
     * must be few of them: never the raw path. Without it every request is `(no route)`.
     */
    route?: (request: Request, response: Response) => string | undefined;
}
/** What is taken of a server; the types of those of node:http and node:http2 have nothing else in common. */
interface AnyServer {
    prependListener(event: string, listener: (...args: any[]) => void): unknown;
    listenerCount(event: string): number;
}
/** Times every request to `server` (node:http, node:https, node:http2). Put in after the listeners of the service. */
export declare function instrumentHttp<Request extends IncomingMessage = IncomingMessage, Response extends ServerResponse = ServerResponse>(server: AnyServer, options?: HttpOptions<Request, Response>): void;
export {};
