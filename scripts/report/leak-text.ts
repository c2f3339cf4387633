/** The leak hint in words: `api grows 1.2 MB per 1,000 requests, 95 % 1.0 to 1.4`. Pure. */
import { plainText } from '../core/text.ts';
import type { RunDocument } from '../documents/run.ts';
import { scaled } from './units.ts';

/** What stands before each line. */
const HINT = 'leak hint';

/** A line for each service that grows. Empty where none does, and of runs of before it was looked at. */
export function leakLines({ growth, sides }: Pick<RunDocument, 'growth' | 'sides'>): string[] {
  return (growth ?? []).flatMap(({ service, of, verdict, bytes_per_request, low, high }) => {
    if (verdict !== 'grows' || bytes_per_request === null || low === null || high === null) return [];
    const [value, ...interval] = scaled(
      [bytes_per_request, low, high].map((one) => one * 1000),
      'bytes',
    );
    const whose = of === 'baseline' || sides.baseline ? ` of the ${of === 'baseline' ? 'baseline' : 'candidate'}` : '';
    const more = of === 'difference' ? ' more than that of the baseline' : '';
    return [
      `${HINT}: ${plainText(service)}${whose} grows ${value} per 1,000 requests${more}, 95 % ${interval.join(' to ')}`,
    ];
  });
}
