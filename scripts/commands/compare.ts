/** npm run compare: two stored runs, before and after. */
import { command, jsonFlag } from '../app/command.ts';
import { withStore } from '../app/open-store.ts';
import { checkVerdictFiles, exitCodeOf, writeVerdictFiles } from '../app/verdict-files.ts';
import { VERDICT_FLAGS, verdictOutputs } from '../config/flags.ts';
import { UsageError } from '../core/errors.ts';
import type { RunDocument } from '../documents/run.ts';
import { judgeTwoRuns } from '../judge/two-runs.ts';
import { comparisonTable } from '../report/run-table.ts';
import { verdictText } from '../report/verdict-text.ts';

await command(
  {
    name: 'compare',
    about:
      'Compares two stored runs: the first is before, the second after. Only runs against the same baseline can be decided. RUN is an id, the beginning of one, or last.',
    takes: { text: 'RUN RUN', min: 2, max: 2, what: 'two runs', hint: 'npm run runs lists the runs.' },
    flags: [...VERDICT_FLAGS, jsonFlag('mayfly.verdict/v1, docs/verdict-document.md')],
  },
  async (io, { positionals, text, has }) => {
    const outputs = verdictOutputs(text, has);
    checkVerdictFiles(outputs, process.cwd());
    const [a, b] = withStore((store) => [store.run(positionals[0]!), store.run(positionals[1]!)] as const);
    if (a.run_id === b.run_id) throw oneRun(a);
    const verdict = judgeTwoRuns(a, b);
    const color = Boolean(process.stdout.isTTY);
    io.stdout(
      has('json')
        ? JSON.stringify(verdict, null, 2)
        : [verdictText(verdict, { color }), '', comparisonTable(a, b, { color })].join('\n'),
    );
    writeVerdictFiles(outputs, process.cwd(), verdict, b, []);
    return exitCodeOf(verdict.verdict, outputs.strict);
  },
);

function oneRun({ run_id, sides }: RunDocument): UsageError {
  const hint = sides.baseline
    ? `It compared two commits itself: npm run judge -- ${run_id} judges it again.`
    : 'npm run runs lists the runs.';
  return new UsageError(`both are the same run, ${run_id}`, { hint });
}
