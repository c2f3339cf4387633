/**
 * The process that reads requests (requests.ts): one task after the other, each answered by its number. It ends when
 * nobody is there any more who asks.
 */
import { setPriority } from 'node:os';
import { RequestsFault } from './limits.ts';
import { type Tasks, tasks } from './tasks.ts';

export interface Question {
  number: number;
  task: keyof Tasks;
  asked: unknown[];
}

export interface Answer {
  number: number;
  answer?: unknown;
  /** Why there is none; `fault`: because of what is in the file. */
  error?: { message: string; fault: boolean };
}

/** It gives way to what is being measured. */
const PRIORITY = 10;

setPriority(PRIORITY);
// The terminal sends them to everybody: whoever asks decides when this ends.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
process.on('disconnect', () => process.exit());
process.on('message', async ({ number, task, asked }: Question) => {
  const reply = (answer: Omit<Answer, 'number'>) => process.send!({ number, ...answer });
  try {
    reply({ answer: await (tasks[task] as (...asked: unknown[]) => Promise<unknown>)(...asked) });
  } catch (error) {
    reply({ error: { message: (error as Error).message, fault: error instanceof RequestsFault } });
  }
});
