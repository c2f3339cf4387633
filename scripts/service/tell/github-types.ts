import type { RemotePullRequest } from '../../documents/pull-request.ts';

export type { RemotePullRequest };

/** What Mayfly needs of GitHub; github.ts makes it with Octokit. Every method throws a SendError. `repository`: OWNER/NAME. */
export interface GitHub {
  /** Every open pull request. */
  openPullRequests(repository: string): Promise<RemotePullRequest[]>;
  pullRequest(repository: string, number: number): Promise<RemotePullRequest>;
  /** Name of the default branch, and its head (full hash). */
  defaultBranch(repository: string): Promise<{ name: string; commit: string }>;
  /** Every branch, and its head (full hash). */
  branches(repository: string): Promise<{ name: string; commit: string }[]>;
  /** Full hash of a commit that is among those of a pull request; undefined where there is none, or more than one, that begins so. */
  commitOf(repository: string, number: number, prefix: string): Promise<string | undefined>;
  /** May this user push to it? */
  mayWrite(repository: string, user: string): Promise<boolean>;
  /** Creates a check run, or updates the one with this id; gives its id. */
  saveCheckRun(repository: string, run: CheckRun, id?: string): Promise<string>;
  /** A check run of ours with this external id on this commit: one that was made, and whose answer was lost. */
  findCheckRun(repository: string, commit: string, name: string, externalId: string): Promise<string | undefined>;
  /** Writes a comment, or updates the one with this id; gives its id. */
  saveComment(repository: string, number: number, body: string, id?: string): Promise<string>;
  /** A comment of ours that holds this marker. */
  findComment(repository: string, number: number, marker: string): Promise<string | undefined>;
  /** Gives its number. */
  createIssue(repository: string, issue: { title: string; body: string; labels: string[] }): Promise<string>;
  /** Number of an issue of ours that holds this marker. */
  findIssue(repository: string, marker: string): Promise<string | undefined>;
}

/** A check run as it is to be. Times are ISO 8601. */
export interface CheckRun {
  name: string;
  /** Full hash. */
  commit: string;
  external_id: string;
  status: 'queued' | 'in_progress' | 'completed';
  /** Where it is completed. */
  conclusion?: 'success' | 'failure' | 'neutral' | 'cancelled' | 'timed_out';
  details_url?: string;
  title: string;
  /** Markdown, at most 65,535 characters. */
  summary: string;
  started_at?: string;
  completed_at?: string;
}
