/**
 * The process that reads requests (view.ts): one task after the other, each answered by its number. It ends with the
 * process that asks.
 */
import { setPriority } from 'node:os';
import { RequestsFault } from './limits.ts';
import { type Tasks, tasks } from './tasks.ts';

export interface Question {
  number: number;
  task: keyof Tasks;
  args: unknown[];
}

export interface Answer {
  number: number;
  answer?: unknown;
  /** Why there is none; `fault`: because of what is in the file. */
  error?: { message: string; fault: boolean };
}

/** Nice value: what is being measured goes first. */
const PRIORITY = 10;

setPriority(PRIORITY);
// The terminal sends them to all its processes: the process that asks decides when this one ends.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
process.on('disconnect', () => process.exit());
process.on('message', async ({ number, task, args }: Question) => {
  const reply = (answer: Omit<Answer, 'number'>) => process.send!({ number, ...answer });
  try {
    reply({ answer: await (tasks[task] as (...args: unknown[]) => Promise<unknown>)(...args) });
  } catch (error) {
    reply({ error: { message: (error as Error).message, fault: error instanceof RequestsFault } });
  }
});
