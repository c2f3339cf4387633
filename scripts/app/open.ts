/** Opens what every command that works with the engine needs, and closes it in reverse. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InfrastructureError } from '../core/errors.ts';
import { interruptible } from '../core/interrupt.ts';
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
export const withContext = <T>(
  options: { quiet: boolean; images: Images; optional?: Images },
  work: (ctx: Context) => Promise<T>,
): Promise<T> =>
  withProgress(options.quiet, async ({ progress, signal, paths: where }) => {
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
        obtainImages: async (names) => {
          const { images } = await setUp({ images: names, progress, signal });
          return Object.fromEntries(names.map((name) => [name, images[name]!]));
        },
      }),
    );
  });

/**
 * The same for work that is done on the engine of another host: nothing is set up on this one, and its engine, at the
 * usual place, need not be there.
 */
export const withStoreAndNoEngine = <T>(
  options: { quiet: boolean },
  work: (ctx: Omit<Context, 'machine'>) => Promise<T>,
): Promise<T> =>
  withProgress(options.quiet, async ({ progress, signal, paths: where }) => {
    using store = closing(openStore(where.db));
    using engine = closing(connectEngine(engineSocket({})));
    const { machine: _, ...ctx } = makeContext({
      paths: where,
      env: process.env,
      progress,
      signal,
      engine: engine.value,
      store: store.value,
      machine: undefined as never,
      obtainImages: () => Promise.reject(new InfrastructureError('there is no engine on this host to get images for')),
    });
    return await work(ctx);
  });

async function withProgress<T>(
  quiet: boolean,
  work: (parts: Pick<Context, 'progress' | 'signal' | 'paths'>) => Promise<T>,
): Promise<T> {
  const { signal, release } = interruptible();
  const progress = createProgress({ stream: process.stderr, quiet });
  try {
    return await work({ progress, signal, paths: paths(ROOT, process.env) });
  } finally {
    progress.close();
    release();
  }
}

function closing<T extends { close(): unknown }>(value: T): { value: T } & Disposable {
  return { value, [Symbol.dispose]: () => void value.close() };
}
