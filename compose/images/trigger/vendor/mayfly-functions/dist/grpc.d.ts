/** Spans of gRPC calls: interceptors for a server and for a client of @grpc/grpc-js. */
import type { InterceptorOptions, NextCall } from '@grpc/grpc-js/build/src/client-interceptors.js';
import type { ServerInterceptingCallInterface } from '@grpc/grpc-js/build/src/server-interceptors.js';
import type { Otel } from './otel.ts';
export declare const isHealth: (path: string) => boolean;
/**
 * A call that has arrived at a server, in a span that goes on from its caller's. Its own methods are laid over: an object
 * of grpc-js around it (ServerInterceptingCall) costs more than the span.
 */
export declare function serverCall(otel: Otel, { path, requestStream }: {
    path: string;
    requestStream: boolean;
}, call: ServerInterceptingCallInterface): ServerInterceptingCallInterface;
/** A call that is made, in a span within the one that is under way; laid over likewise. */
export declare function clientCall(otel: Otel, options: InterceptorOptions, nextCall: NextCall): import("@grpc/grpc-js/build/src/client-interceptors.js").InterceptingCallInterface;
export declare function traceparentOf({ traceId, spanId, traceFlags, }: {
    traceId: string;
    spanId: string;
    traceFlags: number;
}): string;
