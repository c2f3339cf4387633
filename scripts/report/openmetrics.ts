/**
 * Verdict and figures in OpenMetrics text, for whatever collects such files.
 * The format: https://prometheus.io/docs/specs/om/open_metrics_spec/ (1.0). Pure.
 */
import { plainText } from '../core/text.ts';
import type { MetricVerdict, Verdict, VerdictDocument } from '../documents/verdict.ts';

const VERDICTS: readonly Verdict[] = ['REGRESSION', 'IMPROVEMENT', 'PASS', 'INCONCLUSIVE', 'INVALID'];

interface Family {
  name: string;
  help: string;
  /** Only where the name ends in it: that is the rule. */
  unit?: string;
  samples: { labels: Record<string, string>; value: number }[];
}

/**
 * Every family is a gauge: what is known of the last comparison. A family without samples is left out. `candidateFails`:
 * its service is not well, and the baseline's is.
 */
export function verdictOpenMetrics(verdict: VerdictDocument, candidateFails = false): string {
  const { benchmark, run_id, metrics } = verdict;
  const common = { benchmark, run_id, commit: verdict.candidate.commit, against: verdict.baseline.commit };
  const each = (
    value: (metric: MetricVerdict) => number | null | undefined,
    labels: (metric: MetricVerdict) => Record<string, string> = () => ({}),
  ) =>
    metrics.flatMap((metric) => {
      const found = value(metric);
      return found === null || found === undefined
        ? []
        : [
            {
              labels: { ...common, metric: metric.name, primary: String(metric.primary), ...labels(metric) },
              value: found,
            },
          ];
    });
  /** A metric that is judged on its difference has means. */
  const middle = (side: 'candidate' | 'baseline', ofMeans: boolean) =>
    each(
      (metric) => (Boolean(metric.difference) === ofMeans ? metric[side] : null),
      ({ unit }) => ({ side, unit }),
    );
  const families: Family[] = [
    {
      name: 'mayfly_verdict',
      help: 'Verdict of the comparison: 1 for the one that was given, 0 for the others.',
      samples: VERDICTS.map((one) => ({ labels: { ...common, verdict: one }, value: one === verdict.verdict ? 1 : 0 })),
    },
    {
      name: 'mayfly_candidate_failed',
      help: "1 where the candidate's service does not start, dies or only fails while that of the baseline does well.",
      samples: candidateFails ? [{ labels: common, value: 1 }] : [],
    },
    {
      name: 'mayfly_change_ratio',
      unit: 'ratio',
      help: 'Estimated relative change of the candidate against the baseline: 0.01 is 1 % more.',
      samples: each(({ change }) => change),
    },
    {
      name: 'mayfly_change_ratio_low',
      help: 'Lower end of the interval of the change.',
      samples: each(({ interval }) => interval?.low, levelOf),
    },
    {
      name: 'mayfly_change_ratio_high',
      help: 'Upper end of the interval of the change.',
      samples: each(({ interval }) => interval?.high, levelOf),
    },
    {
      name: 'mayfly_sample_median',
      help: 'Median over the observations of a metric of one side, in the unit of the label.',
      samples: [...middle('candidate', false), ...middle('baseline', false)],
    },
    {
      name: 'mayfly_sample_mean',
      help: 'Mean over the observations of a metric that is 0 on one side, in the unit of the label.',
      samples: [...middle('candidate', true), ...middle('baseline', true)],
    },
  ];
  return `${families
    .filter(({ samples }) => samples.length > 0)
    .flatMap(linesOf)
    .join('\n')}\n# EOF\n`;
}

const levelOf = ({ interval }: MetricVerdict): Record<string, string> => ({ level: String(interval!.level) });

function linesOf({ name, help, unit, samples }: Family): string[] {
  return [
    `# TYPE ${name} gauge`,
    ...(unit ? [`# UNIT ${name} ${unit}`] : []),
    `# HELP ${name} ${help}`,
    ...samples.map(
      ({ labels, value }) =>
        `${name}{${Object.entries(labels)
          .map(([label, text]) => `${label}="${escaped(text)}"`)
          .join(',')}} ${value}`,
    ),
  ];
}

/** One line; half of a surrogate pair is no character. */
const escaped = (value: string): string =>
  plainText(value).toWellFormed().replaceAll('\\', '\\\\').replaceAll('"', '\\"');
