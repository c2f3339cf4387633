/** npm run show: one run, whole. */
import { command, jsonFlag } from '../app/command.ts';
import { withStore } from '../app/open-store.ts';
import { EXIT } from '../core/errors.ts';
import { runTable } from '../report/run-table.ts';

await command(
  {
    name: 'show',
    about: 'Shows one run. RUN is an id, the beginning of one, or last.',
    takes: { text: 'RUN', min: 1, max: 1, what: 'one run', hint: 'npm run runs lists the runs.' },
    flags: [jsonFlag('mayfly.run/v1, docs/run.md')],
  },
  async (io, { positionals, has }) => {
    const run = withStore((store) => store.run(positionals[0]!));
    io.stdout(has('json') ? JSON.stringify(run, null, 2) : runTable(run, { color: process.stdout.isTTY }));
    return EXIT.pass;
  },
);
