/** Where a function sends its events: a broker's ingress, or whatever K_SINK names. */
import { randomBytes } from 'node:crypto';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { CloudEvent } from 'cloudevents';
import { nowMs } from "./clock.js";
import { log } from "./log.js";
import { toHttp } from "./message.js";
import { record } from "./records.js";
import { messageOf } from "./tell.js";
import { tracing } from "./tracing.js";
/** An event that the sink did not take: the status of its last answer, null without one. */
export class SinkError extends Error {
    status;
    id;
    constructor(message, id, status) {
        super(message);
        this.name = 'SinkError';
        this.id = id;
        this.status = status;
    }
}
const POLL_MS = 50;
/** A function that waits longer than this says so. */
const PATIENCE_MS = 1000;
const CONNECTIONS = 256;
const MAX_ANSWER = 1000;
/** Of this process: two that start at once differ. */
const UNIQUE = randomBytes(8).toString('hex');
let ids = 0;
/** The sink of a function. Throws where neither `url` nor K_SINK says where it is. */
export function eventSink(options = {}) {
    const url = addressOf(options.url);
    const { tries = 8, backoffMs = 50, timeoutMs = 5000 } = options;
    const source = options.source ?? `/${process.env.OTEL_SERVICE_NAME || 'function'}/${UNIQUE}`;
    const sequences = new Map();
    const secure = url.protocol === 'https:';
    const request = secure ? httpsRequest : httpRequest;
    const agent = new (secure ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets: CONNECTIONS });
    function ask(to, how, body) {
        return new Promise((resolve, reject) => {
            const signal = AbortSignal.timeout(timeoutMs);
            const asked = request(to, { ...how, agent, signal }, async (answer) => {
                try {
                    let text = '';
                    for await (const chunk of answer)
                        if (text.length < MAX_ANSWER)
                            text += chunk;
                    resolve({ status: answer.statusCode, text });
                }
                catch (error) {
                    reject(error);
                }
            });
            asked.on('error', (error) => reject(signal.aborted ? new Error(`no answer within ${timeoutMs} ms`) : error));
            asked.end(body);
        });
    }
    async function ready() {
        const health = new URL('/healthz', url);
        const began = nowMs();
        let told = false;
        for (;;) {
            let why;
            try {
                const { status } = await ask(health, {});
                // A sink that has no such path is there as well.
                if (status < 500)
                    return;
                why = `it answers ${status}`;
            }
            catch (error) {
                why = messageOf(error);
            }
            if (!told && nowMs() - began > PATIENCE_MS) {
                told = true;
                log.warn('waiting for the sink', { sink: url.href, why });
            }
            await sleep(POLL_MS);
        }
    }
    function eventOf(given, scheduledMs, sequence, of) {
        const library = {
            id: given.id ?? `${UNIQUE}-${++ids}`,
            source: of,
            sequence: String(sequence),
            ...(scheduledMs === null ? {} : { scheduled: String(scheduledMs) }),
        };
        return new CloudEvent(tracing.intoEvent({ ...given, ...library }));
    }
    async function deliver(event) {
        const { id, source, type } = event;
        const { headers, body } = toHttp(event);
        if (typeof event.traceparent === 'string')
            headers.traceparent = event.traceparent;
        headers['content-length'] = String(body.length);
        let status = null;
        let why = '';
        for (let tried = 1; tried <= tries; tried++) {
            try {
                const answer = await ask(url, { method: 'POST', headers }, body);
                status = answer.status;
                if (status >= 200 && status < 300) {
                    record({ e: 'accepted', t: nowMs(), id, source, tries: tried });
                    return { id, source, tries: tried };
                }
                why = `it answers ${status}: ${answer.text.trim() || 'without a word'}`;
                if (status >= 400 && status < 500)
                    break;
            }
            catch (error) {
                status = null;
                why = messageOf(error);
            }
            if (tried < tries)
                await sleep(backoffMs * 2 ** (tried - 1));
        }
        record({ e: 'rejected', t: nowMs(), id, source, status, why });
        throw new SinkError(`${url.href} did not take the event ${id} of type ${type}: ${why}`, id, status);
    }
    return {
        source,
        ready,
        async send(given, { scheduledMs = null, receivedMs = null } = {}) {
            const of = given.source ?? source;
            return await tracing.span(`send ${given.type}`, { 'event.type': given.type, 'event.source': of }, async () => {
                const seq = (sequences.get(of) ?? 0) + 1;
                const event = eventOf(given, scheduledMs, seq, of);
                sequences.set(of, seq);
                const { id, type } = event;
                tracing.set({ 'event.id': id });
                record({
                    e: 'offered',
                    t: nowMs(),
                    id,
                    source: of,
                    type,
                    seq,
                    scheduled: scheduledMs,
                    received: receivedMs,
                });
                return await deliver(event);
            }, { kind: 'producer' });
        },
        close: () => agent.destroy(),
    };
}
function addressOf(given) {
    const text = given ?? process.env.K_SINK;
    if (!text)
        throw new Error('K_SINK is not set: it says where events are sent to, such as http://trigger:8080/. Mayfly sets it where ' +
            'benchmark.yaml names a broker; elsewhere set it, or give eventSink({ url })');
    const url = URL.canParse(text) ? new URL(text) : null;
    if (url?.protocol === 'http:' || url?.protocol === 'https:')
        return url;
    throw new Error(`${given === undefined ? 'K_SINK' : 'url'} is ${JSON.stringify(text)}: it must be an address such as http://trigger:8080/`);
}
