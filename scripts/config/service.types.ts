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
  labels: Labels;
  /**
   * Branches other than the default one whose pushes are measured, such as release lines: each has a master set, anchors and a history of its own. In a name `*` stands for any text without a slash.
   */
  branches: string[];
  /**
   * Files that matter, as in GitHub's workflows: a commit that differs from what it is compared with in none of them is told at once, with success. A path counts from the root of the repository; `*` stands for any text without a slash, `**` for any, a folder for all that is in it; `!` before a path takes out again, and the last one that is for a file decides. What somebody asks for is measured whatever it touches.
   */
  paths?: string[];
  conclusions: Conclusions;
}
/**
 * Labels of a pull request that say whether it is measured without being asked for.
 */
export interface Labels {
  /**
   * With `pull_requests: on-request`: a pull request from the repository itself that has this label is measured with every push, as with `each`. One from a fork is not.
   */
  start?: string;
  /**
   * A pull request that has this label is measured only where somebody asks with `/bench`. Its checks are neutral, so that one that is required does not wait for ever.
   */
  skip?: string;
}
/**
 * Which verdict gives which conclusion of the check. `failure` keeps a pull request from being merged where the check is required; `neutral` and `success` do not.
 */
export interface Conclusions {
  /**
   * A primary metric became worse, for sure.
   */
  REGRESSION: 'success' | 'neutral' | 'failure';
  /**
   * A primary metric became better, and none worse.
   */
  IMPROVEMENT: 'success' | 'neutral' | 'failure';
  /**
   * Nothing became worse than its margin.
   */
  PASS: 'success' | 'neutral' | 'failure';
  /**
   * Not decided by the rounds.
   */
  INCONCLUSIVE: 'success' | 'neutral' | 'failure';
  /**
   * Too many rounds were spoilt.
   */
  INVALID: 'success' | 'neutral' | 'failure';
  /**
   * No verdict, through no fault of the commit: engine, network, worker, configuration.
   */
  not_measured: 'success' | 'neutral' | 'failure';
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
