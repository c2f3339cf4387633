/** Requests as a round leaves them, for the tests of what reads them. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Test } from 'tap';
import { METADATA, type RequestColumns, writeRequests } from '../../loadgen/requests-file.ts';

export const RUN = '01K0000000000000000000000A';

/** A folder that is removed at the end of the test. */
export function folder(t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'mayfly-requests-'));
  t.teardown(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/**
 * `count` requests of both sides in turn (of one: `sides`), 800 a second; the candidate is 5 % slower, one in a
 * thousand fails. The same every time.
 */
export function makeRequests(
  count: number,
  { seed = 1, sides = ['candidate', 'baseline'] }: { seed?: number; sides?: string[] } = {},
): RequestColumns {
  const random = generator(seed);
  const normal = () => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
  const rows: RequestColumns = {
    due: new Float64Array(count),
    startLag: new Float32Array(count),
    latency: new Float32Array(count),
    side: new Uint8Array(count),
    pair: new Int32Array(count),
    name: new Uint16Array(count),
    names: ['GET /', 'POST /orders', 'GET /items/:id'],
    sides,
    status: new Int32Array(count),
    failure: new Uint8Array(count),
    failures: ['timeout', 'status'],
  };
  for (let i = 0; i < count; i++) {
    const side = i % sides.length;
    rows.due[i] = i / 800;
    rows.startLag[i] = 50e-6 * Math.exp(0.3 * normal());
    rows.latency[i] =
      350e-6 * (sides[side] === 'candidate' ? 1.05 : 1) * Math.exp(0.4 * normal() + (random() < 0.01 ? 2 : 0));
    rows.side[i] = side;
    rows.pair[i] = Math.floor(i / sides.length);
    rows.name[i] = Math.floor(random() * 3);
    rows.status[i] = 200;
    if (i % 1000 !== 999) continue;
    rows.failure[i] = 1 + (i % 2000 === 999 ? 0 : 1);
    rows.status[i] = i % 2000 === 999 ? 0 : 503;
  }
  return rows;
}

/** Writes them as the file of a round. */
export async function writeRound(
  file: string,
  round: number,
  rows: RequestColumns,
  { runId = RUN, more = {} }: { runId?: string; more?: Record<string, string> } = {},
): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  await writeRequests(file, rows, {
    [METADATA.runId]: runId,
    [METADATA.benchmark]: 'shop',
    [METADATA.round]: String(round),
    [METADATA.windowStartMs]: String(1.79e12 + round * 30_000),
    ...more,
  });
}

/** Evenly between 0 and 1. Park and Miller, Commun. ACM 31 (1988). */
function generator(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}
