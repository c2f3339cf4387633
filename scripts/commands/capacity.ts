/** npm run capacity: the highest rate at which a commit still meets the objectives. */

import { command, jsonFlag } from '../app/command.ts';
import { withContext } from '../app/open.ts';
import { configEnv } from '../app/open-store.ts';
import { EXIT } from '../core/errors.ts';
import { RUN_IMAGES } from '../images/images.ts';
import { capacityText } from '../report/capacity-text.ts';
import { findCapacity } from '../studies/capacity/capacity-measure.ts';
import { CAPACITY_FLAGS, readOptions } from '../studies/capacity/capacity-options.ts';

await command(
  {
    name: 'capacity',
    about:
      'Searches the highest rate of requests at which a commit still meets the objectives of its benchmark, and stores it as a metric of the commit.',
    flags: [
      ...CAPACITY_FLAGS,
      { name: 'quiet', help: 'no progress; warnings and errors only' },
      jsonFlag('mayfly.run/v1, the answer in it is mayfly.capacity/v1'),
    ],
  },
  async (io, { values, has }) => {
    const { config, limits } = await readOptions(values, configEnv());
    const { run, sure } = await withContext({ quiet: has('quiet'), images: RUN_IMAGES }, (ctx) =>
      findCapacity(config, limits, ctx),
    );
    io.stdout(
      has('json') ? JSON.stringify(run, null, 2) : capacityText(run, { color: Boolean(process.stdout.isTTY), sure }),
    );
    return sure && run.capacity!.capacity !== null && run.capacity!.limited_by !== 'generator'
      ? EXIT.pass
      : EXIT.invalid;
  },
);
