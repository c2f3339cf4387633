import { messageOf, tell } from "./tell.js";
/**
 * They are sent once none has ended for this long: soon after a load, and not in the middle of what is measured, where a
 * sending costs the function more than the spans in it.
 */
const QUIET_MS = 1000;
/** And when there are enough for a batch, or the first of them has waited for this long. */
const MOST_WAIT_MS = 15_000;
const AGAIN_MS = 1000;
/** Spans that wait; what comes on top is lost. */
const MAX_WAITING = 8192;
const BATCH = 512;
/** A Zipkin that takes a batch and does not answer. */
const ANSWER_MS = 5000;
const SAMPLED = 1;
export class ExportQueue {
    #exporter;
    #url;
    #waiting = [];
    #timer;
    /** When the first of those that wait has ended, and the last one. */
    #firstMs = 0;
    #lastMs = 0;
    #sending = null;
    #sent = 0;
    #lost = 0;
    #told = false;
    constructor(exporter, url) {
        this.#exporter = exporter;
        this.#url = url;
    }
    onStart() { }
    onEnd(span) {
        if ((span.spanContext().traceFlags & SAMPLED) === 0)
            return;
        if (this.#waiting.length >= MAX_WAITING) {
            this.#lose(1, `more than ${MAX_WAITING} spans wait`);
            return;
        }
        this.#waiting.push(span);
        this.#lastMs = performance.now();
        if (this.#timer)
            return;
        this.#firstMs = this.#lastMs;
        this.#flushIn(QUIET_MS);
    }
    #flushIn(ms) {
        this.#timer = setTimeout(() => {
            const nowMs = performance.now();
            const leftMs = Math.min(this.#lastMs + QUIET_MS, this.#firstMs + MOST_WAIT_MS) - nowMs;
            // A timer may come a millisecond early.
            if (leftMs > 1 && this.#waiting.length < BATCH)
                this.#flushIn(leftMs);
            else
                void this.forceFlush();
        }, ms).unref();
    }
    /** Sends what waits now. Never rejects: what could not be sent waits on, or is lost. */
    async forceFlush() {
        clearTimeout(this.#timer);
        this.#timer = undefined;
        // What has ended while a batch is under way goes with the next one.
        await this.#sending;
        this.#sending ??= this.#sendAll().finally(() => (this.#sending = null));
        await this.#sending;
    }
    async shutdown() {
        await this.forceFlush();
        if (this.#waiting.length > 0)
            this.#lose(this.#waiting.splice(0).length, 'Zipkin did not take them until the end');
        if (this.#lost > 0)
            tell(`${this.#lost} spans were lost on their way to ${this.#url}, ${this.#sent} were sent`);
    }
    get counts() {
        return { sent: this.#sent, lost: this.#lost, waiting: this.#waiting.length };
    }
    async #sendAll() {
        for (let left = this.#waiting.length; left > 0; left -= BATCH) {
            const batch = this.#waiting.splice(0, Math.min(BATCH, left));
            const error = await this.#send(batch);
            if (!error) {
                this.#sent += batch.length;
                continue;
            }
            // Without a connection none of them has arrived: they wait on, as long as there is room.
            if ('code' in error) {
                this.#waiting.unshift(...batch);
                if (!this.#timer)
                    this.#flushIn(AGAIN_MS);
                this.#tell(messageOf(error));
                return;
            }
            this.#lose(batch.length, messageOf(error));
        }
    }
    #send(batch) {
        return new Promise((resolve) => {
            const timer = setTimeout(() => resolve(new Error(`no answer within ${ANSWER_MS} ms`)), ANSWER_MS).unref();
            const done = (error) => {
                clearTimeout(timer);
                resolve(error);
            };
            try {
                this.#exporter.export(batch, ({ code, error }) => done(code === 0 ? undefined : (error ?? new Error('the exporter says no reason'))));
            }
            catch (error) {
                done(error);
            }
        });
    }
    #lose(spans, why) {
        this.#lost += spans;
        this.#tell(why);
    }
    /** Once: Zipkin that is away for a while is away for every batch. */
    #tell(why) {
        if (this.#told)
            return;
        this.#told = true;
        tell(`cannot send spans to ${this.#url}: ${why}. The function goes on, and tries again each second ` +
            `(told once; up to ${MAX_WAITING} spans wait)`);
    }
}
