/** GitHub in a made-up history: what it holds, and what it has yet to deliver. */
import type { ServiceConfig } from '../../scripts/config/service.ts';
import { watchedRepository } from '../../scripts/config/service.ts';
import type { NewPullRequest, Told } from '../../scripts/service/server/webhook-events.ts';
import type { GitHub } from '../../scripts/service/tell/github-types.ts';

export const REPOSITORY = 'acme/shop';

export interface Pull {
  number: number;
  head: string;
  open: boolean;
  updated: number;
}

export interface Delivery {
  id: string;
  told: Told;
}

export class HistoryGitHub {
  readonly pulls: Pull[] = [];
  /** The head of the default branch. */
  master: string;
  readonly deliveries: Delivery[] = [];
  private readonly config: ServiceConfig;
  private commits = 0;
  private told = 0;

  constructor(config: ServiceConfig) {
    this.config = config;
    this.master = this.newCommit();
  }

  newCommit(): string {
    return hash(++this.commits);
  }
  /** One that is there already. */
  oldCommit(which: number): string {
    return hash(1 + (which % this.commits));
  }
  get open(): Pull[] {
    return this.pulls.filter(({ open }) => open);
  }

  /** A push to the default branch. */
  push(): void {
    this.master = this.newCommit();
    this.tell({ what: 'push', repository: this.repository, commit: this.master, branch: 'main', line: false });
  }
  /** A pull request is new, or is no longer as it was. */
  change(real: number, pull: Omit<Pull, 'updated'>): void {
    const updated = Date.UTC(2026, 0, 1) + real + this.told; // GitHub's clock is right
    const changed = (this.pulls[pull.number - 1] = { ...pull, updated });
    this.tell({ what: 'pull request', repository: this.repository, pullRequest: remote(changed), learnt: {} });
  }

  /** What the server asks when it reconciles. */
  asked(): GitHub {
    return {
      defaultBranch: async () => ({ name: 'main', commit: this.master }),
      openPullRequests: async () => this.open.map(remote),
      pullRequest: async (_: string, number: number) => remote(this.pulls[number - 1]!),
    } as unknown as GitHub;
  }

  private get repository() {
    return watchedRepository(this.config, REPOSITORY)!;
  }
  private tell(told: Told): void {
    this.deliveries.push({ id: `d${++this.told}`, told });
  }
}

const hash = (n: number) => `c${n.toString(16).padStart(39, '0')}`;
const remote = ({ number, head, open, updated }: Pull): NewPullRequest => ({
  repository: REPOSITORY,
  number,
  head,
  base_ref: 'main',
  onto_default: true,
  labels: [],
  from_fork: false,
  open,
  updated_ms: updated,
});
