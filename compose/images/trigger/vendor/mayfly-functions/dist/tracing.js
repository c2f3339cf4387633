import { clientCall, isHealth, serverCall, traceparentOf } from "./grpc.js";
import { startOtel } from "./otel.js";
import { messageOf, tell } from "./tell.js";
import { setTraceId } from "./trace-id.js";
const ENDPOINT = 'OTEL_EXPORTER_ZIPKIN_ENDPOINT';
/** What a process ends with that a signal has ended. */
const BY_SIGTERM = 143;
let otel = null;
/**
 * Begins tracing, if OTEL_EXPORTER_ZIPKIN_ENDPOINT is set. `attributes` are of every span. What OTEL_SERVICE_NAME,
 * OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG say is followed. Never throws.
 */
function start({ attributes = {} } = {}) {
    const url = process.env[ENDPOINT];
    if (!url || otel)
        return;
    try {
        otel = startOtel(url, attributes);
    }
    catch (error) {
        tell(`cannot trace to ${url}: ${messageOf(error)}. There are no traces, the function goes on. Set ${ENDPOINT} to an address such as http://zipkin:9411/api/v2/spans`);
        return;
    }
    setTraceId(sampledTrace);
    process.on('beforeExit', flushAtEnd);
    process.once('SIGTERM', atTerm);
}
/** Sends what is not sent yet, in less than a second, and ends. */
async function stop() {
    if (!otel)
        return;
    const stopping = otel;
    otel = null;
    setTraceId(null);
    process.off('beforeExit', flushAtEnd);
    process.off('SIGTERM', atTerm);
    await stopping.stop();
}
/** A process that has nothing more to do ends after this. */
function flushAtEnd() {
    if (otel && otel.counts().waiting > 0)
        void stop();
}
/** Who listens to the signal as well ends the process, and calls stop(); else it ends here, as without tracing. */
function atTerm() {
    if (process.listenerCount('SIGTERM') > 0)
        void otel?.flush();
    else
        void stop().then(() => process.exit(BY_SIGTERM));
}
function sampledTrace() {
    const context = otel?.contextOf();
    return context && (context.traceFlags & 1) === 1 ? context.traceId : undefined;
}
/** Spans of the calls that arrive: `new Server({ interceptors: [tracing.grpcServer()] })`. */
function grpcServer() {
    return (method, call) => (otel && !isHealth(method.path) ? serverCall(otel, method, call) : call);
}
/** Spans of the calls that are made, and the `traceparent` in their metadata: an interceptor of a client or of a call. */
function grpcClient() {
    return (options, nextCall) => (otel && !isHealth(options.method_definition.path)
        ? clientCall(otel, options, nextCall)
        : nextCall(options));
}
/** Calls `work` within a span that lasts until it has returned, or its promise is settled. An error becomes the span's. */
function span(name, attributes, work, options = {}) {
    if (!otel)
        return work();
    const { parent, kind = 'internal', startMs } = options;
    const begun = otel.begin(name, kind, attributes, parent, startMs);
    return during(otel, begun, work);
}
function during(otel, begun, work) {
    let result;
    try {
        result = otel.within(begun, work);
    }
    catch (error) {
        otel.end(begun, error ?? 'failed');
        throw error;
    }
    if (!begun.span)
        return result;
    if (!(result instanceof Promise)) {
        otel.end(begun);
        return result;
    }
    return result.then((value) => {
        otel.end(begun);
        return value;
    }, (error) => {
        otel.end(begun, error ?? 'failed');
        throw error;
    });
}
/** A span that is over, such as one that began in another process. Returns its traceparent, where there is one. */
function ended(name, attributes, { parent, kind = 'internal', startMs, endMs }) {
    if (!otel)
        return undefined;
    const begun = otel.begin(name, kind, attributes, parent, startMs);
    otel.end(begun, undefined, endMs);
    const context = otel.contextOf(begun);
    return context && traceparentOf(context);
}
/** More attributes for the span that is under way. */
function set(attributes) {
    otel?.set(attributes);
}
/** The span that is under way, recorded or not. */
function current() {
    const context = otel?.contextOf();
    if (!context)
        return undefined;
    const { traceId, spanId, traceFlags } = context;
    return { traceId, spanId, sampled: (traceFlags & 1) === 1, traceparent: traceparentOf(context) };
}
/** The traceparent that an event came with: of the request that brought it, else of the event itself. */
function fromEvent(event, headers = {}) {
    for (const found of [headers.traceparent, event.traceparent]) {
        if (typeof found === 'string')
            return found;
    }
    return undefined;
}
/** The event with the traceparent of the span that is under way; without one as it is. */
function intoEvent(event) {
    const now = current();
    return now ? { ...event, traceparent: now.traceparent } : event;
}
/** Spans since start(). */
function counts() {
    return otel?.counts() ?? { sent: 0, lost: 0, waiting: 0 };
}
export const tracing = {
    start,
    stop,
    grpcServer,
    grpcClient,
    span,
    ended,
    set,
    current,
    fromEvent,
    intoEvent,
    counts,
};
