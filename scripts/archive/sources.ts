/** What Query reads from, as it says itself (thanos, pkg/api/query/v1.go: /api/v1/stores). */
import { probe } from './long-running.ts';

export interface Source {
  /** store, sidecar, …; unknown-store-api while it has never answered. */
  kind: string;
  name: string;
  /** Why it cannot be reached; null where it can. */
  lastError: string | null;
}

/** Null where no Query answers at `url`. */
export async function sourcesOf(url: string): Promise<Source[] | null> {
  const answer = await probe(`${url}/api/v1/stores`);
  const kinds = answer?.status === 200 ? parsed(answer.body) : null;
  return (
    kinds &&
    Object.entries(kinds).flatMap(([kind, list]) =>
      list.map(({ name, lastError }) => ({
        kind,
        name,
        lastError: lastError ? (typeof lastError === 'string' ? lastError : JSON.stringify(lastError)) : null,
      })),
    )
  );
}

/** Another program may answer at its port. */
function parsed(body: string): Record<string, { name: string; lastError: unknown }[]> | null {
  try {
    return JSON.parse(body).data ?? {};
  } catch {
    return null;
  }
}

/** How many of so many Stores Query at `url` does not reach. */
export async function storesOutOfReach(url: string, stores: number): Promise<number> {
  const reached = ((await sourcesOf(url)) ?? []).filter(
    ({ kind, lastError }) => kind === 'store' && lastError === null,
  );
  return Math.max(0, stores - reached.length);
}
