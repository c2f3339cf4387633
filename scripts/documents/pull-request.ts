/** A pull request of the code host. */

/** A pull request as GitHub says that it is. */
export interface RemotePullRequest {
  number: number;
  /** Full hash. */
  head: string;
  /** The branch that it goes into. */
  base_ref: string;
  /** That is the default branch. */
  onto_default: boolean;
  /** Its head is in another repository than its base. */
  from_fork: boolean;
  open: boolean;
  /** Names of its labels. */
  labels: string[];
  /** The commit of the base branch that it has become (full hash); absent: it is not merged. */
  merged_as?: string;
  /** Milliseconds since the epoch: an older one of two deliveries changes nothing. */
  updated_ms: number;
}

/** The branch that a pull request goes into; undefined: the default one. */
export const branchOf = ({
  base_ref,
  onto_default,
}: Pick<RemotePullRequest, 'base_ref' | 'onto_default'>): string | undefined => (onto_default ? undefined : base_ref);
