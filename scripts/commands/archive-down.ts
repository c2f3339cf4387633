/** npm run archive:down: stops the archive. Its data stays. */

import { ARCHIVE_FLAG, command } from '../app/command.ts';
import { withContext } from '../app/open.ts';
import { takeDown } from '../archive/archive-stack.ts';
import { DEFAULT_ARCHIVE, needArchive } from '../archive/archives.ts';
import { openBucket } from '../archive/bucket.ts';
import { EXIT } from '../core/errors.ts';
import { hostLock } from '../core/lock.ts';

await command(
  {
    name: 'archive:down',
    about: 'Stops the archive and removes its containers. The bucket and everything in it stay.',
    flags: [ARCHIVE_FLAG],
  },
  (io, { text }) =>
    withContext({ quiet: false, images: [] }, async (ctx) => {
      const name = text('archive') ?? DEFAULT_ARCHIVE;
      const archive = await needArchive(name, ctx.paths);
      using _alone = await hostLock({
        signal: ctx.signal,
        onWait: () => ctx.progress.info('another command on this machine brings something up; waiting for it'),
      });
      const { containers } = await takeDown(archive, ctx);
      const bucket = await openBucket(archive.objstore, ctx.paths).then(
        ({ name }) => name,
        () => 'its bucket',
      );
      io.stdout(
        containers.length > 0
          ? `archive ${name}: removed ${containers.length} containers; its runs stay in ${bucket}`
          : `archive ${name} was not up`,
      );
      return EXIT.pass;
    }),
);
