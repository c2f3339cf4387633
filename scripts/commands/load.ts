/** npm run load: tries a load script without a run. */
import { command, jsonFlag } from '../app/command.ts';
import { withContext } from '../app/open.ts';
import { sweep } from '../archive/recovery/sweep-stacks.ts';
import { EXIT } from '../core/errors.ts';
import { tryLoad } from '../measure/load/trial.ts';
import { readTrial, TRIAL_FLAGS } from '../measure/load/trial-options.ts';
import { loadTable, shortfalls } from '../report/load-table.ts';

await command(
  {
    name: 'load',
    about:
      'Tries a load script on a service that runs on this machine, in a container of the load generator, and prints what came of it. Nothing is stored. Exit codes: 0 the load was made as asked, whatever the service answered; 3 iterations were dropped or the rate was missed; 2 wrong flags or script; 4 engine; 130 interrupted.',
    flags: [
      ...TRIAL_FLAGS,
      jsonFlag('mayfly.load/v1, docs/loadgen.md'),
      { name: 'quiet', help: 'no progress; warnings and errors only' },
    ],
    takes: { text: 'SCRIPT', min: 1, max: 1, what: 'one load script', hint: 'for example benchmarks/shop/load.ts' },
  },
  async (io, given) => {
    const trial = readTrial(given.positionals[0]!, given, process.cwd());
    const result = await withContext({ quiet: given.has('quiet'), images: ['node'] }, async (ctx) => {
      await sweep(ctx);
      return tryLoad(trial, ctx);
    });
    io.stdout(
      given.has('json')
        ? JSON.stringify(result, null, 2)
        : loadTable(result, trial.load, { color: Boolean(process.stdout.isTTY), script: trial.script }),
    );
    const lacks = shortfalls(result, trial.load);
    if (given.has('json')) for (const text of lacks) io.stderr(`the load was not made as asked: ${text}`);
    return lacks.length > 0 ? EXIT.invalid : EXIT.pass;
  },
);
