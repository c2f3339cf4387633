/** Exit codes of every command. */
export const EXIT = { pass: 0, regression: 1, usage: 2, invalid: 3, infrastructure: 4, interrupted: 130 } as const;

interface ErrorOptions {
  hint?: string;
  cause?: unknown;
  unbuildable?: string | undefined;
  missing?: string | undefined;
}

/** An error that is meant for the user: where, what, and what to do next. Printed without a stack trace. */
export class MayflyError extends Error {
  readonly exitCode: number;
  /** What the user can do about it. */
  readonly hint: string | undefined;
  /** The commit (a full hash) that cannot be built, where that is what is wrong: the same commit would fail again. */
  unbuildable: string | undefined;
  /** The commit (a full hash) that no repository has, where that is what is wrong: a remote may have it later. */
  readonly missing: string | undefined;

  constructor(exitCode: number, message: string, options: ErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = new.target.name;
    this.exitCode = exitCode;
    this.hint = options.hint;
    this.unbuildable = options.unbuildable;
    this.missing = options.missing;
  }
}

/** The user's input or configuration is wrong. Exit code 2. */
export class UsageError extends MayflyError {
  constructor(message: string, options?: ErrorOptions) {
    super(EXIT.usage, message, options);
  }
}

/** Something that the measurement stands on failed: engine, build, stack, network. Exit code 4. */
export class InfrastructureError extends MayflyError {
  constructor(message: string, options?: ErrorOptions) {
    super(EXIT.infrastructure, message, options);
  }
}

/** Both sides are one build, so no measurement could tell them apart. No fault: exit code 0. */
export class NothingToCompare extends MayflyError {
  constructor(message: string) {
    super(EXIT.pass, message);
  }
}

/**
 * The service of the candidate does not start, dies or answers nothing but errors, where that of the baseline does well:
 * its author has to fix it, and another try would end the same. Exit code 1.
 */
export class CandidateError extends MayflyError {
  /** The run in which that was seen, once its record has ended. */
  runId: string | undefined;
  constructor(message: string, options?: ErrorOptions) {
    super(EXIT.regression, message, options);
  }
}

/** The user or the system asked the command to stop. Exit code 130. */
export class Interrupted extends MayflyError {
  constructor(message = 'interrupted') {
    super(EXIT.interrupted, message);
  }
}

/** The failure that began it, where cleaning up after it failed too. */
export function original(error: unknown): unknown {
  return error instanceof SuppressedError ? original(error.suppressed) : error;
}

/** The first line of what the failure that began it says. */
export const firstLine = (error: unknown): string => (original(error) as Error).message.split('\n')[0]!;

/** What failed while cleaning up after the original failure: each text once, the first one first. */
export function cleanUpFailures(error: unknown): string[] {
  if (!(error instanceof SuppressedError)) return [];
  const { message } = original(error.error) as Error;
  return [...new Set([...cleanUpFailures(error.suppressed), ...cleanUpFailures(error.error), message])];
}
