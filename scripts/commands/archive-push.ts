/** npm run archive:push: ships the snapshots that wait on this host. */

import { command, jsonFlag } from '../app/command.ts';
import { withContext } from '../app/open.ts';
import { PUSH_ABOUT, PUSH_SCHEMA, push, pushDocument, pushExit, pushText } from '../archive/maintenance/push.ts';

await command({ name: 'archive:push', about: PUSH_ABOUT, flags: [jsonFlag(PUSH_SCHEMA)] }, async (io, { has }) => {
  const pushed = await withContext({ quiet: has('json'), images: ['thanos', 'prometheus'] }, push);
  io.stdout(has('json') ? JSON.stringify(pushDocument(pushed), null, 2) : pushText(pushed));
  return pushExit(pushed);
});
