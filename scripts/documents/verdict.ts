/** A verdict: schema mayfly.verdict/v1. Its one description is docs/schemas/mayfly.verdict.v1.json. */
import type { VerdictDocument } from './verdict.types.ts';

export type { VerdictDocument };
export type Verdict = VerdictDocument['verdict'];
/** One metric of a comparison. Relative changes are of the value: 0.01 is 1 % more in the candidate. */
export type MetricVerdict = VerdictDocument['metrics'][number];
/** Where a change is, by hop and by service. */
export type Attribution = NonNullable<VerdictDocument['attribution']>;
