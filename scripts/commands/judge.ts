/** npm run judge: judges a stored comparison again, from its rounds alone. */
import { isDeepStrictEqual } from 'node:util';
import { command, jsonFlag } from '../app/command.ts';
import { withStore } from '../app/open-store.ts';
import { checkVerdictFiles, exitCodeOf, writeVerdictFiles } from '../app/verdict-files.ts';
import { benchmarkFlag, VERDICT_FLAGS, verdictOutputs } from '../config/flags.ts';
import { EXIT, UsageError } from '../core/errors.ts';
import type { VerdictDocument } from '../documents/verdict.ts';
import { quoteOf } from '../judge/calibration.ts';
import { judgeRun } from '../judge/judge-run.ts';
import { grownLines } from '../report/profile-text.ts';
import { failureOf, invalidRounds, verdictText } from '../report/verdict-text.ts';

await command(
  {
    name: 'judge',
    about:
      'Judges a stored comparison again, from its rounds: no engine is needed, and the same rounds give the same verdict. RUN is an id, the beginning of one, or last.',
    takes: { text: 'RUN', min: 1, max: 1, what: 'one run', hint: 'npm run runs lists the runs.' },
    flags: [
      { name: 'save', help: 'keep this verdict as the one of the run' },
      ...VERDICT_FLAGS,
      jsonFlag('mayfly.verdict/v1, docs/verdict-document.md'),
    ],
  },
  async (io, { positionals, text, has }) => {
    const outputs = verdictOutputs(text, has);
    checkVerdictFiles(outputs, process.cwd());
    const { run, verdict } = withStore((store) => {
      const run = store.run(positionals[0]!);
      if (!run.sides.baseline) {
        throw new UsageError(`run ${run.run_id} measured one commit alone: there is nothing to judge`, {
          hint: `npm run bench -- --commit=REF --against=REF${benchmarkFlag(run.benchmark)} measures two in the same moments; npm run compare -- OTHER_RUN ${run.run_id} shows it beside another run.`,
        });
      }
      const calibration = store.calibration(run);
      const verdict = judgeRun(run, calibration && quoteOf(calibration));
      if (has('save')) store.saveVerdict(run.run_id, verdict);
      return { run, verdict };
    });
    const failed = failureOf({ ...run, verdict });
    if (has('json')) io.stdout(JSON.stringify(verdict, null, 2));
    else {
      const color = Boolean(process.stdout.isTTY);
      io.stdout(verdictText(verdict, { color, invalid: invalidRounds(run), failed, grown: grownLines(run) }));
    }
    const news = differenceFrom(run.verdict, verdict);
    if (news)
      io.stderr(
        `${news}; ${has('save') ? 'this one is kept now' : `npm run judge -- ${run.run_id} --save keeps this one`}`,
      );
    writeVerdictFiles(outputs, process.cwd(), verdict, run, []);
    return failed === undefined ? exitCodeOf(verdict.verdict, outputs.strict) : EXIT.invalid;
  },
);

/**
 * How the verdict that is kept differs from this one; undefined where it does not. A newer calibration is no
 * difference.
 */
function differenceFrom(kept: VerdictDocument | undefined, verdict: VerdictDocument): string | undefined {
  if (!kept) return 'no verdict of this run was kept';
  const decided = ({ calibration: _quoted, ...rest }: VerdictDocument) => JSON.parse(JSON.stringify(rest));
  if (isDeepStrictEqual(decided(kept), decided(verdict))) return undefined;
  return kept.verdict === verdict.verdict
    ? 'the verdict that was kept is the same on other grounds: the method has changed since'
    : `the verdict that was kept is ${kept.verdict}: the method, or what the run was when it was judged, has changed since`;
}
