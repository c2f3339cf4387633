/** The load of a run in one line. Pure. */
import { plural } from '../core/text.ts';
import type { LoadDocument, RunDocument } from '../documents/run.ts';
import { digits, formatElapsed } from './units.ts';

/** `200 requests/s for each side for 20.0s after 5.0s of warm-up, by mayfly 0.1.0` */
export function loadWords({ load, sides }: Pick<RunDocument, 'load' | 'sides'>): string {
  const each = sides.baseline ? ' for each side' : '';
  return `${load.model === 'closed' ? closedWords(load, each) : openWords(load, each)}, by ${load.generator}`;
}

function openWords({ rate, duration_s, warmup_s, arrivals, stages }: LoadDocument, each: string): string {
  const time = `for ${formatElapsed(duration_s)} after ${formatElapsed(warmup_s)} of warm-up`;
  const mean = `${digits(rate)} requests/s on average`;
  if (arrivals === 'file') return `requests of a file${each}, ${mean}, ${time}`;
  const poisson = arrivals === 'poisson' ? ' as Poisson arrivals' : '';
  if (!stages) return `${rate} requests/s${each}${poisson} ${time}`;
  return `stages${each}${poisson}: ${stages.map((stage) => `to ${stage.rate} requests/s in ${formatElapsed(stage.duration_s)}`).join(', ')}; ${mean}, ${time}`;
}

/** It has no warm-up, and ends when all users have. */
function closedWords({ users = 0, iterations = 0, think_s = 0 }: LoadDocument, each: string): string {
  const think = think_s > 0 ? ` with ${formatElapsed(think_s)} between two` : '';
  return `${plural(users, 'user')}${each}, ${plural(iterations, 'iteration')} each${think}, closed model`;
}
