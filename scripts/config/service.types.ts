/* Generated from service.schema.json by `npm run generate`. */

/**
 * Which repositories the server watches, with which benchmarks, and who is told of a change. Defaults are filled in. Secrets never stand in it: it names environment variables.
 */
export interface ServiceSpec {
  /**
   * Address at which people reach the web site: links in reports begin with it.
   */
  site?: string;
  /**
   * Repository on GitHub, OWNER/NAME, to what is done for it.
   */
  repositories: {
    [k: string]: Repository;
  };
  /**
   * How often GitHub is asked for open pull requests and the head of the default branch, so that what a lost webhook said is made up for.
   */
  reconcile: string;
  /**
   * Who is told of a confirmed change of a default branch: each channel once for each change.
   */
  alerts: Alert[];
}
/**
 * What is measured of a repository.
 */
export interface Repository {
  /**
   * Benchmarks of this checkout that its commits are measured with.
   */
  benchmarks: string[];
  /**
   * `each`: a pull request from the repository itself is measured with every push. `on-request`: only where somebody with write access asks with `/bench`. One from a fork always waits for that.
   */
  pull_requests: 'each' | 'on-request';
}
/**
 * One channel of alerts.
 */
export interface Alert {
  /**
   * `webhook`: a POST in the form that Slack's incoming webhooks take. `email`: by SMTP. `issue`: an issue in the repository that the benchmark belongs to.
   */
  kind: 'webhook' | 'email' | 'issue';
  /**
   * Of a webhook: the environment variable that holds its address.
   */
  url_from?: string;
  /**
   * Of an email: the environment variable that holds the address of the SMTP server, such as smtps://user:password@mail.example.org.
   */
  smtp_from?: string;
  /**
   * Of an email: its sender.
   */
  from?: string;
  /**
   * Of an email: its recipients.
   */
  to?: string[];
  /**
   * Of an issue: its labels.
   */
  labels: string[];
  /**
   * Only of these benchmarks.
   */
  benchmarks?: string[];
}
