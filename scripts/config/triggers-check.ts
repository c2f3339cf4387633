/** triggers.yaml: what goes to which service. Every fault with its line. Pure. */
import { didYouMean } from './nearest.ts';
import { parseDuration } from './quantities.ts';
import { checkTriggers, shown } from './schema.ts';
import type { Trigger as TriggerSpec } from './triggers.types.ts';
import type { Trigger } from './types.ts';
import type { Fault, YamlFile, YamlPath } from './yaml-file.ts';

/** Seconds. */
const LONGEST_S = 3600;

/** What of a benchmark a trigger may name. */
export interface Subscribers {
  /** Services of the Compose file; null where it could not be read. */
  services: readonly string[] | null;
  /** Its one-shot services, each with one that waits for its end. */
  oneShots: ReadonlyMap<string, string>;
}

/** The triggers of a file with every default filled in, or everything that is wrong with it. */
export function readTriggers(file: YamlFile, around: Subscribers): { triggers: Trigger[] } | { faults: Fault[] } {
  if (file.faults.length > 0) return { faults: file.faults };
  const checked = checkTriggers(file.value);
  if ('faults' in checked) return { faults: checked.faults.map(({ path, text }) => file.fault(path, text)) };
  const specs = checked.spec.triggers;
  const faults = specs.flatMap((spec, i) => checkTrigger(spec, ['triggers', i], specs, around, file.fault));
  return faults.length > 0 ? { faults } : { triggers: specs.map(triggerOf) };
}

function checkTrigger(
  { name, subscriber, timeout }: TriggerSpec,
  path: YamlPath,
  all: readonly TriggerSpec[],
  around: Subscribers,
  say: YamlFile['fault'],
): Fault[] {
  const faults: Fault[] = [];
  if (all.findIndex((one) => one.name === name) !== path[1])
    faults.push(say([...path, 'name'], `is there twice: ${name}; events are counted by the trigger's name`));
  faults.push(...checkSubscriber([...path, 'subscriber'], subscriber, around, say));
  const timeoutS = parseDuration(timeout)!;
  if (timeoutS < 0.001 || timeoutS > LONGEST_S)
    faults.push(say([...path, 'timeout'], `must be from 1ms to 1h, got ${timeout}`));
  return faults;
}

function checkSubscriber(
  path: YamlPath,
  subscriber: string,
  { services, oneShots }: Subscribers,
  say: YamlFile['fault'],
): Fault[] {
  const url = URL.canParse(subscriber) ? new URL(subscriber) : null;
  if (url?.protocol !== 'http:' || url.hostname === '')
    return [say(path, `must be a URL such as http://consumer:8080/, got ${shown(subscriber)}`)];
  if (url.username || url.password) return [say(path, 'must not hold a user or a password')];
  const name = url.hostname;
  if (services && !services.includes(name))
    return [
      say(
        path,
        `names ${shown(name)}, which is no service of the Compose file${didYouMean(name, [...services])}; its services: ${services.join(', ')}`,
      ),
    ];
  const waiting = oneShots.get(name);
  if (waiting === undefined) return [];
  return [
    say(
      path,
      `must not name ${name}: it is one-shot, since ${waiting} depends on it with condition: service_completed_successfully, and has ended when the load starts`,
    ),
  ];
}

/** Its fields in one order, whatever that of the file: they decide what is measured. */
const triggerOf = ({ name, filter, subscriber, retries, backoff, timeout, max_in_flight }: TriggerSpec): Trigger => ({
  name,
  filter,
  subscriber,
  retries,
  backoffS: parseDuration(backoff)!,
  timeoutS: parseDuration(timeout)!,
  maxInFlight: max_in_flight,
});
