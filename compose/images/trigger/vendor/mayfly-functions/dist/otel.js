/**
 * OpenTelemetry behind tracing. Its packages are loaded here when tracing begins: who does not trace pays nothing for
 * them. They are CommonJS, so this can be done at once.
 */
import { createRequire } from 'node:module';
import { nowMs } from "./clock.js";
import { ExportQueue } from "./export-queue.js";
import { messageOf, tell } from "./tell.js";
const require = createRequire(import.meta.url);
/** How long stop() waits for Zipkin: with what a function finishes before, within the time that it has to end. */
const STOP_MS = 700;
const SAMPLED = 1;
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const SAMPLERS = ['always_on', 'always_off', 'traceidratio'];
/** Throws where a package is missing, or the address is none. */
export function startOtel(url, own) {
    const { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, propagation } = load('api');
    const { AsyncLocalStorageContextManager } = load('context-async-hooks');
    const { ZipkinExporter } = load('exporter-zipkin');
    const { resourceFromAttributes } = load('resources');
    const sdk = load('sdk-trace');
    const { sampler, followsParent } = samplerOf(sdk);
    const queue = new ExportQueue(new ZipkinExporter({ url: new URL(url).href }), url);
    const provider = new sdk.TracerProvider({
        sampler,
        // All that is in it becomes a tag of every span: so it is only this.
        resource: resourceFromAttributes({
            'service.name': process.env.OTEL_SERVICE_NAME || 'unknown_service',
            ...resourceAttributes(process.env.OTEL_RESOURCE_ATTRIBUTES ?? ''),
            ...own,
        }),
        spanProcessors: [queue],
    });
    // An author may use the API of OpenTelemetry beside this one.
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    trace.setGlobalTracerProvider(provider);
    const tracer = provider.getTracer('mayfly-functions');
    const kinds = {
        internal: SpanKind.INTERNAL,
        server: SpanKind.SERVER,
        client: SpanKind.CLIENT,
        producer: SpanKind.PRODUCER,
        consumer: SpanKind.CONSUMER,
    };
    function contextOfParent(traceparent) {
        if (traceparent === undefined)
            return context.active();
        const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent) ?? [];
        if (!traceId || !spanId || !flags)
            return context.active();
        return trace.setSpanContext(ROOT_CONTEXT, {
            traceId,
            spanId,
            traceFlags: Number.parseInt(flags, 16) & SAMPLED,
            isRemote: true,
        });
    }
    const fail = ({ span }, message) => {
        span?.setStatus({ code: SpanStatusCode.ERROR, message: message || 'failed' });
    };
    return {
        begin(name, kind, attributes, parent, startMs = nowMs()) {
            const outer = contextOfParent(parent);
            const above = trace.getSpanContext(outer);
            // Nobody will record it: its context alone is passed on.
            if (followsParent && above && (above.traceFlags & SAMPLED) === 0)
                return { context: outer, span: null, start: 0 };
            const start = Math.round(startMs * 1000);
            const span = tracer.startSpan(name, { kind: kinds[kind], startTime: timeOf(start), attributes }, outer);
            return { context: trace.setSpan(outer, span), span: span.isRecording() ? span : null, start };
        },
        within: (begun, work) => context.with(begun.context, work),
        end(begun, error, endMs = nowMs()) {
            if (error !== undefined && begun.span)
                fail(begun, messageOf(error));
            // Of a duration of 0 Zipkin says that the span has not ended.
            begun.span?.end(timeOf(Math.max(begun.start + 1, Math.round(endMs * 1000))));
        },
        fail,
        set(attributes) {
            const span = trace.getActiveSpan();
            if (span?.isRecording())
                span.setAttributes(attributes);
        },
        contextOf: (begun) => trace.getSpanContext(begun?.context ?? context.active()),
        flush: () => queue.forceFlush(),
        async stop() {
            context.disable();
            trace.disable();
            propagation.disable();
            const late = new Promise((resolve) => setTimeout(resolve, STOP_MS).unref());
            await Promise.race([provider.shutdown(), late]);
        },
        counts: () => queue.counts,
    };
}
/** Seconds and nanoseconds of whole microseconds: Zipkin refuses any part of one. */
function timeOf(microseconds) {
    const seconds = Math.floor(microseconds / 1_000_000);
    return [seconds, (microseconds - seconds * 1_000_000) * 1000];
}
const load = (name) => require(`@opentelemetry/${name}`);
/** What OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG say, and whether a trace that was not begun here is as its begin says. */
function samplerOf({ AlwaysOffSampler, AlwaysOnSampler, ParentBasedSampler, TraceIdRatioBasedSampler }) {
    const named = process.env.OTEL_TRACES_SAMPLER || 'parentbased_always_on';
    const followsParent = named.startsWith('parentbased_');
    const kind = named.replace('parentbased_', '');
    if (!SAMPLERS.includes(kind)) {
        const all = SAMPLERS.flatMap((name) => [name, `parentbased_${name}`]);
        tell(`OTEL_TRACES_SAMPLER is ${JSON.stringify(named)}: it must be one of ${all.join(', ')}. Every trace is recorded`);
        return { sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }), followsParent: true };
    }
    const root = kind === 'always_on'
        ? new AlwaysOnSampler()
        : kind === 'always_off'
            ? new AlwaysOffSampler()
            : new TraceIdRatioBasedSampler(ratio());
    return { sampler: followsParent ? new ParentBasedSampler({ root }) : root, followsParent };
}
function ratio() {
    const given = process.env.OTEL_TRACES_SAMPLER_ARG;
    if (!given)
        return 1;
    const number = Number(given);
    if (number >= 0 && number <= 1)
        return number;
    tell(`OTEL_TRACES_SAMPLER_ARG is ${JSON.stringify(given)}: it must be a number from 0 to 1. Every trace is recorded`);
    return 1;
}
/** `key=value,key=value`, values with %XX where they need it. */
function resourceAttributes(text) {
    const found = {};
    for (const part of text.split(',').filter((part) => part.trim() !== '')) {
        const at = part.indexOf('=');
        try {
            if (at < 1)
                throw new Error('there is no key=value');
            found[part.slice(0, at).trim()] = decodeURIComponent(part.slice(at + 1).trim());
        }
        catch (error) {
            tell(`OTEL_RESOURCE_ATTRIBUTES has ${JSON.stringify(part)}: ${messageOf(error)}. It is left out; ` +
                'write key=value,key=value with %2C for a comma');
        }
    }
    return found;
}
