/** A verdict as JUnit XML: one test suite, one test case for each primary metric, and one for answers that differ. Pure. */

import { plainText } from '../core/text.ts';
import type { RunDocument } from '../documents/run.ts';
import type { MetricVerdict, Verdict, VerdictDocument } from '../documents/verdict.ts';
import { withAnswers } from '../judge/answers-verdict.ts';
import { titleOf } from '../judge/effect-text.ts';
import { boundWords, cellsOf, comparisonWords, countedWords, primaryMetrics } from './verdict-text.ts';

interface Case {
  name: string;
  verdict: Verdict | typeof FAILED;
  /** In one sentence. */
  message: string;
  detail: string;
}

/** The candidate's service is not well: nothing was judged, and it fails. */
const FAILED = 'FAILED';

type Outcome = 'passed' | 'failure' | 'error' | 'skipped';

/**
 * REGRESSION is a failure, INVALID an error, INCONCLUSIVE is skipped (with `strict` a failure). The elements are those
 * that Jenkins and GitLab read: https://github.com/testmoapp/junitxml. `failure`: why the candidate's service is not
 * well, which is the only case then, and a failure.
 */
export function verdictJunit(verdict: VerdictDocument, run: RunDocument, strict: boolean, failure?: string): string {
  const cases = failure === undefined ? casesOf(verdict) : [serviceCase(failure)];
  const counted = Object.groupBy(cases, (one) => outcomeOf(one.verdict, strict));
  const count = (outcome: Outcome) => counted[outcome]?.length ?? 0;
  const counts = `tests="${cases.length}" failures="${count('failure')}" errors="${count('error')}" skipped="${count('skipped')}"`;
  const seconds = run.finished_at === undefined ? 0 : (Date.parse(run.finished_at) - Date.parse(run.started_at)) / 1000;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="mayfly" ${counts} time="${seconds}">`,
    `  <testsuite name=${quoted(verdict.benchmark)} ${counts} time="${seconds}" timestamp=${quoted(run.started_at)}>`,
    '    <properties>',
    ...Object.entries(propertiesOf(verdict, run, failure)).map(
      ([name, value]) => `      <property name="${name}" value=${quoted(value)}/>`,
    ),
    '    </properties>',
    ...cases.flatMap((one) => caseLines(one, verdict.benchmark, strict)),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function serviceCase(failure: string): Case {
  const [message, ...rest] = failure.split('\n');
  return { name: 'service', verdict: FAILED, message: message!, detail: rest.join('\n') || message! };
}

/** Without a primary metric the run's verdict is the only case. */
function casesOf(verdict: VerdictDocument): Case[] {
  const metrics = primaryMetrics(verdict);
  if (metrics.length === 0)
    return [
      { name: 'verdict', verdict: verdict.verdict, message: verdict.summary, detail: verdict.reasons.join('; ') },
    ];
  const invalid = verdict.verdict === 'INVALID';
  return [
    ...metrics.map(
      (metric): Case => ({
        name: metric.name,
        verdict: invalid ? 'INVALID' : (metric.verdict ?? 'INCONCLUSIVE'),
        message: `${titleOf(metric.name)}: ${invalid ? verdict.summary : metric.words}`,
        detail: detailOf(metric),
      }),
    ),
    ...(invalid ? [] : answersCase(verdict)),
  ];
}

/** That the sides answer differently is of no metric. */
function answersCase({ answers = [] }: VerdictDocument): Case[] {
  const told = answers.filter(({ declared, what, worse }) => (what === 'failed' ? worse : !declared));
  if (told.length === 0) return [];
  const words = told.map((one) => one.words).join('; ');
  return [
    {
      name: 'answers',
      verdict: withAnswers('IMPROVEMENT', told),
      message: `the answers differ: ${words}`,
      detail: words,
    },
  ];
}

function detailOf(metric: MetricVerdict): string {
  const [, candidate, baseline, change, interval] = cellsOf(metric);
  return `candidate ${candidate}, baseline ${baseline}, change ${change}, interval ${interval}, ${boundWords(metric)}`;
}

function outcomeOf(verdict: Case['verdict'], strict: boolean): Outcome {
  if (verdict === FAILED || verdict === 'REGRESSION' || (verdict === 'INCONCLUSIVE' && strict)) return 'failure';
  if (verdict === 'INVALID') return 'error';
  return verdict === 'INCONCLUSIVE' ? 'skipped' : 'passed';
}

function caseLines({ name, verdict, message, detail }: Case, benchmark: string, strict: boolean): string[] {
  const outcome = outcomeOf(verdict, strict);
  const said = `message=${quoted(message)}`;
  const inner = {
    passed: `<system-out>${escaped(`${verdict}: ${message}; ${detail}`)}</system-out>`,
    failure: `<failure ${said} type="${verdict}">${detail.split('\n').map(escaped).join('\n')}</failure>`,
    error: `<error ${said} type="${verdict}">${escaped(detail)}</error>`,
    skipped: `<skipped ${said}/>`,
  }[outcome];
  return [
    `    <testcase classname=${quoted(`mayfly.${benchmark}`)} name=${quoted(name)}>`,
    `      ${inner}`,
    '    </testcase>',
  ];
}

function propertiesOf(verdict: VerdictDocument, run: RunDocument, failure?: string): Record<string, string> {
  return {
    verdict: failure === undefined ? verdict.verdict : FAILED,
    summary: `${comparisonWords(verdict)}: ${failure?.split('\n')[0] ?? verdict.summary}`,
    run_id: verdict.run_id,
    ...(verdict.other_run_id === undefined ? {} : { other_run_id: verdict.other_run_id }),
    candidate: verdict.candidate.commit,
    candidate_ref: verdict.candidate.ref,
    baseline: verdict.baseline.commit,
    baseline_ref: verdict.baseline.ref,
    rounds: countedWords(verdict),
    host: run.host.id,
  };
}

const quoted = (text: string): string => `"${escaped(text)}"`;

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };

/**
 * One line of characters that XML 1.0 allows (https://www.w3.org/TR/xml/#charsets): the others cannot be written, not
 * even as references.
 */
function escaped(text: string): string {
  return plainText(text)
    .toWellFormed()
    .replace(/[\ufffe\uffff]/g, '\ufffd')
    .replace(/[&<>"']/g, (sign) => ENTITIES[sign]!);
}
