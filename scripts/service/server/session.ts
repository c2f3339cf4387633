/**
 * Who may act: a token in the header, or the cookie that the sign-in gives for it. Nothing is kept of a session but the
 * cookie itself.
 */

import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { backoffMs } from '../../core/backoff.ts';
import type { HttpRequest } from './http.ts';
import type { ServeContext } from './serve-context.ts';

const COOKIE = 'mayfly_session';
const SESSION_MS = 12 * 3600_000;

type Known = Pick<ServeContext, 'actionToken' | 'now'>;

/** Equal, in a time that tells nothing of where they differ. */
export const sameSecret = (given: string, wanted: string): boolean =>
  timingSafeEqual(createHash('sha256').update(given).digest(), createHash('sha256').update(wanted).digest());

/** The token of `Authorization: Bearer`. */
export const bearer = ({ headers }: HttpRequest): string | undefined =>
  /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];

/** The value of Set-Cookie for a new session. Another token of the server ends all of them. */
export function sessionCookie({ actionToken, now, site }: Known & Pick<ServeContext, 'site'>): string {
  const open = `${now() + SESSION_MS}.${randomBytes(12).toString('base64url')}`;
  return `${COOKIE}=${open}.${sign(open, actionToken!)}; Max-Age=${SESSION_MS / 1000}; ${attributes(site)}`;
}

export const noSessionCookie = (site: string): string => `${COOKIE}=; Max-Age=0; ${attributes(site)}`;

const attributes = (site: string) => `Path=/; HttpOnly; SameSite=Strict${site.startsWith('https:') ? '; Secure' : ''}`;

/** The request carries the cookie of a session that has not ended. */
export function inSession({ headers }: HttpRequest, { actionToken, now }: Known): boolean {
  if (actionToken === undefined) return false;
  const values = (headers.cookie ?? '')
    .split(/;\s*/)
    .filter((one) => one.startsWith(`${COOKIE}=`))
    .map((one) => one.slice(COOKIE.length + 1));
  return values.some((value) => {
    const [, open, until, signed] = /^((\d{1,16})\.[\w-]{16})\.([\w-]{43})$/.exec(value) ?? [];
    return open !== undefined && sameSecret(signed!, sign(open, actionToken)) && Number(until) > now();
  });
}

const sign = (text: string, token: string): string =>
  createHmac('sha256', createHmac('sha256', token).update('mayfly session v1').digest())
    .update(text)
    .digest('base64url');

/**
 * A browser sends this from a page of this site: true; from another one: false; undefined: no browser says anything.
 */
export function fromThisSite({ headers }: HttpRequest, site: string): boolean | undefined {
  const fetchSite = headers['sec-fetch-site'];
  if (fetchSite !== undefined) return fetchSite === 'same-origin';
  if (headers.origin === undefined) return undefined;
  const origin = URL.parse(headers.origin);
  return origin !== null && (origin.host === headers.host || origin.origin === URL.parse(site)?.origin);
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const FORGET_MS = 15 * 60_000;
const MOST_KNOWN = 10_000;

/** Slows down whoever guesses: after each wrong token of an address the pause before the next one doubles. */
export class Attempts {
  readonly #wrong = new Map<string, { times: number; at: number }>();

  /** Milliseconds that this address must still wait. */
  pause(address: string, now: number): number {
    const known = this.#wrong.get(address);
    if (!known || now - known.at > FORGET_MS || now < known.at) return 0;
    return Math.max(
      0,
      known.at + backoffMs(known.times - 1, { firstMs: FIRST_PAUSE_MS, longestMs: LONGEST_PAUSE_MS }) - now,
    );
  }

  wrong(address: string, now: number): void {
    const known = this.#wrong.get(address);
    this.#wrong.delete(address);
    if (this.#wrong.size >= MOST_KNOWN) this.#wrong.delete(this.#wrong.keys().next().value!);
    this.#wrong.set(address, { times: known && now - known.at <= FORGET_MS ? known.times + 1 : 1, at: now });
  }

  right(address: string): void {
    this.#wrong.delete(address);
  }
}
