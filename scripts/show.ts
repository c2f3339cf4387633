/** npm run show: one run, whole. */
import { main } from './cli.ts';
import { helpText, parseFlags, type Flag } from './config/flags.ts';
import { EXIT, UsageError } from './errors.ts';
import { withStore } from './open-store.ts';
import { runTable } from './report/table.ts';

const FLAGS: readonly Flag[] = [
  { name: 'json', help: 'print the run as one JSON document (schema mayfly.run/v1, docs/run.md)' },
  { name: 'help', help: 'this text' },
];
const USAGE = 'npm run show -- RUN [flags]';

await main(async (io) => {
  const { values, positionals } = parseFlags(process.argv.slice(2), FLAGS, 'show');
  if (values.help) {
    io.stdout(helpText(USAGE, 'Shows one run. RUN is an id, the beginning of one, or last.', FLAGS));
    return EXIT.pass;
  }
  const [wanted, ...more] = positionals;
  if (wanted === undefined || more.length > 0) throw new UsageError(`show needs one run, got ${positionals.length}`, { hint: `usage: ${USAGE}; npm run runs lists the runs.` });
  const run = withStore((store) => store.run(wanted));
  io.stdout(values.json ? JSON.stringify(run, null, 2) : runTable(run, { color: process.stdout.isTTY }));
  return EXIT.pass;
});
