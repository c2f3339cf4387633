/** npm run compare: two runs beside each other, without a verdict. */
import { main } from './cli.ts';
import { comparable, sideBySide } from './compare/compare.ts';
import { helpText, parseFlags, type Flag } from './config/flags.ts';
import { EXIT, UsageError } from './errors.ts';
import { withStore } from './open-store.ts';
import { comparisonTable } from './report/table.ts';

const FLAGS: readonly Flag[] = [
  { name: 'json', help: 'print one JSON document (schema mayfly.comparison/v1)' },
  { name: 'help', help: 'this text' },
];
const USAGE = 'npm run compare -- RUN RUN [flags]';

await main(async (io) => {
  const { values, positionals } = parseFlags(process.argv.slice(2), FLAGS, 'compare');
  if (values.help) {
    io.stdout(helpText(USAGE, 'Puts the second run beside the first. RUN is an id, the beginning of one, or last.', FLAGS));
    return EXIT.pass;
  }
  const [first, second, ...more] = positionals;
  if (first === undefined || second === undefined || more.length > 0) {
    throw new UsageError(`compare needs two runs, got ${positionals.length}`, { hint: `usage: ${USAGE}; npm run runs lists the runs.` });
  }
  const [a, b] = withStore((store) => [store.run(first), store.run(second)] as const);
  const reasons = comparable(a, b);
  io.stdout(
    values.json
      ? JSON.stringify({ schema: 'mayfly.comparison/v1', a: a.run_id, b: b.run_id, comparable: reasons.length === 0, reasons, metrics: sideBySide(a, b) }, null, 2)
      : comparisonTable(a, b, { color: process.stdout.isTTY }),
  );
  return EXIT.pass;
});
