/** Failing checks that somebody has accepted, and what they have become on the default branch. SQL only. */
import type { Verdict } from '../documents/verdict.ts';
import type { Database, Row } from './sqlite.ts';

/** One benchmark's verdict on one commit, accepted by somebody with write access. */
export interface Acceptance {
  acceptance_id: string;
  repository: string;
  benchmark: string;
  /** Of the deployment, as variantsText() has it; absent: the benchmark's own. */
  variant?: string;
  /** Full hash of the head that was accepted. */
  commit: string;
  pull_request: number;
  /** The worst verdict that was accepted. */
  verdict: Verdict;
  accepted_by: string;
  reason: string;
  /** ISO 8601. */
  accepted_at: string;
  /** The commit of the base branch that its pull request has become; absent: it is not merged, or at another head. */
  landed?: string;
}

export interface Acceptances {
  /** Keeps one; the same id again changes nothing. */
  add(acceptance: Omit<Acceptance, 'accepted_at' | 'landed'>, now: number): void;
  /** Takes back those of a pull request; gives what was in force. */
  undo(repository: string, pullRequest: number, by: string, now: number): Acceptance[];
  /** What is in force for a commit, as a head or as what it has become; the newest. */
  of(
    repository: string,
    of: { benchmark: string; variant: string | undefined; commit: string },
  ): Acceptance | undefined;
  /** What is in force of a benchmark in a variant, the oldest first. */
  ofBenchmark(benchmark: string, variant: string | undefined): Acceptance[];
}

const IN_FORCE = `SELECT a.*, p.merged_as FROM acceptance a
  LEFT JOIN pull_request p ON p.repository = a.repository AND p.number = a.pull_request AND p.head = a.commit_id
  WHERE a.undone_ms IS NULL`;

export function openAcceptances(db: Database): Acceptances {
  return {
    add({ acceptance_id, repository, benchmark, variant, commit, pull_request, verdict, accepted_by, reason }, now) {
      db.run(
        `INSERT INTO acceptance (acceptance_id, repository, benchmark, variant, commit_id, pull_request, verdict, accepted_by, reason, accepted_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (acceptance_id) DO NOTHING`,
        acceptance_id,
        repository,
        benchmark,
        variant ?? null,
        commit,
        pull_request,
        verdict,
        accepted_by,
        reason,
        now,
      );
    },
    undo: (repository, pullRequest, by, now) =>
      db.transaction(() => {
        const before = db.all(
          `${IN_FORCE} AND a.repository = ? AND a.pull_request = ? ORDER BY a.acceptance_id`,
          repository,
          pullRequest,
        );
        db.run(
          'UPDATE acceptance SET undone_by = ?, undone_ms = ? WHERE repository = ? AND pull_request = ? AND undone_ms IS NULL',
          by,
          now,
          repository,
          pullRequest,
        );
        return before.map(readAcceptance);
      }),
    of(repository, { benchmark, variant, commit }) {
      const row = db.get(
        `${IN_FORCE} AND a.repository = ? AND a.benchmark = ? AND a.variant IS ? AND (a.commit_id = ? OR p.merged_as = ?) ORDER BY a.acceptance_id DESC LIMIT 1`,
        repository,
        benchmark,
        variant ?? null,
        commit,
        commit,
      );
      return row && readAcceptance(row);
    },
    ofBenchmark: (benchmark, variant) => inForce(db, benchmark).filter((one) => one.variant === variant),
  };
}

/** Who has accepted a change of the default branch, as its change point says it. */
export interface Accepted {
  /** The commit of the default branch that was accepted. */
  commit: string;
  by: string;
  reason: string;
  /** ISO 8601. */
  at: string;
  /** Commits in the range of the change that nobody has accepted: any of them may be what is slow. */
  others: number;
}

/**
 * The acceptance that explains a change. `commits`: those from before the change to after it; absent: not known. Only
 * an accepted REGRESSION counts: of another verdict nobody has seen a change.
 */
export function acceptedIn(
  { commit, commits = [commit] }: { commit: string; commits?: readonly string[] },
  acceptances: readonly Acceptance[],
): Accepted | undefined {
  const seen = acceptances.filter(({ verdict }) => verdict === 'REGRESSION');
  const known = new Map(
    seen.flatMap((one) => [one.commit, one.landed ?? one.commit].map((hash) => [hash, one] as const)),
  );
  const within = commits.filter((one) => known.has(one));
  if (within.length === 0) return undefined;
  const { accepted_by: by, reason, accepted_at: at } = known.get(within[0]!)!;
  return { commit: within[0]!, by, reason, at, others: commits.length - within.length };
}

/** What is in force of a benchmark, or of all, the oldest first. */
export const inForce = (db: Database, benchmark?: string): Acceptance[] =>
  (benchmark === undefined
    ? db.all(`${IN_FORCE} ORDER BY a.acceptance_id`)
    : db.all(`${IN_FORCE} AND a.benchmark = ? ORDER BY a.acceptance_id`, benchmark)
  ).map(readAcceptance);

const readAcceptance = ({
  acceptance_id,
  repository,
  benchmark,
  variant,
  commit_id: commit,
  pull_request,
  verdict,
  accepted_by,
  reason,
  accepted_ms,
  merged_as: landed,
}: Row): Acceptance =>
  ({
    acceptance_id,
    repository,
    benchmark,
    ...(variant === null ? {} : { variant }),
    commit,
    pull_request,
    verdict,
    accepted_by,
    reason,
    accepted_at: new Date(Number(accepted_ms)).toISOString(),
    ...(landed === null ? {} : { landed }),
  }) as Acceptance;
