/** npm run runs: lists the runs that are kept. */
import { command, jsonFlag, limitOf } from '../app/command.ts';
import { configEnv, withStore } from '../app/open-store.ts';
import { benchmarkName } from '../config/config.ts';
import { parseLabels } from '../config/flags.ts';
import { EXIT } from '../core/errors.ts';
import { runsTable } from '../report/run-table.ts';

await command(
  {
    name: 'runs',
    about: 'Lists the runs that are kept, newest first.',
    flags: [
      { name: 'benchmark', value: 'NAME', help: 'of this benchmark only: its name, or the path of its folder' },
      {
        name: 'commit',
        value: 'REF',
        help: 'of this commit only: a hash, its beginning, or the name that was given to bench; of either side',
      },
      {
        name: 'variant',
        value: 'NAME',
        help: "with the candidate in this variant of the benchmark's deployment only",
      },
      { name: 'label', value: 'KEY=VALUE', many: true, help: 'with this label only' },
      { name: 'limit', value: 'N', help: 'at most so many; default 20' },
      jsonFlag('mayfly.runs/v1'),
    ],
  },
  async (io, { text, has, values }) => {
    const asked = text('benchmark');
    const filter = {
      benchmark: asked === undefined ? undefined : await benchmarkName(asked, configEnv()),
      commit: text('commit'),
      variant: text('variant'),
      labels: parseLabels(values.label ?? []),
      limit: limitOf(text('limit'), 20),
    };
    withStore((store) => {
      const found = store.runs(filter);
      if (has('json')) io.stdout(JSON.stringify({ schema: 'mayfly.runs/v1', runs: found }, null, 2));
      else if (found.length > 0)
        io.stdout(
          runsTable(
            found.map(({ run_id }) => store.run(run_id)),
            { color: process.stdout.isTTY },
          ),
        );
      else io.stdout('no run is kept that fits; npm run bench makes one');
    });
    return EXIT.pass;
  },
);
