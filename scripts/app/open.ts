/** Opens what every command that works with the engine needs, and closes it in reverse. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Interrupted } from '../core/errors.ts';
import { paths } from '../core/paths.ts';
import { connectEngine } from '../engine/engine.ts';
import { engineSocket } from '../engine/socket.ts';
import { createProgress } from '../report/progress.ts';
import { setUp } from '../setup/machine.ts';
import { openStore } from '../store/db.ts';
import { type Context, makeContext } from './context.ts';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

type Images = Parameters<typeof setUp>[0]['images'];

/**
 * Sets the machine up for these images, opens the store and the engine, runs `work`, and closes them whatever happens.
 */
export async function withContext<T>(
  options: { quiet: boolean; images: Images; optional?: Images },
  work: (ctx: Context) => Promise<T>,
): Promise<T> {
  const { signal, release } = interruptible();
  const progress = createProgress({ stream: process.stderr, quiet: options.quiet });
  const where = paths(ROOT, process.env);
  try {
    const machine = await setUp({ images: options.images, optional: options.optional, progress, signal });
    using store = closing(openStore(where.db));
    using engine = closing(connectEngine(engineSocket(process.env)));
    return await work(
      makeContext({
        paths: where,
        env: process.env,
        progress,
        signal,
        engine: engine.value,
        store: store.value,
        machine,
      }),
    );
  } finally {
    progress.close();
    release();
  }
}

function closing<T extends { close(): unknown }>(value: T): { value: T } & Disposable {
  return { value, [Symbol.dispose]: () => void value.close() };
}

/**
 * Ctrl-C and SIGTERM abort once; further ones are ignored, since npm passes on what the terminal has sent already, and
 * the clean-up must not be cut short.
 */
export function interruptible(): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals) => controller.abort(new Interrupted(`interrupted by ${name}`));
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const name of signals) process.on(name, onSignal);
  return { signal: controller.signal, release: () => signals.forEach((name) => process.off(name, onSignal)) };
}
