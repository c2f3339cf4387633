/** The trace that a log line belongs to. Tracing sets it, so that a log without traces imports nothing of them. */
let ask: (() => string | undefined) | null = null;

export function setTraceId(how: (() => string | undefined) | null): void {
  ask = how;
}

/** Of the trace that is under way, where it is recorded. */
export const traceId = (): string | undefined => ask?.();
