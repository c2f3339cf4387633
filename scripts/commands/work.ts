/**
 * npm run work: claims jobs, and runs each as `npm run bench` would. It holds no token of GitHub: what it finds out it
 * leaves in the store, and `npm run serve` tells it.
 */
import { command, wholeNumber } from '../app/command.ts';
import { withContext } from '../app/open.ts';
import { EXIT, Interrupted } from '../core/errors.ts';
import { RUN_IMAGES } from '../images/images.ts';
import { work } from '../service/worker/worker.ts';
import { serveHealth } from '../service/worker/worker-health.ts';

await command(
  {
    name: 'work',
    about:
      'Takes jobs from the queue and measures them, one after the other, until Ctrl-C or SIGTERM: the job at hand is handed back then, with the rounds that it has finished.',
    flags: [
      { name: 'slots', value: 'N', help: 'jobs at the same time; default 1: two that share a host disturb each other' },
      { name: 'once', help: 'end when nothing waits' },
      {
        name: 'port',
        value: 'N',
        help: '/healthz, /readyz and /metrics on 127.0.0.1 at this port; default 8421, 0: any that is free',
      },
      { name: 'quiet', help: 'no progress, only warnings' },
    ],
  },
  (io, { text, has }) => {
    const slots = wholeNumber('slots', text('slots'), { least: 1, most: 64, fallback: 1 });
    const port = wholeNumber('port', text('port'), { least: 0, most: 65_535, fallback: 8421 });
    return withContext({ quiet: has('quiet'), images: RUN_IMAGES }, async (ctx) => {
      await using health = await serveHealth(port, ctx);
      io.stderr(`takes jobs from ${ctx.paths.db}; ${health.url}/metrics`);
      await work(ctx, { slots, once: has('once') }, health.tell);
      if (ctx.signal.aborted && !(ctx.signal.reason instanceof Interrupted)) throw ctx.signal.reason;
      return EXIT.pass;
    });
  },
);
