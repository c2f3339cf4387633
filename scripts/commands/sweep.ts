/** npm run sweep: removes what dead runs have left, and, by its id, a stack that --keep has left up. */
import { join } from 'node:path';
import { command } from '../app/command.ts';
import { withContext } from '../app/open.ts';
import { RUN_ID, settleFolder, sweepLeftovers } from '../archive/recovery/leftovers.ts';
import { EXIT, UsageError } from '../core/errors.ts';
import { exists } from '../core/files.ts';
import { LABEL } from '../engine/names.ts';
import { isAlive } from '../engine/owner.ts';
import { removeAll } from '../engine/remove.ts';
import { runOwner } from '../stack/run-folder.ts';

const ABOUT =
  'Removes what dead runs have left on the engine and on disk, and, by its id, a stack that --keep has left up.';

await command(
  { name: 'sweep', about: ABOUT, takes: { text: '[RUN …]', min: 0, max: Infinity, what: 'ids of runs' } },
  async (io, { positionals: wanted }) => {
    await withContext({ quiet: false, images: ['prometheus'] }, async (ctx) => {
      const dead = await sweepLeftovers(ctx);
      if (wanted.length === 0 && dead.length === 0) io.stdout('nothing to sweep');
      for (const runId of wanted) {
        const objects = await ctx.engine.networks(`${LABEL.run}=${runId}`);
        const owner = objects[0]?.labels ?? {};
        const runDir = join(ctx.paths.runs, runId);
        const folder = RUN_ID.test(runId) && (await exists(runDir));
        if (objects.length === 0 && !folder)
          throw new UsageError(`there is no stack of run ${JSON.stringify(runId)} on this engine`, {
            hint: '`docker ps --filter label=dev.mayfly.run` shows what there is.',
          });
        const alive =
          isAlive(Number(owner[LABEL.pid]), owner[LABEL.pidStart] ?? '') ||
          (folder && (await runOwner(runDir)) === 'live');
        if (alive)
          throw new UsageError(
            `run ${runId} is still going on${owner[LABEL.pid] ? ` (process ${owner[LABEL.pid]})` : ''}`,
            { hint: 'Stop it with Ctrl-C; it cleans up by itself.' },
          );
        const removed = await removeAll(ctx.engine, [`${LABEL.run}=${runId}`], 0);
        if (folder) await settleFolder(runId, ctx);
        io.stdout(
          `${runId}: removed ${removed.containers.length} containers, ${removed.networks.length} networks, ${removed.volumes.length} volumes`,
        );
      }
    });
    return EXIT.pass;
  },
);
