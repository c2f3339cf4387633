/** A function that takes events: CloudEvents over HTTP, in binary and in structured mode. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { nowMs } from "./clock.js";
import { log } from "./log.js";
import { EventError, fromHttp } from "./message.js";
import { record } from "./records.js";
import { messageOf } from "./tell.js";
import { tracing } from "./tracing.js";
const MIB = 1024 * 1024;
/**
 * Of a request that is too large so much more is read and let go: a sender that is still writing when its connection is
 * closed does not read the answer.
 */
const MAX_DROPPED = 16 * MIB;
/** With the spans it is within the two seconds that Compose files here give. What is not done by then is delivered again. */
const STOP_MS = 1000;
/** Longer than any sender's: a connection that the sender is about to use is not closed. */
const KEEP_ALIVE_MS = 75_000;
/** Resolves once it listens. `GET /healthz` answers 200 from then on. */
export async function serveEvents(handler, options = {}) {
    const { port = Number(process.env.PORT ?? 8080), host = process.env.HOST, maxBytes = MIB } = options;
    let stopping = false;
    const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, async (request, response) => {
        const answer = (status, text, more = {}) => {
            if (stopping)
                more.connection = 'close';
            if (status === 204)
                response.writeHead(status, more).end();
            else
                response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...more }).end(`${text}\n`);
        };
        try {
            if (request.method === 'GET' && request.url === '/healthz')
                return stopping ? answer(503, 'it ends') : answer(200, 'ok');
            if (request.method !== 'POST')
                return answer(405, 'events are sent by POST; GET /healthz tells of health', { allow: 'POST' });
            const body = await bodyOf(request, maxBytes);
            if (!body) {
                log.warn('a request is too large', { bytes: `more than ${maxBytes}` });
                return answer(413, `a request has at most ${maxBytes} bytes`, { connection: 'close' });
            }
            await take(request, body, answer);
        }
        catch (error) {
            // Its sender has gone in the middle of a request.
            if (response.destroyed || request.destroyed)
                return;
            log.error('a request failed', { error });
            if (!response.headersSent)
                answer(500, 'the function failed; its log says why');
        }
    });
    async function take(request, body, answer) {
        const t = nowMs();
        let event;
        try {
            event = fromHttp(request.headers, body);
        }
        catch (error) {
            if (!(error instanceof EventError))
                throw error;
            log.warn('refused what is no event', { why: error.message, id: error.id, source: error.source });
            return answer(error.status, error.message);
        }
        const named = request.headers['mayfly-trigger'];
        const trigger = typeof named === 'string' ? named : null;
        const { id, source, type } = event;
        const attributes = {
            'event.id': id,
            'event.type': type,
            'event.source': source,
            'event.trigger': trigger ?? undefined,
        };
        const work = async () => {
            try {
                await handler(event, { trigger });
            }
            catch (error) {
                log.error('an event failed', { id, source, type, trigger: trigger ?? undefined, error });
                throw error;
            }
        };
        const parent = tracing.fromEvent(event, request.headers);
        try {
            await tracing.span(`consume ${type}`, attributes, work, { kind: 'consumer', parent, startMs: t });
        }
        catch (error) {
            return answer(statusOf(error), `the event ${id} failed: ${messageOf(error)}`);
        }
        record({
            e: 'consumed',
            t,
            end: nowMs(),
            id,
            source,
            seq: numberOf(event.sequence),
            trigger,
            scheduled: numberOf(event.scheduled),
        });
        answer(204, '');
    }
    server.listen(port, host);
    await once(server, 'listening');
    const stop = async () => {
        stopping = true;
        const closed = new Promise((resolve) => server.close(() => resolve()));
        const timer = setTimeout(() => server.closeAllConnections(), STOP_MS).unref();
        server.closeIdleConnections();
        await closed;
        clearTimeout(timer);
        await tracing.stop();
    };
    if (options.signals ?? true) {
        const end = () => void stop().then(() => process.exit(0));
        process.once('SIGTERM', end).once('SIGINT', end);
    }
    return { port: server.address().port, stop };
}
/** null: there is more than `maxBytes` of it. */
async function bodyOf(request, maxBytes) {
    const chunks = [];
    let bytes = 0;
    for await (const chunk of request) {
        bytes += chunk.length;
        if (bytes <= maxBytes)
            chunks.push(chunk);
        else if (bytes > maxBytes + MAX_DROPPED)
            return null;
    }
    return bytes > maxBytes ? null : Buffer.concat(chunks, bytes);
}
/** What an error wants to be answered with. */
function statusOf(error) {
    const status = error?.status;
    return Number.isInteger(status) && status >= 400 && status < 600 ? status : 500;
}
function numberOf(attribute) {
    const number = typeof attribute === 'string' || typeof attribute === 'number' ? Number(attribute) : Number.NaN;
    return Number.isFinite(number) ? number : null;
}
