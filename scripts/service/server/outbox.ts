/**
 * Sends what others are to be told (store.outbox). Nothing is lost while they are out of reach: a message waits until
 * it could be sent, and of several states of one subject only the newest goes out. It goes out at least once; that it
 * is not there twice is for the senders to see to, which look for what is there before they make it.
 */
import { backoffMs } from '../../core/backoff.ts';
import { firstLine } from '../../core/errors.ts';
import type { Message } from '../../store/outbox.ts';
import { FURTHEST_MS, isAhead } from '../../store/pauses.ts';
import { SendError } from '../tell/send-error.ts';
import type { ServeContext } from './serve-context.ts';

/**
 * Tells the other side what is wanted; gives what it is called there. `notBefore`: the next state of it is not sent
 * earlier, in milliseconds since the epoch. Throws SendErrors.
 */
export type Sender = (message: Message) => Promise<{ remoteId: string; notBefore?: number }>;
/** Channel -> sender. Messages of other channels wait. */
export type Senders = Record<string, Sender>;

type OutboxContext = Pick<ServeContext, 'store' | 'now' | 'log' | 'signal'>;

/** Pauses after failures: the first, doubled with each further one, up to the longest. */
const FIRST_PAUSE_MS = 5000;
const LONGEST_PAUSE_MS = 15 * 60_000;
/**
 * Refused because of who asks (token, permission, installation), not of what is said: somebody may fix that, so it is
 * tried so often again, for three days at the longest pause.
 */
const SETUP_STATUS = [401, 403, 404];
const SETUP_TRIES = 300;
const MOST = 1000;

/** A pause of a channel and its reason. It is kept over restarts. */
interface Rest {
  until: number;
  failures: number;
}

/**
 * Sends what waits and may be sent now, one after the other, each channel until it is out of reach. Ends between two
 * messages when the signal aborts.
 */
export async function sendWaiting(ctx: OutboxContext, senders: Senders): Promise<void> {
  const { store, signal } = ctx;
  const resting = new Set(Object.keys(senders).filter((channel) => isAhead(restOf(channel, ctx).until, ctx.now())));
  for (const { channel, subject } of store.outbox.unsent(
    Number.MAX_SAFE_INTEGER,
    MOST,
    Object.keys(senders).filter((channel) => !resting.has(channel)),
  )) {
    if (signal.aborted) return;
    const sender = senders[channel];
    if (!sender || resting.has(channel)) continue;
    const message = store.outbox.message(channel, subject); // it may have changed while another was sent
    if (!message || message.sent === message.wanted || isAhead(message.not_before_ms, ctx.now())) continue;
    if (!(await sendOne(message, sender, ctx))) resting.add(channel);
  }
}

/** False: the channel is out of reach. */
async function sendOne(message: Message, sender: Sender, ctx: OutboxContext): Promise<boolean> {
  try {
    const { remoteId, notBefore } = await sender(message);
    ctx.store.transaction(() => {
      ctx.store.outbox.saveSent(message, remoteId, notBefore);
      saveRest(message.channel, { until: 0, failures: 0 }, ctx);
    });
    return true;
  } catch (error) {
    return failed(message, error, ctx);
  }
}

function failed(message: Message, error: unknown, ctx: OutboxContext): boolean {
  const text = firstLine(error);
  const kind = error instanceof SendError ? error.kind : 'unavailable'; // a fault of our own must not end the others
  if (message.error !== text) ctx.log(`${message.channel} ${message.subject} could not be sent: ${text}`);
  return kind === 'refused' ? refused(message, error as SendError, ctx) : outOfReach(message, error, ctx);
}

/**
 * The other side does not want it as it is: it counts as sent, with an error, until something else is wanted. Where it
 * is because of who asks, it waits, and with a token that is not valid the whole channel.
 */
function refused(message: Message, error: SendError, ctx: OutboxContext): boolean {
  const { outbox } = ctx.store;
  const mayBeFixed = SETUP_STATUS.includes(error.status ?? 0) && message.failures < SETUP_TRIES;
  if (error.status === 401 && mayBeFixed) return outOfReach(message, error, ctx);
  ctx.store.transaction(() => {
    if (!mayBeFixed) outbox.saveSent(message, message.remote_id ?? '');
    outbox.saveUnsent(message, firstLine(error), mayBeFixed ? ctx.now() + pause(message.failures) : 0);
  });
  return true;
}

function outOfReach(message: Message, error: unknown, ctx: OutboxContext): boolean {
  const { channel, failures } = message;
  const now = ctx.now();
  const rest = restOf(channel, ctx);
  const until =
    error instanceof SendError && error.retryAtMs !== undefined
      ? Math.min(error.retryAtMs, now + FURTHEST_MS)
      : now + pause(rest.failures);
  ctx.store.transaction(() => {
    // One that alone cannot be sent falls behind the others; where it is a limit, it is not the message's fault.
    ctx.store.outbox.saveUnsent(
      message,
      firstLine(error),
      error instanceof SendError && error.kind === 'rate-limited' ? until : now + pause(failures),
    );
    saveRest(channel, { until, failures: rest.failures + 1 }, ctx);
  });
  return false;
}

const pause = (failures: number) => backoffMs(failures, { firstMs: FIRST_PAUSE_MS, longestMs: LONGEST_PAUSE_MS });

const restName = (channel: string) => `rest of ${channel}`;

function restOf(channel: string, { store }: OutboxContext): Rest {
  const text = store.setting(restName(channel));
  return text === undefined ? { until: 0, failures: 0 } : (JSON.parse(text) as Rest);
}

function saveRest(channel: string, rest: Rest, ctx: OutboxContext): void {
  if (rest.failures > 0 || restOf(channel, ctx).failures > 0)
    ctx.store.saveSetting(restName(channel), JSON.stringify(rest));
}
