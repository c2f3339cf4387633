/** Which targets of a round Prometheus does not reach, and why, as Prometheus says. Pure. */
import type { SideName } from '../documents/run.ts';

/** What Prometheus says of one of its targets. */
export interface ScrapeTarget {
  job: string;
  url: string;
  /** Its last scrape succeeded. */
  up: boolean;
  /** Why it failed; empty where it did not. */
  error: string;
}

/** A target as it is written for Prometheus to find. */
export interface WantedTarget {
  targets: string[];
  labels: { side: SideName; service: string; __metrics_path__: string } & Record<string, string>;
}

/** A target that was not scraped. */
export interface Unreached {
  side: SideName;
  /** `shop:8080/metrics` */
  what: string;
  /** Prometheus' own last error; null where it has not tried, or has no answer yet. */
  error: string | null;
}

/** What may pass by itself: an answer that takes its time on a busy host, a name that is not known yet. */
const MAY_PASS = /context deadline exceeded|i\/o timeout|no such host|server misbehaving/i;

/** It is no matter of a moment. */
export const isFinal = ({ error }: Unreached): boolean => error !== null && !MAY_PASS.test(error);

export function unreached(wanted: readonly WantedTarget[], seen: readonly ScrapeTarget[]): Unreached[] {
  const byUrl = new Map(seen.map((target) => [sameUrl(target.url), target]));
  return wanted.flatMap(({ targets, labels: { side, service, __metrics_path__: path } }) =>
    targets.flatMap((address) => {
      const found = byUrl.get(sameUrl(`http://${address}${path}`));
      if (found?.up) return [];
      const what = `${service}:${address.split(':').at(-1)}${path}`;
      return [{ side, what, error: found?.error ? plainError(found.error) : null }];
    }),
  );
}

/** Prometheus escapes a path in its own way. */
function sameUrl(url: string): string {
  try {
    return decodeURIComponent(new URL(url).href);
  } catch {
    return url;
  }
}

/** Without the request before it, which names the container, and with the limit that it is about. */
function plainError(error: string): string {
  const text = error.replace(/^Get "[^"]*": /, '');
  const limit = LIMITS.find(([said]) => text.includes(said));
  return limit ? `${text}: ${limit[1]}` : text;
}

/** Errors of Prometheus that do not say the limit (scrape/scrape.go) -> the limit, as prometheus/prometheus.yml has it. */
const LIMITS: readonly [said: string, limit: string][] = [
  ['context deadline exceeded', 'an answer may take 900 ms'],
  ['sample limit exceeded', 'at most 20000 series of a target are taken'],
  ['body size limit exceeded', 'an answer may have 16 MB'],
];

/** `shop:8080/metrics (dial tcp 10.0.0.2:8080: connect: connection refused)` */
export const unreachedText = ({ what, error }: Unreached): string =>
  `${what} (${error ?? 'Prometheus has no answer yet'})`;
