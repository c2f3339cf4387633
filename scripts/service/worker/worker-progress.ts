/** What a job is at, taken from the progress that it shows anyway. */
import type { Progress, ProgressStep } from '../../core/progress.ts';

/** Hands everything on to `to` and keeps the newest line of what goes on. */
export function listening(to: Progress): { progress: Progress; text(): string } {
  let text = 'begins';
  const step = (title: string): ProgressStep => {
    const inner = to.step(title);
    text = title;
    return {
      update: (more, fraction) => {
        text = `${title}: ${more}`;
        inner.update(more, fraction);
      },
      done: (more) => inner.done(more),
      fail: (more) => inner.fail(more),
    };
  };
  const info = (line: string) => {
    text = line.split('\n')[0]!;
    to.info(line);
  };
  return { progress: { step, info, warn: (line) => to.warn(line), close: () => {} }, text: () => text };
}
