/** What the parts of the server are handed. */
import type { ServiceConfig } from '../../config/service.ts';
import type { Paths } from '../../core/paths.ts';
import type { Store } from '../../store/db.ts';
import type { GitHub } from '../tell/github-types.ts';

export interface ServeContext {
  store: Store;
  paths: Paths;
  config: ServiceConfig;
  /** Address of the site as links begin with it, without a slash at the end. */
  site: string;
  /** Address of GitHub as people open it, without a slash at the end. */
  githubSite: string;
  /** Of MAYFLY_WEBHOOK_SECRET; undefined: webhooks are answered with 503. */
  webhookSecret: string | undefined;
  /** Of MAYFLY_ACTION_TOKEN; undefined: the site is read-only. */
  actionToken: string | undefined;
  /** undefined: no GITHUB_TOKEN and no App: nothing is asked or told. */
  github: GitHub | undefined;
  /** Milliseconds since the epoch. */
  now(): number;
  /** One line for whoever runs the server, with the time before it. Never a secret. */
  log(line: string): void;
  /** Aborts when the server is to end. */
  signal: AbortSignal;
  /** Something was queued or has changed: the loops look again at once instead of at their next turn. */
  wake(): void;
}
