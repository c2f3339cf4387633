/** What went wrong when GitHub was asked, as a SendError. */
import { plainText } from '../../core/text.ts';
import { SendError } from './send-error.ts';

/** After this time a request is given up. */
export const TIMEOUT_MS = 10_000;
/**
 * How long to wait after a secondary limit that names no time, as GitHub asks; and at most, whatever an answer says: a
 * limit of GitHub lasts an hour.
 */
const SECONDARY_MS = 60_000;
const LONGEST_LIMIT_MS = 2 * 3600_000;

/** An error of Octokit, or of the network below it. */
interface Failed {
  status?: number;
  message: string;
  request?: { method: string; url: string };
  response?: { status: number; headers: Record<string, string | undefined> };
}

/** Any failure as a SendError, in one line. */
export function sendError(error: unknown, now: number): SendError {
  if (error instanceof SendError) return error;
  const { request, response, message } = error as Failed;
  const asked = request ? `${request.method} ${new URL(request.url).pathname}: ` : '';
  if (!response) {
    const late =
      (error as { cause?: { name?: string } }).cause?.name === 'TimeoutError' ||
      (error as Error).name === 'TimeoutError';
    return new SendError(
      'unavailable',
      `GitHub: ${asked}${late ? `no answer within ${TIMEOUT_MS / 1000} s` : short(message)}`,
      { cause: error },
    );
  }
  const { status } = response;
  const hint =
    status === 404 && asked.endsWith('/installation: ') ? '; the GitHub App is not installed in this repository' : '';
  const text = `GitHub: ${asked}${status} ${short(message.replace(/ - https:\/\/docs\.github\.com\S*$/, ''))}${hint}`;
  const retryAtMs = limitOf(error, now);
  if (retryAtMs !== undefined) return new SendError('rate-limited', text, { status, retryAtMs, cause: error });
  return new SendError(status >= 500 || status === 408 ? 'unavailable' : 'refused', text, { status, cause: error });
}

/** A page of HTML in place of an answer is cut, too. */
const short = (text: string): string => {
  const line = plainText(text.split('\n')[0]!);
  return line.length > 300 ? `${line.slice(0, 297)}...` : line;
};

/**
 * When a limit ends, in milliseconds since the epoch; undefined where it was none.
 * https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
 */
export function limitOf(error: unknown, now: number): number | undefined {
  const { response, message } = error as Failed;
  if (!response || (response.status !== 403 && response.status !== 429)) return undefined;
  const { headers } = response;
  const until = (ms: number) => now + Math.min(LONGEST_LIMIT_MS, Math.max(1000, ms));
  if (headers['retry-after'] !== undefined) return until(Number(headers['retry-after']) * 1000 || SECONDARY_MS);
  if (headers['x-ratelimit-remaining'] === '0')
    return until(Number(headers['x-ratelimit-reset']) * 1000 - (Date.parse(headers.date ?? '') || now) || SECONDARY_MS); // by GitHub's clock
  return response.status === 429 || /rate limit/i.test(message) ? until(SECONDARY_MS) : undefined;
}
