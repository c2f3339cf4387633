/**
 * An alert by a webhook in the form of Slack's incoming webhooks, which others take too.
 * Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, and "Formatting message text"
 * there.
 */
import { Agent, request } from 'undici';
import { type AlertDocument, alertFacts, alertTitle, BISECT_WORDS, changeLines } from './alert.ts';
import { SendError } from './send-error.ts';

/** What is posted. `text` is what notifications show. */
export interface SlackMessage {
  text: string;
  blocks: object[];
}

/** Slack takes a header of 150 characters and a text of 3,000. */
const HEADER = 150;
const SECTION = 3000;

/** Pure. */
export function slackMessage(alert: AlertDocument): SlackMessage {
  const { links, bisect, id } = alert;
  const linked = [
    link(links.run, 'the first run after it'),
    link(links.benchmark, 'the history'),
    ...(links.compare ? [link(links.compare, 'the commits')] : []),
  ].join(' | ');
  return {
    text: slackEscaped(alertTitle(alert)),
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: cut(alertTitle(alert), HEADER), emoji: false } },
      section(changeLines(alert).map(slackEscaped)),
      section([...alertFacts(alert).map(([name, text]) => `*${name}*: ${slackEscaped(text)}`), linked]),
      ...(bisect ? [section([slackEscaped(BISECT_WORDS), `\`${slackEscaped(bisect)}\``])] : []),
      { type: 'context', elements: [{ type: 'plain_text', text: `Mayfly, alert ${id}`, emoji: false }] },
    ],
  };
}

/** Whole lines, as many as there is room for. `verbatim`: names and addresses in it become no mentions and no links. */
function section(lines: string[]): object {
  const room = lines.filter((_, index) => lines.slice(0, index + 1).join('\n').length <= SECTION);
  return { type: 'section', text: { type: 'mrkdwn', verbatim: true, text: room.join('\n') } };
}

const cut = (text: string, most: number) => (text.length > most ? `${text.slice(0, most - 3)}...` : text);
/** The three signs that Slack gives a meaning to: without them nobody is called and nothing is linked. */
export const slackEscaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const link = (url: string, text: string) => `<${slackEscaped(url).replaceAll('|', '%7C')}|${text}>`;

export interface PostOptions {
  now(): number;
  /** Ends a post that is under way. */
  signal?: AbortSignal;
  /** For connection and answer together. */
  timeoutMs?: number;
}

/**
 * Posts JSON to a webhook; its address is a secret, and no error holds it. SendError: rate-limited for 429, refused for
 * any other 3xx and 4xx, unavailable for 5xx and where no answer came in time.
 */
export async function postJson(
  url: string,
  body: unknown,
  { now, signal, timeoutMs = 10_000 }: PostOptions,
): Promise<void> {
  const agent = new Agent({ connect: { timeout: timeoutMs } });
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const answer = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8', 'user-agent': 'mayfly' },
      body: JSON.stringify(body),
      dispatcher: agent,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    const said = answer.statusCode < 300 ? '' : await codeIn(answer.body);
    if (answer.statusCode >= 300) throw refusal(answer.statusCode, said, answer.headers['retry-after'], now());
  } catch (error) {
    if (error instanceof SendError) throw error;
    if (signal?.aborted) throw new SendError('unavailable', 'the server ends');
    const why = timeout.aborted
      ? `no answer within ${timeoutMs / 1000} s`
      : ((error as NodeJS.ErrnoException).code ?? 'the connection failed');
    throw new SendError('unavailable', `the webhook cannot be reached: ${why}`);
  } finally {
    await agent.destroy();
  }
}

function refusal(status: number, said: string, retryAfter: string | string[] | undefined, now: number): SendError {
  const message = `the webhook answered ${status}${said}`;
  if (status === 429) return new SendError('rate-limited', message, { status, retryAtMs: retryAt(retryAfter, now) });
  return new SendError(status >= 500 || status === 408 ? 'unavailable' : 'refused', message, { status });
}

const LONGEST_PAUSE_MS = 24 * 3600_000;

/** Retry-After: seconds or a date (RFC 9110, 10.2.3); a minute where it says nothing. */
function retryAt(header: string | string[] | undefined, now: number): number {
  const text = [header].flat()[0] ?? '';
  const at = /^\d{1,9}$/.test(text) ? now + Number(text) * 1000 : Date.parse(text);
  return Number.isNaN(at) ? now + 60_000 : Math.min(Math.max(at, now), now + LONGEST_PAUSE_MS);
}

/**
 * Slack says a code such as `invalid_payload`. Any other text may repeat the address that was asked for, and that is a
 * secret.
 */
async function codeIn(body: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of body) {
    text += chunk.toString('latin1');
    if (text.length > 100) return '';
  }
  return /^[a-z]+(_[a-z]+)*$/.test(text.trim()) ? ` (${text.trim()})` : '';
}
