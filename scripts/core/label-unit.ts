/** Units that the labels of telemetry end in (telemetry/README.md, The files). */
const UNITS = { seconds: 's', bytes: 'bytes', ratio: 'ratio', count: 'count' } as const;

/** The unit of a telemetry sample by its prefix and label; '' where they do not say it. */
export function labelUnit(prefix: string, label: string): (typeof UNITS)[keyof typeof UNITS] | '' {
  if (prefix === 'duration' || prefix === 'profiler') return 's';
  const last = label.slice(label.lastIndexOf('_') + 1);
  return prefix === 'runtime' && Object.hasOwn(UNITS, last) ? UNITS[last as keyof typeof UNITS] : '';
}
