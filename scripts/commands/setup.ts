/** npm run setup: everything that Mayfly needs on this machine. */
import { command } from '../app/command.ts';
import { EXIT } from '../core/errors.ts';
import { interruptible } from '../core/interrupt.ts';
import { IMAGE_NAMES, OPTIONAL_NAMES } from '../images/images.ts';
import { createProgress } from '../report/progress.ts';
import { setUp } from '../setup/machine.ts';

await command(
  {
    name: 'setup',
    about:
      'Gets what Mayfly needs on this machine: Node packages, the Docker engine, Compose, images. Does nothing when all is there.',
  },
  async () => {
    const progress = createProgress({ stream: process.stderr, quiet: false });
    const { signal, release } = interruptible('; what is done already is not repeated');
    const begun = performance.now();
    try {
      const { engine, compose, images } = await setUp({
        images: IMAGE_NAMES,
        optional: OPTIONAL_NAMES,
        progress,
        signal,
      });
      progress.info(
        `Docker ${engine.version}, Compose ${compose.version}, ${Object.keys(images).length} images: all there (${((performance.now() - begun) / 1000).toFixed(2)} s)`,
      );
    } finally {
      progress.close();
      release();
    }
    return EXIT.pass;
  },
);
