/**
 * What the first round of a run says of all that would follow: where each would end alike, the run ends after it. Pure.
 */
import type { Failures, SideResult } from '../../loadgen/result.ts';
import type { Load } from '../config/types.ts';
import { plainText } from '../core/text.ts';
import type { InvalidCode, RoundDocument } from '../documents/run.ts';
import { notDrainedText, type Signals } from './collect/validity.ts';

/** What is looked at of the raw material of a round. */
interface Detail {
  signals: Pick<Signals, 'due' | 'iterations' | 'failedShare' | 'services'> &
    Partial<Pick<Signals, 'notDrained' | 'hasDisturbances'>>;
  load: Pick<SideResult, 'requests' | 'failures'> | null;
}

/** A side in its first round, as far as it tells. */
export interface FirstRound {
  document: Pick<RoundDocument, 'side' | 'reasons'>;
  detail: Detail;
}

/**
 * Whose matter it is. candidate: it dies or fails every request, and the baseline does well. nobody's: another round
 * would be INVALID for the same reason.
 */
export interface Ending {
  of: 'candidate' | 'nobody';
  words: string;
}

/** A side that fails so often fails always. */
const ALWAYS = 0.999;
/** Where both sides fail in the same way so often it is no accident. */
const ALIKE = 0.05;
/** The same by what a service that stands still for a moment does as well. */
const ALIKE_MOMENT = 0.5;
const OF_A_MOMENT = new Set(['timeout', 'reset']);
/** Below this share of what was due it was no matter of a moment. */
const REACHED = 0.9;
/** Of what was reached, so much is easily reached. */
const EASY = 0.8;

export const AGAIN = 'so measuring again would tell the same';

/** `sides`: each in its first round. `same`: they are one commit. */
export function endingOf(sides: readonly FirstRound[], load: Load, same: boolean): Ending | null {
  const found = sides.map((side) => ({ side, wrong: wrongWith(side.detail) }));
  const of = (name: 'candidate' | 'baseline') => found.find(({ side }) => side.document.side === name);
  const [candidate, baseline] = [of('candidate'), of('baseline')];
  if (!candidate || !baseline) {
    const { wrong } = found[0]!;
    return wrong ? nobodys(`the service ${wrong.verb}, ${AGAIN}: ${wrong.what}`) : beyondReach(sides, load);
  }
  if (candidate.wrong && baseline.wrong)
    return nobodys(
      `neither side does well, ${AGAIN}: the candidate ${candidate.wrong.verb} (${candidate.wrong.what}), the baseline ${baseline.wrong.verb} (${baseline.wrong.what})`,
    );
  if (candidate.wrong && !same && isFine(baseline.side))
    return {
      of: 'candidate',
      words: `this commit ${candidate.wrong.verb}; the baseline does not: ${candidate.wrong.what}`,
    };
  if (baseline.wrong && !same && isFine(candidate.side))
    return nobodys(
      `the baseline ${baseline.wrong.verb}; this commit does not, and is not to blame: ${baseline.wrong.what}`,
    );
  return alike(candidate.side, baseline.side) ?? beyondReach(sides, load);
}

/** It died, nothing but failures came of it, or events were left where that counts: where that is so of one side, the other one is worth a look. */
export function wrongWith({ signals, load }: Detail): { verb: string; what: string } | null {
  const dead = signals.services.find(({ ended, outOfMemory }) => ended !== null || outOfMemory);
  if (dead) {
    const { service, ended, outOfMemory } = dead;
    const what = ended === null ? 'went over its memory limit' : `ended with exit code ${ended}`;
    return {
      verb: 'dies under the load',
      what: `${service} ${what}${ended !== null && outOfMemory ? ', out of memory' : ''}`,
    };
  }
  const { notDrained } = signals;
  if (signals.failedShare < ALWAYS)
    return notDrained?.isFailure && notDrained.backlog !== null
      ? { verb: 'leaves events behind', what: notDrainedText(notDrained) }
      : null;
  const [most] = load?.failures ?? [];
  return { verb: 'fails every request', what: most ? wayText(most) : 'in no way that is known' };
}

/** `search (GET /search): status 503 × 150 (status 503, expected 200)` */
function wayText({ kind, detail, count, example: { name, request, message } }: Failures): string {
  const way = detail ? `${kind} ${detail}` : kind;
  const more = message && message !== way ? ` (${message.slice(0, 200)})` : '';
  const what = request ? `${name} (${request})` : name;
  return plainText(`${what ? `${what}: ` : ''}${way} × ${count}${more}`);
}

const nobodys = (words: string): Ending => ({ of: 'nobody', words });
const has = ({ document }: FirstRound, ...codes: InvalidCode[]) =>
  document.reasons.some(({ code }) => codes.includes(code));
/** The host or the generator was not itself: where less than everything failed, nothing follows for the services. */
const isDisturbed = (side: FirstRound) => has(side, 'host-load', 'host-steal', 'clock-set', 'generator-failed');
/** What it shows may be what the benchmark does to its services. */
const wasDisturbed = ({ detail: { signals } }: FirstRound) => signals.hasDisturbances === true;
const isFine = (side: FirstRound) => !has(side, 'failed-requests', 'restarted', 'out-of-memory');

function alike(candidate: FirstRound, baseline: FirstRound): Ending | null {
  if (isFine(candidate) || isFine(baseline) || isDisturbed(candidate) || isDisturbed(baseline)) return null;
  if (wasDisturbed(candidate)) return null;
  const [one, other] = [candidate, baseline].map(({ detail }) => detail.load?.failures[0]);
  if (!one || !other || one.kind !== other.kind || one.detail !== other.detail) return null;
  const least = OF_A_MOMENT.has(one.kind) ? ALIKE_MOMENT : ALIKE;
  if ([candidate, baseline].some(({ detail }) => detail.signals.failedShare < least)) return null;
  return nobodys(
    `both sides fail alike, ${AGAIN}: candidate ${wayText(one)} of ${candidate.detail.load!.requests} requests, baseline ${wayText(other)} of ${baseline.detail.load!.requests}`,
  );
}

/** A rate that was not reached though the generator was in time. */
function beyondReach(sides: readonly FirstRound[], { model, rate, durationS }: Load): Ending | null {
  if (model.kind !== 'open' || sides.some((side) => isDisturbed(side) || has(side, 'start-lag'))) return null;
  if (sides.some(wasDisturbed)) return null;
  const reached = sides.map(({ detail: { signals } }) => signals.iterations / durationS);
  if (sides.every(({ detail: { signals } }) => signals.iterations >= REACHED * signals.due)) return null;
  const each = sides.map(
    ({ document }, i) => `${sides.length > 1 ? `${document.side} ` : ''}${perSecond(reached[i]!)}`,
  );
  const easy = Number((EASY * Math.min(...reached)).toPrecision(2));
  const flag = model.arrivals === 'file' || model.stages ? '' : ` (--rate=${easy})`;
  const next = easy > 0 ? `; ${easy}/s probably can${flag}, and npm run capacity finds the highest rate` : '';
  return nobodys(`the rate of ${perSecond(rate)} cannot be reached: ${each.join(', ')}${next}`);
}

const perSecond = (rate: number) => `${Number(rate.toPrecision(3))}/s`;
