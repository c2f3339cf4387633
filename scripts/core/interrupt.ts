/** How a command is ended: the one handler of signals. */
import { Interrupted } from './errors.ts';

/**
 * Ctrl-C and SIGTERM abort once; further ones are ignored, since npm passes on what the terminal has sent already, and
 * the clean-up must not be cut short.
 */
export function interruptible(note = ''): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals) => controller.abort(new Interrupted(`interrupted by ${name}${note}`));
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const name of signals) process.on(name, onSignal);
  return { signal: controller.signal, release: () => signals.forEach((name) => process.off(name, onSignal)) };
}
