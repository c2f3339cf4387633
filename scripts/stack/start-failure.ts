/** Whose fault it is that a side does not start. Pure. */
import { CandidateError, InfrastructureError, type MayflyError } from '../core/errors.ts';
import type { SideName } from '../documents/run.ts';
import type { ContainerState } from '../engine/engine.ts';
import { shortCommit } from '../engine/names.ts';
import { ailmentOf, serviceOf, type Unwell, unwellText, waitsFor } from '../engine/up.ts';
import type { Plan } from '../plan/plan.ts';
import { isFinal, type Unreached, unreachedText } from './scrape.ts';

type Side = Pick<Plan['sides'][number], 'name' | 'ref' | 'commit'>;

/** How a failure is told: of the commit, of both sides, of either one. */
interface Words {
  /** `this commit does not start; the baseline does` */
  candidate: string;
  baseline: string;
  both: string;
  /** `did not start`: a side in a later round. */
  late: string;
}

const STARTS: Words = {
  candidate: 'this commit does not start; the baseline does',
  baseline: 'the baseline does not start; this commit does, and is not to blame',
  both: 'neither side starts, so this commit is not to blame',
  late: 'did not start',
};
const IS_SCRAPED: Words = {
  candidate: "this commit's metrics cannot be scraped; the baseline's can",
  baseline: "the baseline's metrics cannot be scraped; this commit's can, and it is not to blame",
  both: 'the metrics of neither side can be scraped, so this commit is not to blame',
  late: 'could not be scraped',
};

/** A side whose containers did not become well. */
export class StartFailure extends InfrastructureError {
  readonly side: SideName;
  /** In one line, without a word about whose fault it is. */
  readonly what: string;
  /** The containers that are not well: states, health checks, logs. */
  readonly details: string;
  /** It is what the service did, and not what the engine could not do for it. */
  readonly ofTheService: boolean;
  readonly words: Words;
  constructor(
    side: Side,
    {
      what,
      details,
      ofTheService,
      words = STARTS,
      hint = HINT,
    }: Pick<StartFailure, 'what' | 'details' | 'ofTheService'> & {
      words?: Words;
      hint?: string;
    },
  ) {
    super([what, details].filter(Boolean).join('\n'), { hint });
    this.side = side.name;
    this.what = what;
    this.details = details;
    this.ofTheService = ofTheService;
    this.words = words;
  }
}

const HINT = 'Start the image by hand, or raise ready_timeout in benchmark.yaml.';
const HINT_ENDED = 'Start the image by hand: it ends by itself.';
const HINT_ONE_SHOT = 'A one-shot service does its work and ends with exit code 0; its log says more.';
const HINT_LATE = 'Let it do less, or raise ready_timeout in benchmark.yaml.';

/** A side that was healthy and is not scraped: one of its containers has ended since, or does not give its metrics. */
export function scrapeFailure(
  side: Side,
  missing: readonly Unreached[],
  unwell: readonly Unwell[],
  file: string,
): StartFailure {
  const ended = unwell.map(({ state }) => state).find(hasEnded);
  if (ended)
    return new StartFailure(side, {
      what: `${sideText(side)}: ${serviceOf(ended)} ${ailmentOf(ended)} after it had become healthy`,
      details: unwellText(unwell),
      ofTheService: !wasKilled(ended),
      hint: HINT_ENDED,
    });
  return new StartFailure(side, {
    what: `${sideText(side)}: Prometheus cannot scrape ${missing.map(unreachedText).join(', ')}`,
    details: '',
    ofTheService: missing.some(isFinal),
    words: IS_SCRAPED,
    hint: `Does the service answer there as soon as it is healthy? The targets are under scrape in ${file}.`,
  });
}

/** A side whose services are healthy, but not by the balancer's own check. `found`: L7STS and the like. */
export function balancerFailure(
  side: Side,
  { port, health }: { port: number; health: string },
  unwell: readonly { name: string; found: string }[],
  file: string,
): StartFailure {
  const names = unwell.map(({ name, found }) => `${name} (${found})`).join(', ');
  return new StartFailure(side, {
    what: `${sideText(side)}: the balancer asks for ${health} on port ${port} and does not find ${names} well`,
    details: '',
    ofTheService: unwell.some(({ found }) => found === WRONG_STATUS),
    hint: `balancer/health in ${file} must answer 200 within a second, as soon as the service is healthy.`,
  });
}

/** HAProxy: the check has got an answer, of another status than 200. */
const WRONG_STATUS = 'L7STS';

/** `output`: what Compose said. */
export function startFailure(side: Side, unwell: readonly Unwell[], output: string, timeoutS: number): StartFailure {
  const of = sideText(side);
  const states = unwell.map(({ state }) => state);
  if (states.length === 0)
    return new StartFailure(side, {
      what: `${of} did not become healthy in ${timeoutS} s: ${output.trim()}`,
      details: '',
      ofTheService: false,
    });
  // What was not started waits for what has ended: that one is the reason.
  const first = states.find(hasEnded) ?? states.find(({ status }) => status !== 'created') ?? states[0]!;
  return new StartFailure(side, {
    what: `${of}: ${startText(first, timeoutS)}`,
    details: unwellText(unwell),
    ofTheService: states.some(didItself) && !NO_ROOM.test(output),
    hint: hintFor(first),
  });
}

/** `candidate (my-branch, 0123456789ab)` */
export const sideText = ({ name, ref, commit }: Side): string =>
  `${name} (${ref === commit ? '' : `${ref}, `}${shortCommit(commit)})`;

const NO_ROOM = /no space left/i;
const hasEnded = ({ running, status }: ContainerState) => !running && status !== 'created';
/** What kills from outside: a cgroup that is out of memory says so. */
const wasKilled = (state: ContainerState) => hasEnded(state) && state.exitCode === 137 && !state.oomKilled;
const didItself = (state: ContainerState) => state.status !== 'created' && !wasKilled(state);

function hintFor(state: ContainerState): string {
  if (waitsFor(state)) return hasEnded(state) ? HINT_ONE_SHOT : HINT_LATE;
  return hasEnded(state) ? HINT_ENDED : HINT;
}

function startText(state: ContainerState, timeoutS: number): string {
  const service = serviceOf(state);
  const waiting = waitsFor(state);
  if (waiting && state.status !== 'created')
    return `${service} ${hasEnded(state) ? ailmentOf(state) : `did not end in ${timeoutS} s`}, and ${waiting} waits until it has ended with 0`;
  if (hasEnded(state)) return `${service} ${ailmentOf(state)} before it was healthy`;
  if (state.health === 'unhealthy') return `${service} became unhealthy${saysText(state)}`;
  if (state.status === 'created') return `${service} ${ailmentOf(state)}`;
  return `${service} did not become healthy in ${timeoutS} s${saysText(state)}`;
}

/** The last line of what its health check said. */
function saysText({ probe }: ContainerState): string {
  const last = probe?.output.trim().split('\n').at(-1)?.trim();
  return last ? `; its health check says: ${last.slice(0, 200)}` : '';
}

/**
 * What is thrown where sides did not start. `sides`: those that were started side by side; `round`: that they were
 * started for, 1 where it was the first time.
 */
export function blameFor(failures: readonly StartFailure[], sides: readonly Side[], round: number): MayflyError {
  const [candidate, baseline] = (['candidate', 'baseline'] as const).map((name) =>
    failures.find(({ side }) => side === name),
  );
  const said = (sentence: string, of: readonly StartFailure[]) =>
    [`${sentence}: ${of.map(({ what }) => what).join('; ')}`, ...of.map(({ details }) => details)]
      .filter(Boolean)
      .join('\n');
  const failure = candidate ?? baseline!;
  const { words, hint } = failure;
  if (candidate && baseline) return new InfrastructureError(said(words.both, [candidate, baseline]), { hint: hint! });
  if (sides.length < 2) return failure;
  if (round > 1)
    return new InfrastructureError(
      said(`${failure.side} ${words.late} in round ${round}, as it did in the rounds before`, [failure]),
      { hint: 'Does it start every time? --resume goes on with the rounds that there are.' },
    );
  if (baseline) return new InfrastructureError(said(words.baseline, [baseline]), { hint: hint! });
  // Both sides of a calibration are one commit.
  if (!failure.ofTheService || new Set(sides.map(({ commit }) => commit)).size < sides.length) return failure;
  return new CandidateError(said(words.candidate, [failure]), { hint: hint! });
}
