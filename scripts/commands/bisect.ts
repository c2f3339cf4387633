/** npm run bisect: the first slow commit. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { command, jsonFlag } from '../app/command.ts';
import { withContext } from '../app/open.ts';
import { configEnv } from '../app/open-store.ts';
import { EXIT } from '../core/errors.ts';
import { hostLock } from '../core/lock.ts';
import { RUN_IMAGES } from '../images/images.ts';
import { type BisectAnswer, bisectText } from '../report/bisect-text.ts';
import { sayHowToGoOn, searchOn } from '../studies/bisect/bisect-commits.ts';
import { BISECT_FLAGS, openBisection, readOptions } from '../studies/bisect/bisect-options.ts';

/** What was asked is answered, if only by "nothing became slower"; or it could not be decided. */
const EXIT_OF: Record<BisectAnswer['outcome'], number> = {
  culprit: EXIT.pass,
  'not-slower': EXIT.pass,
  'same-build': EXIT.pass,
  undecided: EXIT.pass,
  'several-steps': EXIT.invalid,
  unverified: EXIT.invalid,
  range: EXIT.invalid,
};

await command(
  {
    name: 'bisect',
    about:
      'Finds the first commit that made a benchmark slower, in about log2(n) comparisons. Goes on where it was after an interrupt.',
    flags: [
      ...BISECT_FLAGS,
      { name: 'quiet', help: 'no progress; warnings and errors only' },
      jsonFlag('mayfly.bisect/v1'),
    ],
  },
  async (io, { text, has }) => {
    const options = readOptions(text, process.cwd());
    const bisection = await withContext({ quiet: has('quiet'), images: RUN_IMAGES }, async (ctx) => {
      await mkdir(ctx.paths.cache, { recursive: true });
      using _lock = await hostLock({
        file: join(ctx.paths.cache, 'bisect.lock'),
        onWait: () => ctx.progress.info('another bisection is going on; this one waits'),
        signal: ctx.signal,
      });
      const { bisection, config } = await openBisection(options, configEnv(), ctx);
      return await searchOn(bisection, config, ctx).catch((error) =>
        sayHowToGoOn(
          error,
          ctx.store.bisections(bisection.benchmark).find((one) => one.bisection_id === bisection.bisection_id)!
            .document as typeof bisection,
          ctx,
        ),
      );
    });
    io.stdout(
      has('json')
        ? JSON.stringify(bisection, null, 2)
        : bisectText(bisection, { color: Boolean(process.stdout.isTTY) }),
    );
    const notMeasured = bisection.answer!.outcome === 'undecided' && bisection.comparisons[0]!.verdict === 'INVALID';
    return notMeasured ? EXIT.invalid : EXIT_OF[bisection.answer!.outcome];
  },
);
