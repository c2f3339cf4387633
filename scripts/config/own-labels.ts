/**
 * Labels that Mayfly gives every series of a service. One of the same name of the metric itself becomes
 * `exported_...` (Prometheus, honor_labels: false), so a query that selects on it finds nothing. Pure.
 */
import { shown } from './schema.ts';

export const OWN_LABELS = ['service', 'side', 'round', 'commit', 'instance', 'job'] as const;
type OwnLabel = (typeof OWN_LABELS)[number];

/** A matcher with its value, or a text or a comment, in which there is none. */
const STRING = String.raw`"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|${'`'}[^${'`'}]*${'`'}`;
const MATCHER = new RegExp(String.raw`(?<name>[a-zA-Z_]\w*)\s*(?<is>=~|=)\s*(?<value>${STRING})|${STRING}|#.*$`, 'gm');

const JOBS = ['services', 'loadgen', 'containers'];

/** What is wrong with the first matcher by value of a label of Mayfly's own, or null. `services`: of the Compose file. */
export function ownLabelFault(promql: string, services: readonly string[]): string | null {
  for (const { groups } of promql.matchAll(MATCHER)) {
    const name = OWN_LABELS.find((one) => one === groups?.name);
    if (!name) continue;
    const value = unquoted(groups!.value!);
    const known = knownValues(name, services);
    if (known?.(value, groups!.is === '=~')) continue;
    const text = `${name}${groups!.is}${shown(value)}`;
    return `selects ${text}, but ${reasonOf(name, services)}; where the metric itself has a label ${name}, Prometheus calls it exported_${name}: write exported_${text}`;
  }
  return null;
}

/** Whether Mayfly may have given the label such a value; of what $selector fills in nothing may be given. */
function knownValues(
  name: OwnLabel,
  services: readonly string[],
): ((value: string, isPattern: boolean) => boolean) | null {
  const matches = (values: readonly string[]) => (value: string, isPattern: boolean) => {
    const pattern = isPattern ? patternOf(value) : null;
    return values.some((one) => (pattern ? pattern.test(one) : one === value));
  };
  switch (name) {
    case 'service':
      return matches([...services, 'loadgen']);
    case 'job':
      return matches(JOBS);
    case 'instance': // `shop-1`: how many replicas there are is not looked at
      return (value, isPattern) => isPattern || value === 'loadgen' || services.includes(value.replace(/-\d+$/, ''));
    default:
      return null;
  }
}

function patternOf(value: string): RegExp | null {
  try {
    return new RegExp(`^(?:${value})$`, 's');
  } catch {
    return /^/; // RE2 may know what JavaScript does not
  }
}

function reasonOf(name: OwnLabel, services: readonly string[]): string {
  if (name === 'service') return `service is Mayfly's label, the name in the Compose file (${services.join(', ')})`;
  if (name === 'job') return `job is Mayfly's label (${JOBS.join(', ')})`;
  if (name === 'instance') return "instance is Mayfly's label, service and number of the replica (shop-1)";
  return `${name} is Mayfly's label, which $selector fills in`;
}

const unquoted = (text: string): string =>
  text.startsWith('`') ? text.slice(1, -1) : text.slice(1, -1).replace(/\\(.)/g, '$1');
