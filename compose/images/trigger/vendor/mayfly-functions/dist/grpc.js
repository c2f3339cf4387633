/** Asked every few milliseconds, for as long as a function waits for another one. */
const HEALTH = '/grpc.health.v1.Health/';
const OK = 0;
const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;
/** Codes that tell of a fault of the server: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS. */
const FAULTS = new Set([2, DEADLINE_EXCEEDED, 12, 13, 14, 15]);
export const isHealth = (path) => path.startsWith(HEALTH);
/**
 * A call that has arrived at a server, in a span that goes on from its caller's. Its own methods are laid over: an object
 * of grpc-js around it (ServerInterceptingCall) costs more than the span.
 */
export function serverCall(otel, { path, requestStream }, call) {
    let begun = null;
    const end = endOnce(otel, (code) => FAULTS.has(code));
    const { start, sendStatus } = call;
    call.start = (listener) => start.call(call, {
        onReceiveMetadata(metadata) {
            const parent = metadata.get('traceparent')[0];
            begun = otel.begin(nameOf(path), 'server', attributesOf(path), typeof parent === 'string' ? parent : undefined);
            if (requestStream)
                otel.within(begun, () => listener.onReceiveMetadata(metadata));
            else
                listener.onReceiveMetadata(metadata);
        },
        onReceiveMessage: (message) => begun && requestStream
            ? otel.within(begun, () => listener.onReceiveMessage(message))
            : listener.onReceiveMessage(message),
        // The function of a single request is called here, that of a stream of them with the metadata.
        onReceiveHalfClose: () => begun ? otel.within(begun, () => listener.onReceiveHalfClose()) : listener.onReceiveHalfClose(),
        onCancel() {
            // Also after a call that has ended.
            if (!end.isOver(begun)) {
                // A timer may come a millisecond early.
                const late = Number(call.getDeadline()) <= Date.now() + 1;
                end(begun, late ? DEADLINE_EXCEEDED : CANCELLED, late ? 'its time was up' : 'its caller has gone');
            }
            listener.onCancel();
        },
    });
    call.sendStatus = (status) => {
        end(begun, status.code ?? OK, status.details ?? '');
        sendStatus.call(call, status);
    };
    return call;
}
/** A call that is made, in a span within the one that is under way; laid over likewise. */
export function clientCall(otel, options, nextCall) {
    const { path } = options.method_definition;
    const end = endOnce(otel, (code) => code !== OK);
    const call = nextCall(options);
    const { start } = call;
    call.start = (metadata, listener) => {
        const begun = otel.begin(nameOf(path), 'client', attributesOf(path), undefined);
        const context = otel.contextOf(begun);
        if (context)
            metadata.set('traceparent', traceparentOf(context));
        if (!begun.span)
            return start.call(call, metadata, listener);
        start.call(call, metadata, {
            onReceiveMetadata: (received) => listener?.onReceiveMetadata?.(received),
            onReceiveMessage: (message) => listener?.onReceiveMessage?.(message),
            onReceiveStatus(status) {
                end(begun, status.code, status.details);
                listener?.onReceiveStatus?.(status);
            },
        });
    };
    return call;
}
export function traceparentOf({ traceId, spanId, traceFlags, }) {
    return `00-${traceId}-${spanId}-0${traceFlags & 1}`;
}
/** A call ends once here: one whose time is up may be answered later, to nobody. */
function endOnce(otel, isFailure) {
    let over = false;
    const isOver = (begun) => over || !begun?.span;
    const end = (begun, code, details) => {
        if (over || !begun?.span)
            return;
        over = true;
        begun.span.setAttribute('rpc.grpc.status_code', code);
        if (isFailure(code))
            otel.fail(begun, details);
        otel.end(begun);
    };
    return Object.assign(end, { isOver });
}
const nameOf = (path) => path.slice(1);
const known = new Map();
/** Of a method, the same for each call. */
function attributesOf(path) {
    let attributes = known.get(path);
    if (!attributes) {
        const [, service, method] = path.split('/');
        attributes = { 'rpc.system': 'grpc', 'rpc.service': service, 'rpc.method': method };
        known.set(path, attributes);
    }
    return attributes;
}
