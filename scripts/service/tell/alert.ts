/**
 * A confirmed change of a default branch in words: as a document that is kept, as plain text, as the body of an issue.
 * Pure.
 */
import { createHash } from 'node:crypto';
import { plainText } from '../../core/text.ts';
import { withVariant } from '../../documents/job.ts';
import type { Metric, RunDocument } from '../../documents/run.ts';
import { shortCommit } from '../../engine/names.ts';
import { isWorse, kindOf, titleOf } from '../../judge/effect-text.ts';
import type { BisectDocument } from '../../report/bisect-text.ts';
import { acceptedWords, ratioWords } from '../../report/history-text.ts';
import { escaped } from '../../report/markdown.ts';
import type { ChangePoint } from '../../store/db.ts';
import type { StoredBisection } from '../../store/judgements.ts';

/** What somebody is told: the metrics that changed between two commits. It is kept as it is until it is sent. */
export interface AlertDocument {
  schema: 'mayfly.alert/v1';
  /** The same for everybody who is told of it: whoever gets it twice can see that. 16 digits of a hash. */
  id: string;
  benchmark: string;
  host_id: string;
  /** The branch; absent: the default one. */
  branch?: string;
  /** Of the benchmark's deployment; absent: none. */
  variant?: string;
  /** The last commit before the change for sure, and the first one after it. */
  before: string;
  commit: string;
  /** First line of the message of `commit`. */
  subject?: string;
  /** Regressions first. */
  changes: AlertChange[];
  /** The commit that a bisection of the range has found. */
  culprit?: { commit: string; subject: string };
  /** A commit of the range that somebody has accepted; others are in it, so it is told all the same. */
  accepted?: string;
  /** Command that searches the range; absent where the culprit is known or nothing became worse. */
  bisect?: string;
  /** OWNER/NAME. */
  repository?: string;
  links: { run: string; benchmark: string; compare?: string };
}

export interface AlertChange {
  metric: string;
  /** Regression, or a change of a metric that has no better direction; else improvement. */
  worse: boolean;
  /** Neither direction is better. */
  either?: true;
  /** After / before. */
  ratio: number;
  /** `latency med 5.2 % slower` */
  words: string;
  /** First run after the change. */
  run_id: string;
}

export interface AlertSurroundings {
  run: Pick<RunDocument, 'metrics' | 'sides'>;
  bisections: readonly StoredBisection[];
  /** OWNER/NAME of the watched repository that the benchmark belongs to. */
  repository: string | undefined;
  /** Address of the web site, without a slash at its end. */
  site: string;
  /** Address of GitHub for people, without a slash at its end. */
  github: string;
}

/** Regressions, changes either way, improvements. */
const rank = ({ worse, either }: AlertChange): number => (either ? 1 : worse ? 0 : 2);

/** What is told of changes between the same two commits of a benchmark on a host. `subject`: under which it is kept. */
export function alertOf(
  subject: string,
  points: readonly ChangePoint[],
  { run, bisections, repository, site, github }: AlertSurroundings,
): AlertDocument {
  const { benchmark, host_id, branch, variant, before, commit, run_id, accepted } = points[0]!;
  // an unknown name (-1) comes last
  const place = ({ metric }: AlertChange) => run.metrics.findIndex(({ name }) => name === metric) >>> 0;
  const changes = points
    .map((point) => changeOf(point, run.metrics))
    .sort((a, b) => rank(a) - rank(b) || place(a) - place(b));
  const culprit = culpritOf(points[0]!, bisections);
  // a command that is copied into a shell
  const searched = [benchmark, before, commit, variant ?? benchmark].every((one) => /^[\w./@+][\w./@+-]*$/.test(one));
  return {
    schema: 'mayfly.alert/v1',
    id: createHash('sha256').update(subject).digest('hex').slice(0, 16),
    benchmark,
    host_id,
    ...(branch === undefined ? {} : { branch }),
    ...(variant === undefined ? {} : { variant }),
    before,
    commit,
    ...(run.sides.candidate.commit === commit && run.sides.candidate.subject !== undefined
      ? { subject: cut(run.sides.candidate.subject) }
      : {}),
    changes,
    ...(accepted ? { accepted: cut(acceptedWords(accepted)) } : {}),
    ...(culprit
      ? { culprit }
      : searched && changes.some(({ worse }) => worse)
        ? {
            bisect: `npm run bisect -- --benchmark=${benchmark} --good=${shortCommit(before)} --bad=${shortCommit(commit)}${variant === undefined ? '' : ` --variant=${variant}`}`,
          }
        : {}),
    ...(repository === undefined ? {} : { repository }),
    links: {
      run: `${site}/runs/${encodeURIComponent(run_id)}`,
      benchmark: `${site}/benchmarks/${encodeURIComponent(benchmark)}${lineQuery({ branch, variant })}`,
      ...(repository === undefined
        ? {}
        : { compare: `${github}/${repository}/compare/${encodeURIComponent(before)}...${encodeURIComponent(commit)}` }),
    },
  };
}

/** Which history of the benchmark. */
function lineQuery(line: { branch: string | undefined; variant: string | undefined }): string {
  const given = Object.entries(line).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return given.length === 0 ? '' : `?${given.join('&')}`;
}

function changeOf({ metric, ratio, run_id }: ChangePoint, metrics: readonly Metric[]): AlertChange {
  const known = metrics.find(({ name }) => name === metric);
  const better = known?.better ?? 'lower';
  return {
    metric,
    ratio,
    run_id,
    worse: isWorse(ratio, better),
    ...(better === 'neither' ? { either: true } : {}),
    words: `${titleOf(metric)} ${ratioWords(metric, known?.unit ?? 's', better, ratio)}`,
  };
}

/** The one commit that a bisection between these two has found on this host. */
function culpritOf(
  { benchmark, host_id, before, commit }: ChangePoint,
  bisections: readonly StoredBisection[],
): AlertDocument['culprit'] {
  const found = bisections
    .filter((one) => one.benchmark === benchmark && one.state === 'done')
    .map(({ document }) => document as BisectDocument)
    .find(
      ({ answer, commits, host_id: host }) =>
        answer?.outcome === 'culprit' &&
        host === host_id &&
        commits[0]?.commit === before &&
        commits.at(-1)?.commit === commit,
    );
  const culprit = found?.answer?.commits[0];
  return culprit === undefined
    ? undefined
    : { commit: culprit, subject: cut(found!.commits.find((one) => one.commit === culprit)?.subject ?? '') };
}

/** First lines of commit messages have any length; what they are put into has not. */
const cut = (text: string): string => (text.length > 200 ? `${text.slice(0, 197)}...` : text);

/**
 * Where people find what the API at this address serves: GITHUB_API_URL of github.com, of ghe.com, or of an Enterprise
 * server.
 */
export function githubSite(apiUrl: string | undefined): string {
  if (!apiUrl || !URL.canParse(apiUrl)) return 'https://github.com';
  const url = new URL(apiUrl);
  return `${url.protocol}//${url.host.replace(/^api\./, '')}`;
}

/** `Regression`, `Improvement`, or `Change` where neither direction is better. */
function wordOf({ worse, either, ratio }: AlertChange): string {
  const word = kindOf(ratio, either ? 'neither' : worse === ratio > 1 ? 'lower' : 'higher');
  return word[0]!.toUpperCase() + word.slice(1);
}

/** Regressions come first, then changes either way. */
const headWord = ({ changes }: AlertDocument): string =>
  ['Regression', 'Change'].find((word) => changes.some((change) => wordOf(change) === word)) ?? 'Improvement';
/** `8f1c..2d3e` */
export const rangeOf = ({ before, commit }: AlertDocument): string => `${shortCommit(before)}..${shortCommit(commit)}`;

/** One line: `Regression of shop: latency med 5.2 % slower, CPU per request 5.7 % more`. */
export const alertTitle = (alert: AlertDocument): string =>
  plainText(
    cut(
      `${headWord(alert)} of ${withVariant(alert.benchmark, alert.variant)}${alert.branch === undefined ? '' : ` on ${alert.branch}`}: ${alert.changes.map(({ words }) => words).join(', ')}`,
    ),
  );

/** A line for each metric: whether it is a regression, how much, after / before. */
export const changeLines = ({ changes }: AlertDocument): string[] =>
  changes.map((change) =>
    plainText(`${wordOf(change)}: ${change.words} (${change.ratio.toPrecision(4)} times what it was)`),
  );

/** What else is known, as name and text. */
export const alertFacts = (alert: AlertDocument): [name: string, text: string][] => [
  ['Commits', `${rangeOf(alert)}${alert.subject === undefined ? '' : `, the last one: ${plainText(alert.subject)}`}`],
  ...(alert.culprit
    ? [
        ['Culprit', plainText(`${shortCommit(alert.culprit.commit)}: ${alert.culprit.subject}`)] satisfies [
          string,
          string,
        ],
      ]
    : []),
  ...(alert.accepted === undefined ? [] : [['Accepted', plainText(alert.accepted)] satisfies [string, string]]),
  ['Host', plainText(alert.host_id)],
];

/** Said before the command that searches the range. */
export const BISECT_WORDS = 'This names the commit, if there are others between:';
const CONFIRMED = 'Confirmed by measuring both commits side by side.';

/** The text of an e-mail. */
export function alertText(alert: AlertDocument): string {
  const { links, bisect, id } = alert;
  return [
    alertTitle(alert),
    '',
    ...changeLines(alert),
    ...alertFacts(alert).map(([name, text]) => `${name}: ${text}`),
    CONFIRMED,
    '',
    `The first run after it: ${links.run}`,
    `The history: ${links.benchmark}`,
    ...(links.compare ? [`The commits: ${links.compare}`] : []),
    ...(bisect ? ['', BISECT_WORDS, `  ${bisect}`] : []),
    '',
    '-- ',
    `Mayfly, alert ${id}`,
    '',
  ].join('\n');
}

/** What tells an issue of ours; it is not seen. */
export const alertMarker = ({ id }: AlertDocument): string => `<!-- mayfly-alert ${id} -->`;

/** The body of an issue, in GitHub's Markdown. */
export function alertMarkdown(alert: AlertDocument): string {
  const { links, bisect, culprit } = alert;
  const link = (text: string, url: string | undefined) =>
    url !== undefined && URL.canParse(url) ? [`[${text}](<${new URL(url).href}>)`] : [];
  return [
    alertMarker(alert),
    changeLines(alert)
      .map((line) => `- ${escaped(line)}`)
      .join('\n'),
    alertFacts(alert)
      .map(([name, text]) => `- ${name}: ${escaped(text)}`)
      .join('\n'),
    // A whole hash: GitHub makes a link of it.
    ...(culprit && /^[0-9a-f]{40}$/.test(culprit.commit) ? [`Culprit: ${culprit.commit}`] : []),
    CONFIRMED,
    [
      ...link('the first run after it', links.run),
      ...link('the history of the benchmark', links.benchmark),
      ...link('the commits', links.compare),
    ].join(', '),
    ...(bisect ? [`${BISECT_WORDS}\n\n\`\`\`\n${bisect}\n\`\`\``] : []),
  ].join('\n\n');
}
