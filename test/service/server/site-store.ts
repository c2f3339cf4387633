/** A store as weeks of measuring leave it, and the server's context over it, for the tests of the site. */
import { join } from 'node:path';
import { ulid } from 'ulid';
import type { ServiceConfig } from '../../../scripts/config/service.ts';
import { paths } from '../../../scripts/core/paths.ts';
import { type NewJob, PRIORITY } from '../../../scripts/documents/job.ts';
import type { RunDocument, SideName } from '../../../scripts/documents/run.ts';
import { judgeRun } from '../../../scripts/judge/judge-run.ts';
import { createHttp, type Http } from '../../../scripts/service/server/http.ts';
import type { ServeContext } from '../../../scripts/service/server/serve-context.ts';
import { openStore, type Store } from '../../../scripts/store/db.ts';
import { CONCLUSIONS } from '../../fixtures/conclusions.ts';
import { type JudgedOptions, makeJudged, makeRun, sideResult } from '../../run-document.ts';

export const DAY_MS = 24 * 3600_000;
export const FIRST_MS = Date.parse('2026-01-01T12:00:00.000Z');

/** Hash of the commit of a day. */
export const commitOf = (day: number): string => (day + 1).toString(16).padStart(8, '0').repeat(5);
export const at = (day: number): string => new Date(FIRST_MS + day * DAY_MS).toISOString();

/**
 * A comparison that was made on that day, of its commit with the one of `against`; `master`: it joins the master set.
 */
export function compared(day: number, against: number, options: JudgedOptions = {}): RunDocument {
  const started = FIRST_MS + day * DAY_MS;
  const shape = makeJudged({ seed: day + 1, ...options });
  const rounds = shape.rounds.map((round) => ({
    ...round,
    started_at: new Date(started + round.round * 30_000).toISOString(),
  }));
  const baseline = { ref: 'main', commit: commitOf(against), subject: `Change ${against}`, images: [] };
  const run: RunDocument = {
    ...shape,
    run_id: ulid(started),
    started_at: new Date(started).toISOString(),
    finished_at: new Date(started + 600_000).toISOString(),
    rounds,
    sides: { candidate: { ...shape.sides.candidate, commit: commitOf(day), subject: `Change ${day}` }, baseline },
    ...(options.sides ? { sides: options.sides } : {}),
  };
  return { ...run, verdict: judgeRun(run) };
}

/** The same alone. */
export function alone(day: number, laid: Partial<RunDocument> = {}): RunDocument {
  const started = FIRST_MS + day * DAY_MS;
  const shape = makeRun();
  return {
    ...shape,
    run_id: ulid(started),
    started_at: at(day),
    finished_at: new Date(started + 300_000).toISOString(),
    sides: { candidate: { ...shape.sides.candidate, commit: commitOf(day), subject: `Change ${day}` } },
    ...laid,
  };
}

/** What the load generator leaves of a side of a round. */
const detailOf = (side: SideName) => ({ signals: {}, load: sideResult(side) });

/** Keeps a run with the raw material of its rounds. */
export function keep(store: Store, run: RunDocument, detail: (side: SideName) => unknown = detailOf): RunDocument {
  store.transaction(() => {
    const { rounds, verdict, archive, ...begun } = run;
    store.addRun({ ...begun, rounds: [] });
    for (const round of rounds) store.saveRound(run.run_id, round, detail(round.side));
    if (archive) store.saveArchive(run.run_id, archive);
    if (verdict) store.saveVerdict(run.run_id, verdict);
  });
  return run;
}

/** The default branch for `days` days, each commit against the first one; 4 % slower from day `slowerFrom` on. */
export function keepMaster(store: Store, days: number, slowerFrom = Infinity): RunDocument[] {
  return Array.from({ length: days }, (_, day) =>
    keep(
      store,
      compared(day + 1, 0, {
        master: true,
        comparison: { design: 'fixed', min: 12, max: 12 },
        factors: { latency_med: day + 1 >= slowerFrom ? 1.04 : 1 },
      }),
    ),
  );
}

export const aJob = (laid: Partial<NewJob> = {}): NewJob => ({
  kind: 'new-test',
  benchmark: 'shop',
  commit: commitOf(900),
  requested_by: 'somebody',
  priority: PRIORITY.by_hand,
  deadline_s: 3600,
  ...laid,
});

export function serviceConfig(laid: Partial<ServiceConfig> = {}): ServiceConfig {
  return {
    file: undefined,
    site: undefined,
    reconcileS: 300,
    alerts: [],
    repositories: [
      {
        name: 'acme/shop',
        benchmarks: ['shop'],
        eachPullRequest: true,
        labels: {},
        branches: [],
        conclusions: CONCLUSIONS,
      },
    ],
    rules: new Map([
      ['shop', { cancelRunning: false, deadlineS: 3600 }],
      ['hello', { cancelRunning: false, deadlineS: 600 }],
    ]),
    ...laid,
  };
}

type Closing = { testdir(): string; teardown(work: () => unknown): unknown };

export interface TestSite {
  ctx: ServeContext & { clock: number };
  store: Store;
  woken: () => number;
}

/** A store of the test's own, and the context of a server over it; `clock` is its time. */
export function openSite(t: Closing, laid: Partial<ServeContext> = {}): TestSite {
  const data = t.testdir();
  const where = paths(process.cwd(), { MAYFLY_DATA: data });
  const store = openStore(join(data, 'mayfly.db'));
  t.teardown(() => store.close());
  let woken = 0;
  const ctx: TestSite['ctx'] = {
    store,
    paths: where,
    config: serviceConfig(),
    site: 'http://127.0.0.1:8420',
    githubSite: 'https://git.example.org',
    webhookSecret: undefined,
    actionToken: undefined,
    github: undefined,
    clock: FIRST_MS + 400 * DAY_MS,
    now: () => ctx.clock,
    log: () => {},
    signal: new AbortController().signal,
    wake: () => void woken++,
    ...laid,
  };
  return { ctx, store, woken: () => woken };
}

/** A server with these routes; ended with the test. */
export async function served(
  t: Closing,
  ctx: ServeContext,
  ...routes: ((http: Http, ctx: ServeContext) => void)[]
): Promise<Http> {
  const http = await createHttp({
    log: console.error,
    openapi: { title: 'Mayfly', version: '1', description: 'test' },
  });
  for (const add of routes) add(http, ctx);
  await http.ready();
  t.teardown(() => http.close());
  return http;
}
