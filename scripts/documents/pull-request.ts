/** A pull request of the code host. */

/** A pull request as GitHub says that it is. */
export interface RemotePullRequest {
  number: number;
  /** Full hash. */
  head: string;
  base_ref: string;
  /** Its head is in another repository than its base. */
  from_fork: boolean;
  open: boolean;
  /** Milliseconds since the epoch: an older one of two deliveries changes nothing. */
  updated_ms: number;
}
