/** Triggers: which events go to whom. The harness hands them over in MAYFLY_TRIGGERS, checked already. */

export interface Trigger {
  name: string;
  /** Attribute -> what it must be, exactly. All must match; none: every event. */
  filter: Record<string, string>;
  subscriber: string;
  /** Attempts after the first one. */
  retries: number;
  /** Before the second attempt. It doubles. */
  backoffS: number;
  timeoutS: number;
  /** Events that are under way at once, those among them that wait for their next attempt. */
  maxInFlight: number;
}

/** Of the attempts of an event, so that no wait overflows a timer. */
const LONGEST_BACKOFF_MS = 3_600_000;
const NAME = /^[a-z][a-z0-9-]*$/;
const NUMBERS = ['retries', 'backoffS', 'timeoutS', 'maxInFlight'] as const;

export function matches(filter: Record<string, string>, attributes: Record<string, string>): boolean {
  for (const name in filter) if (attributes[name] !== filter[name]) return false;
  return true;
}

/** Milliseconds from the end of attempt `n`, from 1, to the beginning of the next. */
export function backoffMs(trigger: Trigger, n: number): number {
  return Math.min(trigger.backoffS * 1000 * 2 ** (n - 1), LONGEST_BACKOFF_MS);
}

/** Throws an Error that says which trigger is not one, and why. */
export function parseTriggers(text: string): Trigger[] {
  let all: unknown;
  try {
    all = JSON.parse(text);
  } catch (error) {
    throw new Error(`MAYFLY_TRIGGERS is no JSON: ${(error as Error).message}`);
  }
  if (!Array.isArray(all)) throw new Error('MAYFLY_TRIGGERS must be a list of triggers');
  const names = new Set<string>();
  for (const [index, one] of all.entries()) {
    const wrong = faultOf(one ?? {});
    if (wrong) throw new Error(`MAYFLY_TRIGGERS: trigger ${index + 1}: ${wrong}`);
    if (names.has(one.name)) throw new Error(`MAYFLY_TRIGGERS: trigger ${index + 1}: the name ${one.name} is taken`);
    names.add(one.name);
  }
  return all;
}

function faultOf(one: Partial<Trigger>): string | null {
  if (typeof one.name !== 'string' || !NAME.test(one.name)) return `name must match ${NAME.source}`;
  if (!one.filter || typeof one.filter !== 'object' || Object.values(one.filter).some((v) => typeof v !== 'string'))
    return 'filter must be attributes with the text that each must be';
  if (!/^https?:$/.test(URL.parse(String(one.subscriber))?.protocol ?? '')) return 'subscriber must be an http URL';
  for (const name of NUMBERS)
    if (!(Number.isFinite(one[name]) && one[name]! >= 0)) return `${name} must be a number, 0 or more`;
  if (!Number.isInteger(one.retries)) return 'retries must be a whole number';
  if (!(one.timeoutS! > 0)) return 'timeoutS must be more than 0';
  if (!Number.isInteger(one.maxInFlight) || one.maxInFlight! < 1)
    return 'maxInFlight must be a whole number, 1 or more';
  return null;
}
