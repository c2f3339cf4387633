/** The load of a run in one line. Pure. */
import { plural } from '../core/text.ts';
import type { LoadDocument, RunDocument } from '../documents/run.ts';
import { digits, formatElapsed } from './units.ts';

/** `200 requests/s for each side for 20.0s after 5.0s of warm-up, by mayfly 0.1.0` */
export function loadWords({ load, sides }: Pick<RunDocument, 'load' | 'sides'>): string {
  const each = sides.baseline ? ' for each side' : '';
  const words =
    load.model === 'scenarios'
      ? scenariosWords(load, each)
      : load.model === 'closed'
        ? closedWords(load, each)
        : openWords(load, each);
  return `${words}, by ${load.generator}`;
}

/** `migrations (30 users, 1 iteration each) and browse (50/s from 2.0s on for 20.0s) for each side in 30.0s` */
function scenariosWords({ scenarios = [], duration_s, warmup_s }: LoadDocument, each: string): string {
  const all = scenarios.map(
    ({ name, model, start_s, users = 0, iterations = 1, think_s = 0, rate = 0, duration_s: length = 0, stages }) => {
      const from = start_s > 0 ? ` from ${formatElapsed(start_s)} on` : '';
      const own =
        model === 'closed'
          ? `${plural(users, 'user')}, ${plural(iterations, 'iteration')} each${think_s > 0 ? ` with ${formatElapsed(think_s)} between two` : ''}${from}`
          : `${stages ? 'stages' : `${rate}/s`}${from} for ${formatElapsed(length)}`;
      return `${name} (${own})`;
    },
  );
  const warmUp = warmup_s > 0 ? ` after ${formatElapsed(warmup_s)} of warm-up` : '';
  return `${all.join(' and ')}${each} in ${formatElapsed(duration_s)}${warmUp}`;
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
