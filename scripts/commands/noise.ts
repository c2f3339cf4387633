/** npm run noise: how quiet this host is, in a minute and without any container. */
import { command, jsonFlag } from '../app/command.ts';
import { ROOT } from '../app/open.ts';
import { EXIT, UsageError } from '../core/errors.ts';
import { interruptible } from '../core/interrupt.ts';
import { paths } from '../core/paths.ts';
import { type NoiseDocument, noiseText } from '../report/noise-text.ts';
import { createProgress } from '../report/progress.ts';
import { adviseOn } from '../studies/noise/advice.ts';
import { measureNoise } from '../studies/noise/noise-measure.ts';

const SECONDS = 60;

await command(
  {
    name: 'noise',
    about: 'Says how quiet this host is, and what to do about what disturbs. Needs neither an engine nor root.',
    flags: [
      { name: 'seconds', value: 'N', help: `look for so long, 1 to 3600; default ${SECONDS}` },
      jsonFlag('mayfly.noise/v1, docs/calibration.md'),
      { name: 'quiet', help: 'no progress' },
    ],
  },
  async (io, { text, has }) => {
    const seconds = secondsOf(text('seconds'));
    const { signal, release } = interruptible();
    const progress = createProgress({ stream: process.stderr, quiet: has('quiet') });
    const at = new Date().toISOString();
    try {
      const { readings, unreadable } = await measureNoise({
        seconds,
        folder: paths(ROOT, process.env).data,
        progress,
        signal,
      });
      progress.close();
      const document: NoiseDocument = {
        schema: 'mayfly.noise/v1',
        at,
        seconds,
        ...adviseOn(readings),
        readings,
        unreadable,
      };
      io.stdout(
        has('json') ? JSON.stringify(document, null, 2) : noiseText(document, { color: Boolean(process.stdout.isTTY) }),
      );
      return EXIT.pass;
    } finally {
      progress.close();
      release();
    }
  },
);

function secondsOf(text: string | undefined): number {
  const seconds = text === undefined ? SECONDS : Number(text);
  if (!(seconds >= 1 && seconds <= 3600))
    throw new UsageError(`--seconds must be a number from 1 to 3600, got ${JSON.stringify(text)}`, {
      hint: 'see npm run noise -- --help',
    });
  return seconds;
}
