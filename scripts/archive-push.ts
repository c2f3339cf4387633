/** npm run archive:push: ships the snapshots that wait on this host. */
import { parseArgs } from 'node:util';
import { sweepLeftovers } from './archive/leftovers.ts';
import { pushPending } from './archive/ship.ts';
import { main } from './cli.ts';
import { EXIT, UsageError } from './errors.ts';
import { withContext } from './open.ts';

await main(async (io) => {
  const { json } = readFlags();
  const pushed = await withContext({ quiet: json, images: ['thanos', 'prometheus'] }, async (ctx) => {
    await sweepLeftovers(ctx);
    return pushPending(ctx);
  });
  const waiting = pushed.filter(({ archive }) => archive.pending);
  if (json) io.stdout(JSON.stringify({ schema: 'mayfly.push/v1', runs: pushed }, null, 2));
  else if (pushed.length === 0) io.stdout('nothing waits to be shipped');
  else for (const { run_id, archive } of pushed) io.stdout(archive.pending ? `${run_id}  still waits: ${archive.error}` : `${run_id}  shipped to ${archive.bucket} (${archive.blocks.join(', ')})`);
  return waiting.length > 0 ? EXIT.infrastructure : EXIT.pass;
});

function readFlags(): { json: boolean } {
  try {
    return { json: parseArgs({ options: { json: { type: 'boolean', default: false } } }).values.json };
  } catch (error) {
    throw new UsageError((error as Error).message, { hint: 'npm run archive:push takes --json only.' });
  }
}
