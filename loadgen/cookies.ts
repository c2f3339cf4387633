/** Cookies of one user: the only file that knows tough-cookie. */
import { CookieJar } from 'tough-cookie';

export type { CookieJar };

/** Services under test have made-up names, which no list of public suffixes holds. */
export const newJar = (): CookieJar => new CookieJar(undefined, { looseMode: true, rejectPublicSuffixes: false });
