/**
 * Who may give commands in comments: people with write access, as GitHub says, and no programs. Of a fork they run only
 * what they have seen, and of any pull request they accept only that. Pure.
 */

/** A comment's author as GitHub's webhook tells of it. */
export interface CommentAuthor {
  /** `User`, `Bot` and others. */
  type: string;
  /** The App that the comment was written by; null: by hand. */
  app: unknown;
}

/** A program, which gives no commands. */
export const isProgram = ({ type, app }: CommentAuthor): boolean => type === 'Bot' || (app ?? null) !== null;

/**
 * Whether somebody has write access: by the role, or by what a role of one's own stands on (`permission`). GitHub's
 * words of GET /repos/OWNER/NAME/collaborators/USER/permission.
 */
export const hasWriteAccess = ({ role_name, permission }: { role_name?: string; permission: string }): boolean =>
  ['admin', 'maintain', 'write'].includes(role_name ?? '') || ['admin', 'write'].includes(permission);

export const NO_ACCESS = 'commands are taken from people with write access to this repository only.';

/** What is known of the head of a pull request when a command is done. */
export interface Seen {
  /** What webhooks have told of it before, and when GitHub says that this head came. */
  known: { head: string; head_seen_ms: number } | undefined;
  /** What GitHub says now. */
  remote: { head: string; from_fork: boolean };
  /** When the comment was written, by GitHub's clock. */
  written_ms: number;
}

/** Whether this commit is the head that was there before the comment was written, and still is. */
export const wasSeen = (found: string, { known, remote, written_ms }: Seen): boolean =>
  known?.head === found && remote.head === found && known.head_seen_ms < written_ms;

/**
 * Code of a fork runs only for exactly the commit that the asker has seen: the one whose whole hash the comment names,
 * or the head that was there before the comment was written and still is. The beginning of a hash does not do for
 * another commit: whoever makes the commits can make two that begin alike, and take the one that was read away.
 */
export function whyUnseen(named: string | undefined, found: string, seen: Seen): string | undefined {
  if (!seen.remote.from_fork || named === found || wasSeen(found, seen)) return undefined;
  const what =
    named === undefined
      ? `its head \`${found}\` was not known here before your comment was written`
      : `\`${named}\` is only the beginning of \`${found}\``;
  return `this pull request comes from a fork, so exactly the commit runs that you have seen, and ${what}. Read that commit, then write \`/bench commit=${found}\`.`;
}
