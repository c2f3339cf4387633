/** An address that a load goes to, as flags name it. Pure. */
import { UsageError } from '../core/errors.ts';

/**
 * The target without a slash at its end. Refuses what is no address of a service.
 * `help`: where the flags of the command are explained.
 */
export function targetFlag(target: string, help: string): string {
  const url = URL.canParse(target) ? new URL(target) : null;
  if (!url || !['http:', 'https:'].includes(url.protocol))
    throw new UsageError(`--target must be a URL such as http://127.0.0.1:8080, got ${JSON.stringify(target)}`, {
      hint: help,
    });
  if (url.username || url.password)
    throw new UsageError('--target must not hold a user or a password', {
      hint: 'A script sends credentials as a header: docs/loadgen.md.',
    });
  if (url.pathname !== '/' || url.search || url.hash)
    throw new UsageError(`--target must end after host and port, got ${JSON.stringify(target)}`, {
      hint: 'The paths are in the script.',
    });
  return url.origin;
}
