/**
 * A calibration: schema mayfly.calibration/v1, one build against itself, on one host. Its one description is
 * docs/schemas/mayfly.calibration.v1.json.
 */
import type { VerdictDocument } from './verdict.types.ts';

export type { CalibrationDocument } from './calibration.types.ts';
/** What a report says of a calibration. */
export type CalibrationQuote = NonNullable<VerdictDocument['calibration']>;
