/** npm run archive:status: what the archive holds and how its parts are. */

import { ARCHIVE_FLAG, command, jsonFlag } from '../app/command.ts';
import { withContext } from '../app/open.ts';
import { DEFAULT_ARCHIVE, needArchive } from '../archive/archives.ts';
import { archiveStatus, statusText } from '../archive/status.ts';
import { EXIT } from '../core/errors.ts';

await command(
  {
    name: 'archive:status',
    about: 'Says what the archive holds, where it is looked at, and what is wrong with it (exit code 4).',
    flags: [ARCHIVE_FLAG, jsonFlag('mayfly.archive/v1')],
  },
  (io, { text, has }) =>
    withContext({ quiet: has('json'), images: ['thanos'] }, async (ctx) => {
      const name = text('archive') ?? DEFAULT_ARCHIVE;
      const archive = await needArchive(name, ctx.paths);
      const status = await archiveStatus(archive, ctx);
      io.stdout(has('json') ? JSON.stringify(status, null, 2) : statusText(status));
      return status.state === 'unhealthy' ? EXIT.infrastructure : EXIT.pass;
    }),
);
