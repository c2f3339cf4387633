/** What kind of address a build's repository has. Pure. */

/** Is it on another host (https://..., git@host:path), not a folder of this one? */
export const isUrl = (repository: string): boolean =>
  /^[a-z+]+:\/\//i.test(repository) || /^[^/]+@[^/]+:/.test(repository);

/**
 * Does a URL hold what may be a secret? For ssh the user is part of the address; elsewhere a token may stand in its
 * place.
 */
export function holdsSecret(repository: string): boolean {
  const [, scheme, user] = /^([a-z+]+):\/\/([^/?#]*)@/i.exec(repository) ?? [];
  if (scheme === undefined || user === undefined) return false;
  return /ssh/i.test(scheme) ? user.includes(':') : true;
}
