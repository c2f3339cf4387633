/** Why it is slower, in words: functions whose share of the CPU differs between the sides. Pure. */
import { plainText } from '../core/text.ts';
import type { ProfileChange, RunDocument } from '../documents/run.ts';
import { columns } from './columns.ts';

/** Functions that a report names. */
const MOST_NAMED = 3;
const LONGEST_NAME = 80;
const LONGEST_PLACE = 100;

/** A function as it is named: `handle server.js:12`; what is in no function has a name alone. */
export const functionWords = ({ name, url, line }: Pick<ProfileChange, 'name' | 'url' | 'line'>): string => {
  const path = plainText(url.replace(/^file:\/\//, ''));
  const place = path.length > LONGEST_PLACE ? `…${path.slice(1 - LONGEST_PLACE)}` : path;
  const word = plainText(name);
  const called = word.length > LONGEST_NAME ? `${word.slice(0, LONGEST_NAME - 1)}…` : word;
  return place === '' ? called : `${called} ${place}${line > 0 ? `:${line}` : ''}`;
};

/** Per cent of the CPU: `4.9 %`. */
export const shareWords = ({ samples, of }: { samples: number; of: number }): string =>
  `${percent(of === 0 ? 0 : samples / of)} %`;
/** `+4.9 points` */
export const pointsWords = (change: number): string => `${signed(change)} points`;
export const signed = (change: number): string => `${change > 0 ? '+' : ''}${percent(change)}`;
const percent = (share: number): string => {
  const text = (share * 100).toFixed(1);
  return text === '-0.0' ? '0.0' : text;
};

/**
 * The functions that grew most, a line each; empty where there are no profiles of both sides. Only what is more than
 * chance makes of so many samples is named.
 */
export function grownLines({ profile_changes: changes }: Pick<RunDocument, 'profile_changes'>): string[] {
  if (!changes) return [];
  const services = new Set(changes.map(({ service }) => service));
  const grown = changes
    .filter(({ change, sure }) => change > 0 && sure)
    .sort((a, b) => b.change - a.change)
    .slice(0, MOST_NAMED);
  if (grown.length === 0)
    return ['nothing that is sure: no function has grown by more than chance makes of so many samples'];
  return grown.map((one) => {
    const { service, candidate, baseline, change, low, high } = one;
    return `${services.size > 1 ? `${plainText(service)}: ` : ''}${functionWords(one)}: ${pointsWords(change)} (${signed(low)} to ${signed(high)}), ${shareWords(baseline)} before, ${shareWords(candidate)} now`;
  });
}

/** What the lines above are of. */
export const GROWN = 'What grew most on the CPU, of a round that counts for no verdict:';

/** A service of a run with its functions: of two sides how they differ, of one what they took. */
export type ServiceFunctions =
  | { service: string; changes: readonly Omit<ProfileChange, 'service'>[] }
  | {
      service: string;
      functions: readonly (Pick<ProfileChange, 'name' | 'url' | 'line'> & { samples: number; of: number })[];
    };

/** Tables of the functions, `most` of each: those that grew, then those that shrank; or those that took most. */
export function functionsText(services: readonly ServiceFunctions[], most: number, color: boolean): string {
  return services
    .map((one) => ('changes' in one ? changesTable(one, most, color) : ownTable(one, most, color)))
    .join('\n\n');
}

function changesTable(
  { service, changes }: Extract<ServiceFunctions, { changes: unknown }>,
  most: number,
  color: boolean,
): string {
  const chosen = [
    ...changes.filter(({ change }) => change > 0).slice(0, most),
    ...changes.filter(({ change }) => change < 0).slice(-most),
  ];
  const rows = chosen.map((one) => [
    functionWords(one),
    shareWords(one.baseline),
    shareWords(one.candidate),
    signed(one.change),
    `${signed(one.low)} to ${signed(one.high)}`,
    one.sure ? 'sure' : '',
  ]);
  const [first] = changes;
  return [
    columns([plainText(service), 'baseline', 'candidate', 'points', '95 % interval', ''], rows, { color }),
    `shares of ${first?.baseline.of ?? 0} samples of the baseline and ${first?.candidate.of ?? 0} of the candidate at which the CPU was at work; what a function calls in Node.js and V8 is its own`,
    `sure: more than chance makes of so many samples, though ${changes.length} functions are looked at`,
  ].join('\n');
}

function ownTable(
  { service, functions }: Extract<ServiceFunctions, { functions: unknown }>,
  most: number,
  color: boolean,
): string {
  const rows = functions.slice(0, most).map((one) => [functionWords(one), shareWords(one), String(one.samples)]);
  return [
    columns([plainText(service), 'CPU', 'samples'], rows, { color }),
    `shares of ${functions[0]?.of ?? 0} samples at which the CPU was at work; what a function calls in Node.js and V8 is its own`,
  ].join('\n');
}
