/** npm run runs: lists the runs that are kept. */
import { main } from './cli.ts';
import { helpText, parseFlags, parseLabels, type Flag } from './config/flags.ts';
import { EXIT, UsageError } from './errors.ts';
import { withStore } from './open-store.ts';
import { runsTable } from './report/table.ts';

const FLAGS: readonly Flag[] = [
  { name: 'benchmark', value: 'NAME', help: 'of this benchmark only' },
  { name: 'commit', value: 'REF', help: 'of this commit only: a hash, its beginning, or the name that was given to bench; of either side' },
  { name: 'label', value: 'KEY=VALUE', many: true, help: 'with this label only' },
  { name: 'limit', value: 'N', help: 'at most so many; default 20' },
  { name: 'json', help: 'print one JSON document (schema mayfly.runs/v1)' },
  { name: 'help', help: 'this text' },
];
const USAGE = 'npm run runs -- [flags]';

await main(async (io) => {
  const { values, positionals } = parseFlags(process.argv.slice(2), FLAGS, 'runs');
  if (values.help) {
    io.stdout(helpText(USAGE, 'Lists the runs that are kept, newest first.', FLAGS));
    return EXIT.pass;
  }
  if (positionals.length > 0) throw new UsageError(`${JSON.stringify(positionals[0])} is not a flag`, { hint: `usage: ${USAGE}` });
  const filter = { benchmark: values.benchmark?.[0], commit: values.commit?.[0], labels: parseLabels(values.label ?? []), limit: limitOf(values.limit?.[0]) };
  withStore((store) => {
    const found = store.runs(filter);
    if (values.json) io.stdout(JSON.stringify({ schema: 'mayfly.runs/v1', runs: found }, null, 2));
    else if (found.length > 0) io.stdout(runsTable(found.map(({ run_id }) => store.run(run_id)), { color: process.stdout.isTTY }));
    else io.stdout('no run is kept that fits; npm run bench makes one');
  });
  return EXIT.pass;
});

function limitOf(text: string | undefined): number {
  if (text === undefined) return 20;
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new UsageError(`--limit must be a whole number from 1 to 999999, got ${JSON.stringify(text)}`);
}
