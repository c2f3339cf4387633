/** npm run runs: lists the runs that are kept. */
import { command, jsonFlag } from './command.ts';
import { parseLabels } from './config/flags.ts';
import { EXIT, UsageError } from './errors.ts';
import { withStore } from './open-store.ts';
import { runsTable } from './report/table.ts';

await command(
  {
    name: 'runs',
    about: 'Lists the runs that are kept, newest first.',
    flags: [
      { name: 'benchmark', value: 'NAME', help: 'of this benchmark only' },
      { name: 'commit', value: 'REF', help: 'of this commit only: a hash, its beginning, or the name that was given to bench; of either side' },
      { name: 'label', value: 'KEY=VALUE', many: true, help: 'with this label only' },
      { name: 'limit', value: 'N', help: 'at most so many; default 20' },
      jsonFlag('mayfly.runs/v1'),
    ],
  },
  async (io, { text, has, values }) => {
    const filter = { benchmark: text('benchmark'), commit: text('commit'), labels: parseLabels(values.label ?? []), limit: limitOf(text('limit')) };
    withStore((store) => {
      const found = store.runs(filter);
      if (has('json')) io.stdout(JSON.stringify({ schema: 'mayfly.runs/v1', runs: found }, null, 2));
      else if (found.length > 0) io.stdout(runsTable(found.map(({ run_id }) => store.run(run_id)), { color: process.stdout.isTTY }));
      else io.stdout('no run is kept that fits; npm run bench makes one');
    });
    return EXIT.pass;
  },
);

function limitOf(text: string | undefined): number {
  if (text === undefined) return 20;
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new UsageError(`--limit must be a whole number from 1 to 999999, got ${JSON.stringify(text)}`);
}
