import type { Progress, ProgressStep } from './progress.ts';

/**
 * Shows a step while `work` runs; it ends as done, or as failed where `work` throws. `work` may end it itself, with a
 * text.
 */
export async function inStep<T>(
  progress: Pick<Progress, 'step'>,
  title: string,
  work: (step: ProgressStep) => Promise<T>,
): Promise<T> {
  const step = progress.step(title);
  try {
    const result = await work(step);
    step.done();
    return result;
  } catch (error) {
    step.fail();
    throw error;
  }
}
