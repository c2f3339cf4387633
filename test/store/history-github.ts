/**
 * GitHub in a made-up history: what it holds, and what it has yet to deliver. And the chance that all of it is drawn
 * from.
 */
import type { ServiceConfig } from '../../scripts/config/service.ts';
import { watchedRepository } from '../../scripts/config/service.ts';
import type { NewPullRequest, Told } from '../../scripts/service/server/webhook-events.ts';
import type { GitHub } from '../../scripts/service/tell/github-types.ts';

export const REPOSITORY = 'acme/shop';

interface Pull {
  number: number;
  head: string;
  open: boolean;
  updated: number;
}

export class HistoryGitHub {
  readonly pulls: Pull[] = [];
  readonly master: string[] = [];
  readonly deliveries: { id: string; told: Told }[] = [];
  private readonly chance: Chance;
  private readonly config: ServiceConfig;
  private commits = 0;
  private told = 0;

  constructor(chance: Chance, config: ServiceConfig) {
    this.chance = chance;
    this.config = config;
    this.master.push(this.newCommit());
  }

  newCommit(): string {
    return hash(++this.commits);
  }
  get open(): Pull[] {
    return this.pulls.filter(({ open }) => open);
  }

  /** A push to the default branch; a pull request that is new, closed or opened again, pushed to, or pushed back. */
  change(real: number): void {
    const repository = watchedRepository(this.config, REPOSITORY)!;
    const pull = this.chance.of(0.4) ? undefined : this.chance.oneOf(this.pulls);
    if (this.chance.of(0.25)) {
      this.master.push(this.newCommit());
      return this.tell({ what: 'push', repository, commit: this.master.at(-1)!, branch: 'main' });
    }
    if (!pull) this.pulls.push({ number: this.pulls.length + 1, head: this.newCommit(), open: true, updated: 0 });
    else if (this.chance.of(0.2)) pull.open = !pull.open;
    else pull.head = this.chance.of(0.2) ? hash(1 + this.chance.below(this.commits)) : this.newCommit();
    const changed = pull ?? this.pulls.at(-1)!;
    changed.updated = Date.UTC(2026, 0, 1) + real + this.told; // GitHub's clock is right
    this.tell({ what: 'pull request', repository, pullRequest: remote(changed) });
  }
  private tell(told: Told): void {
    this.deliveries.push({ id: `d${++this.told}`, told });
  }

  /** What the server asks when it reconciles. */
  asked(): GitHub {
    return {
      defaultBranch: async () => ({ name: 'main', commit: this.master.at(-1)! }),
      openPullRequests: async () => this.open.map(remote),
      pullRequest: async (_: string, number: number) => remote(this.pulls[number - 1]!),
    } as unknown as GitHub;
  }
}

const hash = (n: number) => `c${n.toString(16).padStart(39, '0')}`;
const remote = ({ number, head, open, updated }: Pull): NewPullRequest => ({
  repository: REPOSITORY,
  number,
  head,
  base_ref: 'main',
  from_fork: false,
  open,
  updated_ms: updated,
});

export class Chance {
  /** Evenly from 0 to 1. */
  readonly next: () => number;
  constructor(seed: number) {
    this.next = generator(seed);
  }
  /** True in this share of the cases. */
  of(share: number): boolean {
    return this.next() < share;
  }
  /** A whole number from 0, below n. */
  below(n: number): number {
    return Math.floor(this.next() * n);
  }
  oneOf<T>(all: readonly T[]): T | undefined {
    return all[this.below(all.length)];
  }
}

/** Evenly from 0 to 1, the same for the same seed. Mulberry32. */
function generator(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
