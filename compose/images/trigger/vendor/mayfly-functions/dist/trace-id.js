/** The trace that a log line belongs to. Tracing sets it, so that a log without traces imports nothing of them. */
let ask = null;
export function setTraceId(how) {
    ask = how;
}
/** Of the trace that is under way, where it is recorded. */
export const traceId = () => ask?.();
