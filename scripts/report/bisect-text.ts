/** A search for the first slow commit: as a document, and as text for a terminal. Pure. */

import { plainText, plural } from '../core/text.ts';
import type { Better, Unit } from '../documents/run.ts';
import type { Verdict } from '../documents/verdict.ts';
import { shortCommit } from '../engine/names.ts';
import { percentOf, titleOf } from '../judge/effect-text.ts';
import { columns, styled } from './columns.ts';
import { formatDifference, NO_VALUE } from './units.ts';

/** schema mayfly.bisect/v1: what is asked, what is known, the answer. */
export interface BisectDocument {
  schema: 'mayfly.bisect/v1';
  bisection_id: string;
  benchmark: string;
  host_id: string;
  started_at: string;
  /** As they were named; `commits` begins and ends with them. */
  good: string;
  bad: string;
  /** The metric that was asked for; null: any primary one. */
  metric: string | null;
  /** Flags of `npm run bench` for every comparison. */
  flags: string[];
  /** The good commit and all after it up to the bad one, oldest first, along first parents. */
  commits: BisectCommit[];
  /** What is searched for; null before the bad commit was found slower. */
  judged: Judged | null;
  comparisons: BisectComparison[];
  /** Null while the search goes on. */
  answer: BisectAnswer | null;
}

export interface BisectCommit {
  commit: string;
  subject: string;
  /** ISO 8601 with the author's time zone. */
  author_date: string;
  /** Commits of one number have the same build context; 0 is that of the good commit. */
  build: number;
}

/** The metric by which the search goes, and how much worse the bad commit was. */
export interface Judged {
  name: string;
  unit: Unit;
  better: Better;
  /** Relative change of the bad commit against the good one: 0.1 is 10 % more. */
  change: number;
  /** Margin of the comparisons of the search. */
  margin: number;
  /** Other primary metrics that became worse. */
  others: string[];
}

export interface BisectComparison {
  candidate: string;
  baseline: string;
  why: 'whole' | 'search' | 'verify';
  found: 'slow' | 'fast' | 'skipped';
  /** Null where the commit could not be built or started: there is no run, or none that counts. */
  verdict: Verdict | null;
  run_id: string | null;
  /** Relative change of the judged metric; null where there is none. */
  change: number | null;
  /** The effect, or why it was skipped. */
  words: string;
}

export interface BisectAnswer {
  /**
   * culprit: found, and verified against its parent. several-steps: no single commit brings the effect. unverified: the
   * comparison with its parent did not decide. range: commits between could not be measured. not-slower, undecided: the
   * bad commit against the good one. same-build: no commit between changes the build.
   */
  outcome: 'culprit' | 'several-steps' | 'unverified' | 'range' | 'not-slower' | 'undecided' | 'same-build';
  /** The commit or commits that it can be, oldest first. */
  commits: string[];
  /** One sentence. */
  summary: string;
}

/** The text of a search that has come to its end. */
export function bisectText(bisection: BisectDocument, { color }: { color: boolean }): string {
  const { answer, comparisons } = bisection;
  if (!answer) throw new TypeError(`bisection ${bisection.bisection_id} has no answer yet`);
  return [
    styled('bold', `${TITLE[answer.outcome]}: ${plainText(answer.summary)}`, color),
    ...answer.commits.map((commit) => `  ${commitLine(bisection, commit)}`),
    ...(bisection.judged && bisection.judged.others.length > 0
      ? [`Became worse too: ${bisection.judged.others.map(titleOf).join(', ')}; --metric=NAME searches by another one.`]
      : []),
    '',
    `${plural(comparisons.length, 'comparison')}, ${plural(bisection.commits.length - 1, 'commit')} of ${bisection.benchmark}${buildsText(bisection)}, bisection ${bisection.bisection_id}`,
    ...(comparisons.length > 0 ? ['', comparisonsTable(bisection, color)] : []),
    ...whereNext(bisection),
  ].join('\n');
}

const TITLE: Record<BisectAnswer['outcome'], string> = {
  culprit: 'First slow commit',
  'several-steps': 'No single commit',
  unverified: 'Probably the first slow commit',
  range: 'One of these commits',
  'not-slower': 'Nothing to search for',
  undecided: 'Not decided',
  'same-build': 'Nothing to search for',
};

function buildsText({ commits }: BisectDocument): string {
  const builds = commits.at(-1)!.build;
  return builds < commits.length - 1 ? ` (${builds} of them ${builds === 1 ? 'changes' : 'change'} the build)` : '';
}

/** A commit of the search: hash, day, subject. */
export function commitLine({ commits }: Pick<BisectDocument, 'commits'>, commit: string): string {
  const { author_date, subject } = commits.find((one) => one.commit === commit)!;
  return `${shortCommit(commit)}  ${author_date.slice(0, 10)}  ${plainText(subject)}`;
}

function comparisonsTable({ comparisons }: BisectDocument, color: boolean): string {
  const rows = comparisons.map(({ candidate, baseline, found, verdict, change, run_id, words }) => [
    shortCommit(candidate),
    shortCommit(baseline),
    found === 'skipped' ? 'skipped' : found,
    verdict ?? 'not measured',
    run_id ?? NO_VALUE,
    verdict === null ? plainText(words) : change === null ? NO_VALUE : formatDifference(change),
  ]);
  return columns(['commit', 'against', 'is', 'verdict', 'run', 'change'], rows, { left: 5, color });
}

function whereNext({ comparisons }: BisectDocument): string[] {
  const last = comparisons.findLast(({ run_id }) => run_id !== null);
  return last ? ['', 'Where to look next:', `  npm run show -- ${last.run_id}`] : [];
}

/** How much of the whole effect a change is, both of the same metric: 0.5 is half of it. */
export function shareOfEffect(change: number, whole: number): number {
  return Math.log1p(change) / Math.log1p(whole);
}

/** "10.2 % of 20.5 %": a step of the effect beside the whole. */
export const stepText = (change: number | null, whole: number): string =>
  `${change === null ? 'an unknown part' : `${percentOf(change)} %`} of ${percentOf(whole)} %`;
