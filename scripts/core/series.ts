/** Series and times of OpenMetrics text, as promtool reads them. Pure. */

/** A series as OpenMetrics writes it. A label without a value is the same as none. */
export function series(name: string, labels: Record<string, string>): string {
  const written = Object.entries(labels)
    .filter(([, value]) => value !== '')
    .map(([label, value]) => `${label}="${escaped(value)}"`);
  return `${name}{${written.join(',')}}`;
}

/** As OpenMetrics has it. The byte 0 would end the text for promtool, and half of a surrogate pair is no character. */
const escaped = (value: string) =>
  value
    .toWellFormed()
    .replaceAll('\0', '\u{fffd}')
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', '\\n');

/**
 * A time in seconds. promtool multiplies by 1000 in floating point and cuts what is left over: the half millisecond
 * keeps it from losing a whole one.
 */
export const promtoolSeconds = (ms: number) => ((ms + 0.5) / 1000).toFixed(4);
