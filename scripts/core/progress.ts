/** Where progress goes: what report/progress.ts shows. */

/** Where progress goes: stderr, a live line on a terminal, plain lines elsewhere, nothing with --quiet. */
export interface Progress {
  /** Begins a step and says so. Steps may overlap. */
  step(title: string): ProgressStep;
  info(line: string): void;
  /** Shown with --quiet too. */
  warn(line: string): void;
  /** Ends the live line, for example before the result is printed. */
  close(): void;
}

export interface ProgressStep {
  /** What is going on now; fraction done, 0 to 1, where it is known. */
  update(text: string, fraction?: number): void;
  /** Whether an update would be shown now, where it costs something to find out what it says. Absent: always. */
  isDue?(): boolean;
  done(text?: string): void;
  fail(text?: string): void;
}
