/** What a schema cannot say about telemetry in a benchmark.yaml: its folders, and the metrics that are made of it. Pure. */
import type { BenchmarkSpec, Metric as MetricSpec } from './benchmark.types.ts';
import { telemetryUnit } from './metric-defaults.ts';
import { didYouMean } from './nearest.ts';
import { parseSize } from './quantities.ts';
import { shown } from './schema.ts';
import type { Fault, YamlPath } from './yaml-file.ts';

type Say = (path: YamlPath, text: string) => Fault;

const LEAST_BYTES = 2 ** 20;
const MOST_BYTES = 4 * 2 ** 30;
/** Of the kernel: nothing else can be mounted there. */
const RESERVED = ['/proc', '/sys', '/dev'];

/** `mounts`: what the Compose file mounts, by service; null where it could not be read. */
export function checkTelemetry(
  { telemetry }: BenchmarkSpec,
  mounts: Record<string, string[]> | null,
  say: Say,
): Fault[] {
  return telemetry.flatMap(({ service, folder, size }, i) => {
    const path = ['telemetry', i];
    const faults: Fault[] = [];
    if (telemetry.findIndex((one) => one.service === service) !== i)
      faults.push(say([...path, 'service'], `is there twice: ${service}; a service has one telemetry folder`));
    if (mounts && !Object.hasOwn(mounts, service)) faults.push(say([...path, 'service'], noService(service, mounts)));
    else if (!/^[A-Za-z0-9]/.test(service))
      faults.push(
        say(
          [...path, 'service'],
          `must start with a letter or a digit to have a telemetry folder, got ${shown(service)}`,
        ),
      );
    const reserved = RESERVED.find((one) => overlap(one, folder));
    const taken = mounts?.[service]?.find((mount) => overlap(mount, folder));
    if (reserved)
      faults.push(say([...path, 'folder'], `must not be in ${reserved}, which is the kernel's; got ${folder}`));
    else if (taken !== undefined)
      faults.push(
        say(
          [...path, 'folder'],
          `must be apart from what the Compose file mounts into ${service} (${taken}), got ${folder}`,
        ),
      );
    const bytes = parseSize(size);
    if (bytes < LEAST_BYTES || bytes > MOST_BYTES)
      faults.push(say([...path, 'size'], `must be from 1MiB to 4GiB, got ${size}`));
    return faults;
  });
}

const noService = (name: string, mounts: Record<string, string[]>) => {
  const services = Object.keys(mounts);
  return `names ${shown(name)}, which is no service of the Compose file${didYouMean(name, services)}; its services: ${services.join(', ')}`;
};

/** One is the other, or lies in it. */
export function overlap(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => `${path.replace(/\/+/g, '/').replace(/\/$/, '')}/`);
  return a!.startsWith(b!) || b!.startsWith(a!);
}

/** A metric of telemetry, which has no promql beside it. */
export function checkTelemetryMetric(
  metric: MetricSpec & Required<Pick<MetricSpec, 'telemetry'>>,
  path: YamlPath,
  { telemetry }: BenchmarkSpec,
  say: Say,
): Fault[] {
  const { service, label, value } = metric.telemetry;
  const listed = telemetry.map((one) => one.service);
  const faults: Fault[] = [];
  if (listed.length === 0)
    faults.push(
      say([...path, 'telemetry'], `needs the service at the top of the file too: telemetry: [{service: ${service}}]`),
    );
  else if (!listed.includes(service))
    faults.push(
      say(
        [...path, 'telemetry', 'service'],
        `names ${shown(service)}, which telemetry does not list${didYouMean(service, listed)}; it lists ${listed.join(', ')}`,
      ),
    );
  const unit = telemetryUnit(metric.telemetry);
  if (unit === null && metric.unit === undefined)
    faults.push(
      say(
        path,
        `needs unit: the ${value} of ${shown(label)} has one that is not known, since the label ends in none of _seconds, _bytes, _ratio, _count`,
      ),
    );
  if (unit !== null && metric.unit !== undefined && metric.unit !== unit)
    faults.push(
      say(
        [...path, 'unit'],
        `must be ${unit} or left out, since that is what this value is in; got ${shown(metric.unit)}`,
      ),
    );
  return faults;
}
