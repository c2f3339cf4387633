/** What Query reads from, as it says itself (thanos, pkg/api/query/v1.go: /api/v1/stores). */
import { probe } from './lasting.ts';

export interface Source {
  /** store, sidecar, …; unknown-store-api while it has never answered. */
  kind: string;
  name: string;
  /** Why it cannot be reached; null where it can. */
  lastError: string | null;
}

/** Null where Query at `url` does not answer. */
export async function sourcesOf(url: string): Promise<Source[] | null> {
  const answer = await probe(`${url}/api/v1/stores`);
  if (answer?.status !== 200) return null;
  const kinds: Record<string, { name: string; lastError: unknown }[]> = JSON.parse(answer.body).data ?? {};
  return Object.entries(kinds).flatMap(([kind, list]) => list.map(({ name, lastError }) => ({ kind, name, lastError: lastError ? (typeof lastError === 'string' ? lastError : JSON.stringify(lastError)) : null })));
}

/** How many of so many Stores Query at `url` does not reach. */
export async function storesOutOfReach(url: string, stores: number): Promise<number> {
  const reached = ((await sourcesOf(url)) ?? []).filter(({ kind, lastError }) => kind === 'store' && lastError === null);
  return Math.max(0, stores - reached.length);
}
