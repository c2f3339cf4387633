/**
 * npm run service:down: stops the containers of the service. Nothing in the store changes but that a job is handed
 * back.
 */
import { command } from '../app/command.ts';
import { withContext } from '../app/open.ts';
import { EXIT } from '../core/errors.ts';
import { hostLock } from '../core/lock.ts';
import { endContainers } from '../service/containers.ts';

await command(
  {
    name: 'service:down',
    about:
      'Stops `serve` and `work` and removes their containers. The worker hands its job back; the store and the archive stay.',
  },
  (io) =>
    withContext({ quiet: false, images: [] }, async (ctx) => {
      using _alone = await hostLock({
        signal: ctx.signal,
        onWait: () => ctx.progress.info('another command on this machine brings something up; waiting for it'),
      });
      const { containers } = await endContainers(ctx);
      io.stdout(
        containers.length > 0
          ? `removed ${containers.length} containers; jobs that wait stay in the queue`
          : 'the service was not up',
      );
      return EXIT.pass;
    }),
);
