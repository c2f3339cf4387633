/**
 * npm run calibrate: one build against itself, and what it says of this host: false alarms, and the smallest slowdown
 * that is found.
 */
import { command, type Given, jsonFlag } from '../app/command.ts';
import { withContext } from '../app/open.ts';
import { configEnv, withStore } from '../app/open-store.ts';
import { type BenchOptions, benchFlags, loadConfig } from '../config/config.ts';
import { FLAGS, type Flag } from '../config/flags.ts';
import type { Config } from '../config/types.ts';
import { EXIT, MayflyError, UsageError } from '../core/errors.ts';
import { inStep } from '../core/step.ts';
import type { RunDocument } from '../documents/run.ts';
import { RUN_IMAGES } from '../images/images.ts';
import { calibrate, isCalibrationRun, LEAST_OBSERVATIONS, observationCount } from '../judge/calibration.ts';
import { bench } from '../pipeline.ts';
import { calibrationText } from '../report/calibration-text.ts';
import { createProgress } from '../report/progress.ts';

const MINUTES = 30;
/** Flags of bench that are passed on as they are. */
const PASSED = ['benchmark', 'commit', 'variant', 'pairing', 'rate', 'duration', 'warmup', 'objstore'];
const flags: Flag[] = [
  ...FLAGS.filter(({ name }) => PASSED.includes(name)),
  { name: 'minutes', value: 'N', help: `measure for so long; default ${MINUTES}` },
  { name: 'rounds', value: 'N', help: 'measure exactly so many rounds instead' },
  { name: 'run', value: 'RUN', help: 'measure nothing: take the rounds of this run of one commit against itself' },
  jsonFlag('mayfly.calibration/v1, docs/calibration.md'),
  { name: 'quiet', help: 'no progress; warnings and errors only' },
];

await command(
  {
    name: 'calibrate',
    about:
      'Measures one build against itself and says how often the verdict would err on this host, and what slowdown it would find.',
    flags,
  },
  async (io, given) => {
    const quiet = given.has('quiet');
    const stored = given.text('run');
    const run = stored === undefined ? await measure(given, quiet) : chosen(stored, given);
    checkEnough(run);
    const progress = createProgress({ stream: process.stderr, quiet });
    const calibration = await inStep(progress, 'judge the rounds again and again (half a minute)', async () =>
      calibrate(run),
    );
    progress.close();
    withStore((store) => store.addCalibration(calibration));
    io.stdout(
      given.has('json')
        ? JSON.stringify(calibration, null, 2)
        : calibrationText(calibration, { color: Boolean(process.stdout.isTTY) }),
    );
    return EXIT.pass;
  },
);

/** The stored run that --run names. */
function chosen(wanted: string, { values }: Given): RunDocument {
  const other = Object.keys(values).find((name) => !['run', 'json', 'quiet'].includes(name));
  if (other)
    throw new UsageError(`--run takes the rounds of a run as they are, so --${other} cannot be given with it`, {
      hint: 'Leave one of them out.',
    });
  const run = withStore((store) => store.run(wanted));
  if (!isCalibrationRun(run)) {
    const { candidate, baseline } = run.sides;
    const what = !baseline
      ? 'has one side'
      : baseline.commit === candidate.commit
        ? `compares two variants (${candidate.variant ?? 'none'} and ${baseline.variant ?? 'none'})`
        : `compares two commits (${candidate.ref} and ${baseline.ref})`;
    throw new UsageError(`run ${run.run_id} ${what}: only a run of one commit against itself can calibrate`, {
      hint: `npm run calibrate -- --benchmark=${run.benchmark} measures one.`,
    });
  }
  return run;
}

async function measure(given: Given, quiet: boolean): Promise<RunDocument> {
  const config = await calibrationConfig(given);
  return withContext({ quiet, images: RUN_IMAGES }, (ctx) => bench(config, ctx));
}

/** One look at the end of the time or of the rounds. Invalid rounds are left out, however many they are. */
async function calibrationConfig({ text, values }: Given): Promise<Config> {
  const env = configEnv();
  const passed = { ...benchFlags(values, PASSED), profile: false };
  const { commit, load } = await loadConfig({ ...passed, against: 'none' }, env);
  const minutes = minutesOf(text('minutes'));
  // No round is shorter than its load, so the time is up first.
  const rounds =
    text('rounds') ??
    String(Math.min(1000, Math.max(LEAST_OBSERVATIONS, Math.ceil((minutes * 60) / (load.durationS + load.warmupS)))));
  const limited = text('rounds') === undefined || text('minutes') !== undefined;
  const options: BenchOptions = {
    ...passed,
    commit,
    against: commit,
    rounds,
    ...(limited ? { maxMinutes: String(minutes) } : {}),
    labels: { purpose: 'calibration' },
  };
  const config = await loadConfig(options, env);
  return { ...config, retries: Math.max(config.retries, Number(rounds)) };
}

function minutesOf(text: string | undefined): number {
  const minutes = text === undefined ? MINUTES : Number(text);
  if (!(minutes > 0 && minutes <= 1440))
    throw new UsageError(`--minutes must be a number above 0 and up to 1440, got ${JSON.stringify(text)}`, {
      hint: 'see npm run calibrate -- --help',
    });
  return minutes;
}

function checkEnough(run: RunDocument): void {
  const count = observationCount(run);
  if (count >= LEAST_OBSERVATIONS) return;
  const thing = run.pairing === 'alternating' ? 'blocks of four alternating rounds' : 'rounds';
  const invalid = run.rounds.some(({ valid }) => !valid)
    ? `npm run show -- ${run.run_id} says why rounds are INVALID; `
    : '';
  throw new MayflyError(
    EXIT.invalid,
    `a calibration needs ${LEAST_OBSERVATIONS} valid ${thing} or more, run ${run.run_id} has ${count}`,
    { hint: `${invalid}give it more time: npm run calibrate -- --benchmark=${run.benchmark} --minutes=${MINUTES}` },
  );
}
