/** npm run compare: two runs beside each other, without a verdict. */
import { command, jsonFlag } from './command.ts';
import { comparable, sideBySide } from './compare/compare.ts';
import { EXIT } from './errors.ts';
import { withStore } from './open-store.ts';
import { comparisonTable } from './report/table.ts';

await command(
  {
    name: 'compare',
    about: 'Puts the second run beside the first. RUN is an id, the beginning of one, or last.',
    takes: { text: 'RUN RUN', min: 2, max: 2, what: 'two runs', hint: 'npm run runs lists the runs.' },
    flags: [jsonFlag('mayfly.comparison/v1')],
  },
  async (io, { positionals, has }) => {
    const [a, b] = withStore((store) => [store.run(positionals[0]!), store.run(positionals[1]!)] as const);
    const reasons = comparable(a, b);
    io.stdout(
      has('json')
        ? JSON.stringify({ schema: 'mayfly.comparison/v1', a: a.run_id, b: b.run_id, comparable: reasons.length === 0, reasons, metrics: sideBySide(a, b) }, null, 2)
        : comparisonTable(a, b, { color: process.stdout.isTTY }),
    );
    return EXIT.pass;
  },
);
