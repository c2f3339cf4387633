/** What a script's function gets for one iteration. */
export interface Context {
  side: 'candidate' | 'baseline';
  /** Base URL of the side, without a slash at its end. */
  url: string;
  /** Number of the iteration among those of its side; the same for both sides of a pair. */
  pair: number;
  /** What setup() returned. */
  data: unknown;
  /** Numbers from 0 up to but without 1; the same for both sides of a pair. */
  random(): number;
  /** One of the values, each as likely as its weight says; the same for both sides of a pair. */
  choose<T>(choices: readonly (readonly [weight: number, value: T])[]): T;
  /** k6's parameters of a request that is grouped under `name`; `extra` is laid over them. */
  params(name: string, extra?: Record<string, unknown>): Record<string, unknown>;
}

export const options: Record<string, unknown>;
export function setup(): { window: { start: number; end: number } };
export function iteration(request: (context: Context) => unknown): (data: unknown) => unknown;
export function handleSummary(data: { metrics: Record<string, unknown>; setup_data?: unknown }): { stdout: string };
