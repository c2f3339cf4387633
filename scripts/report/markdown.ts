/** A verdict as the text of a pull-request comment, in the Markdown of GitHub. Pure. */
import { plainLines, plainText } from '../core/text.ts';
import type { RunDocument } from '../documents/run.ts';
import type { VerdictDocument } from '../documents/verdict.ts';
import { ATTRIBUTED, attributionLines } from './attribution-text.ts';
import { DISTURBANCE_HEADS, disturbanceRows, disturbanceWhys } from './disturbances-text.ts';
import { failuresLines } from './failures-text.ts';
import { holeLines } from './holes-text.ts';
import { leakLines } from './leak-text.ts';
import { loadWords } from './load-text.ts';
import { GROWN, grownLines } from './profile-text.ts';
import { SPREAD_HEADS, spreadRows } from './replicas-text.ts';
import { eventProblems } from './run-events-text.ts';
import {
  boundWords,
  calibrationLines,
  cellsOf,
  comparisonWords,
  countedWords,
  invalidRounds,
  legend,
  levelText,
  moreLines,
  otherMetrics,
  primaryMetrics,
} from './verdict-text.ts';

/**
 * The verdict in one sentence, the primary metrics, what it rests on; the rest is folded. `links`: URLs of the run.
 * `failure`: why the candidate's service is not well, in one sentence, then what it says itself.
 */
export function verdictMarkdown(
  verdict: VerdictDocument,
  run: RunDocument,
  links: readonly string[],
  failure?: string,
): string {
  const [why, ...said] = failure?.split('\n') ?? [];
  return `${[
    `**${why === undefined ? verdict.verdict : 'FAILED'}**: ${escaped(comparisonWords(verdict))}: ${escaped(why ?? verdict.summary)}`,
    said.length > 0 ? fenced(said.join('\n')) : '',
    primaryTable(verdict),
    attributedPart(verdict),
    grownPart(verdict, run),
    list([
      ...(verdict.observations > 0 ? legend(verdict) : []),
      countedWords(verdict),
      ...(verdict.observations > 0 ? calibrationLines(verdict) : []),
      ...moreLines(verdict),
      ...leakLines(run),
      ...verdict.notes,
      ...eventProblems(run),
      ...holeLines(run),
    ]),
    [
      ...links.filter((link) => URL.canParse(link)).map((link) => `[the run's metrics](<${new URL(link).href}>)`),
      `\`npm run show -- ${run.run_id}\` shows the run`,
    ].join(', '),
    details(verdict, run),
  ]
    .filter(Boolean)
    .join('\n\n')}\n`;
}

function primaryTable(verdict: VerdictDocument): string {
  const rows = primaryMetrics(verdict).map((metric) => [...cellsOf(metric), boundWords(metric), metric.verdict ?? '-']);
  return rows.length === 0 || verdict.observations === 0
    ? ''
    : table(['primary metric', 'candidate', 'baseline', 'change', levelText(verdict), 'what is sure', 'verdict'], rows);
}

/** Which hop and which service has changed. */
function attributedPart(verdict: VerdictDocument): string {
  const lines = attributionLines(verdict);
  return lines.length === 0 ? '' : `${ATTRIBUTED}\n\n${list(lines)}`;
}

/** Where it became slower: the functions that grew most. */
function grownPart({ verdict }: VerdictDocument, run: RunDocument): string {
  const grown = verdict === 'REGRESSION' ? grownLines(run) : [];
  return grown.length === 0 ? '' : `${GROWN}\n\n${list(grown)}`;
}

function details(verdict: VerdictDocument, run: RunDocument): string {
  const others = verdict.observations === 0 ? [] : otherMetrics(verdict).map(cellsOf);
  const why = verdict.reasons.length > 0 ? verdict.reasons : invalidRounds(run);
  const { design, alpha, beta, looks, min, max } = verdict.method;
  const { host } = run;
  const spread = spreadRows(run);
  const disturbed = disturbanceRows(run);
  return [
    '<details>',
    '<summary>Other metrics, validity, method</summary>',
    '',
    ...(others.length > 0
      ? [table(['other metric (does not gate)', 'candidate', 'baseline', 'change', levelText(verdict)], others), '']
      : []),
    ...(spread.length > 0 ? [table([...SPREAD_HEADS], spread), ''] : []),
    ...(disturbed.length > 0 ? [table([...DISTURBANCE_HEADS], disturbed), ''] : []),
    list([
      ...why,
      ...disturbanceWhys(run),
      ...failuresLines(run),
      ...commits(verdict),
      `${loadWords(run)}; pairing ${verdict.pairing}`,
      `on ${host.cpu_model}, ${host.cores} cores, ${host.os}, kernel ${host.kernel}, engine ${host.engine}`,
      `method ${verdict.method.name}: ${design === 'sequential' ? `sequential, ${min} to ${max} observations` : `fixed, ${max} observations`}, looked at after ${looks.join(', ') || 'none'}; a false REGRESSION in at most ${percent(alpha)}, a false PASS in at most ${percent(beta)} of decisions`,
      `run ${verdict.run_id}${verdict.other_run_id === undefined ? '' : `, against run ${verdict.other_run_id}`}`,
    ]),
    '',
    '</details>',
  ].join('\n');
}

const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`;

const commits = ({ candidate, baseline }: VerdictDocument): string[] =>
  Object.entries({ candidate, baseline }).map(
    ([side, { commit, subject }]) => `${side}: ${commit}${subject === undefined ? '' : `: ${subject}`}`,
  );

/** Text of others as a block of code, which nothing in it can end. */
export function fenced(text: string): string {
  const lines = plainLines(text)
    .split('\n')
    .slice(-LOG_LINES)
    .map((line) =>
      line.length <= LOG_WIDTH ? line : `${line.slice(0, LOG_WIDTH - 3).replace(/[\uD800-\uDBFF]$/, '')}...`,
    );
  const longest = Math.max(2, ...lines.flatMap((line) => [...line.matchAll(/`+/g)].map(([ticks]) => ticks.length)));
  const fence = '`'.repeat(longest + 1);
  return [fence, ...lines, fence].join('\n');
}

/** Of a log: this many of its last lines, of this many characters each. */
const LOG_LINES = 60;
const LOG_WIDTH = 300;

const list = (lines: string[]): string => lines.map((line) => `- ${escaped(line)}`).join('\n');

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map(escaped).join(' | ')} |`;
  return [line(head), `| --- |${' ---: |'.repeat(head.length - 1)}`, ...rows.map(line)].join('\n');
}

/**
 * Text of others (refs, commit subjects, reasons) as Markdown that says the same and does nothing: one line, no markup,
 * no HTML, no cell border, and nobody is mentioned, nothing is linked or made a picture: a zero-width space follows the
 * signs that would do so, since GitHub looks for them after the escapes are undone.
 */
export function escaped(text: string): string {
  return plainText(text)
    .replace(/[@#](?=[\w+-])|:(?=\/\/|[\w+-]+:)|\bwww(?=\.)|\bGH-(?=\d)/gi, '$&\u200b')
    .replace(/[\\`*_{}[\]<>&|~$]/g, '\\$&')
    .replace(/^(#+|-+|\++|=+|\d+[.)])(?=\s|$)/, (sign) => `${sign.slice(0, -1)}\\${sign.slice(-1)}`);
}
