/** npm run archive:push: ships the snapshots that wait on this host. */
import { sweepLeftovers } from './archive/leftovers.ts';
import { pushPending } from './archive/ship.ts';
import { command, jsonFlag } from './command.ts';
import { EXIT } from './errors.ts';
import { withContext } from './open.ts';

await command({ name: 'archive:push', about: 'Ships the snapshots of runs that could not be shipped when they ended.', flags: [jsonFlag('mayfly.push/v1')] }, async (io, { has }) => {
  const pushed = await withContext({ quiet: has('json'), images: ['thanos', 'prometheus'] }, async (ctx) => {
    await sweepLeftovers(ctx);
    return pushPending(ctx);
  });
  const waiting = pushed.filter(({ archive }) => archive.pending);
  if (has('json')) io.stdout(JSON.stringify({ schema: 'mayfly.push/v1', runs: pushed }, null, 2));
  else if (pushed.length === 0) io.stdout('nothing waits to be shipped');
  else for (const { run_id, archive } of pushed) io.stdout(archive.pending ? `${run_id}  still waits: ${archive.error}` : `${run_id}  shipped to ${archive.bucket} (${archive.blocks.join(', ')})`);
  return waiting.length > 0 ? EXIT.infrastructure : EXIT.pass;
});
