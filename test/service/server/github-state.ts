/** What the GitHub stand-in keeps of repositories. */
export type Role = 'admin' | 'maintain' | 'write' | 'triage' | 'read';

/** Who asks: a person's token, the token of GitHub Actions, an App itself, or an App in one repository. */
export interface Asker {
  kind: 'user' | 'actions' | 'app' | 'installation';
  login: string;
}

export interface Pull {
  number: number;
  head: string;
  base: string;
  fork: boolean;
  open: boolean;
  author: string;
  title: string;
  /** Those of the pull request, the oldest first; the head is the last one. */
  commits: string[];
  /** Names. */
  labels: string[];
  /** ISO 8601 without milliseconds, as GitHub writes it. */
  updatedAt: string;
  /** The commit of its base that it has become. */
  mergedAs?: string;
}

export interface StoredCheckRun {
  id: number;
  /** Login of the App that made it; only that one may change it. */
  by: string;
  name: string;
  head_sha: string;
  external_id: string;
  status: string;
  conclusion: string | null;
  details_url: string | null;
  started_at: string | null;
  completed_at: string | null;
  title: string | null;
  summary: string | null;
}

export interface StoredStatus {
  id: number;
  sha: string;
  state: string;
  context: string;
  description: string | null;
  target_url: string | null;
  by: string;
}

export interface StoredComment {
  id: number;
  /** Number of its issue or pull request. */
  number: number;
  author: string;
  body: string;
}

export interface StoredIssue {
  number: number;
  title: string;
  body: string;
  labels: string[];
  author: string;
  open: boolean;
}

let lastId = 1000;
export const nextId = (): number => ++lastId;

const seconds = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/** A repository with one branch; tests change it as people on GitHub would. */
export class Repository {
  /** OWNER/NAME. */
  readonly name: string;
  readonly id: number = nextId();
  defaultBranch = 'main';
  readonly branches = new Map<string, string>();
  /** Login in lower case -> what this person may do; others may read. */
  readonly roles = new Map<string, Role>();
  /** Commits that GitHub knows. */
  readonly commits = new Set<string>();
  readonly pulls = new Map<number, Pull>();
  readonly checkRuns: StoredCheckRun[] = [];
  readonly statuses: StoredStatus[] = [];
  readonly comments: StoredComment[] = [];
  readonly issues: StoredIssue[] = [];
  /** The App is installed in it. */
  installed = true;

  constructor(name: string, head: string) {
    this.name = name;
    this.push(this.defaultBranch, head);
  }

  /** A new head of a branch. */
  push(branch: string, head: string): void {
    this.branches.set(branch, head);
    this.commits.add(head);
  }

  /** A new pull request, open, from a branch of the repository itself unless `fork`. */
  addPull(pull: Partial<Pull> & { number: number; head: string }): Pull {
    const made = {
      base: this.defaultBranch,
      fork: false,
      open: true,
      author: 'octocat',
      title: `Pull request ${pull.number}`,
      labels: [],
      commits: [pull.head],
      updatedAt: seconds(Date.now()),
      ...pull,
    };
    this.pulls.set(made.number, made);
    for (const commit of made.commits) this.commits.add(commit);
    return made;
  }

  /** A new head of a pull request. */
  pushPull(number: number, head: string, updatedMs = Date.now()): void {
    const pull = this.pulls.get(number)!;
    pull.head = head;
    pull.commits.push(head);
    pull.updatedAt = seconds(updatedMs);
    this.commits.add(head);
  }

  /** A comment of anybody; gives its id. */
  addComment(number: number, author: string, body: string): number {
    const comment = { id: nextId(), number, author, body };
    this.comments.push(comment);
    return comment.id;
  }

  hasNumber(number: number): boolean {
    return this.pulls.has(number) || this.issues.some((issue) => issue.number === number);
  }

  nextNumber(): number {
    return Math.max(0, ...this.pulls.keys(), ...this.issues.map(({ number }) => number)) + 1;
  }
}
