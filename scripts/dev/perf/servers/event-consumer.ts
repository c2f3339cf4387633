/**
 * A consumer of the accounting runs: takes events by the library for functions. Of each that it has done it writes a line
 * into a file of its own, without the library: when it began, the trigger, the source and the id. It refuses a part of
 * them (REFUSED), is too slow with another (SLOW, SLOW_MS), and refuses what is poisoned each time.
 */
import { openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { serveEvents } from 'mayfly-functions/events';
import { seeded } from '../accounting/random.ts';

const account = openSync(`${process.env.ACCOUNT!}.${process.pid}`, 'a');
const [refused, slow, slowMs] = [process.env.REFUSED, process.env.SLOW, process.env.SLOW_MS].map(Number) as [
  number,
  number,
  number,
];
const random = seeded(Number(process.env.SEED) ^ process.pid);
let sequence = 0;

await serveEvents(async (event, { trigger }) => {
  const began = sequence++;
  if (event.poison === 'yes' || random() < refused)
    throw Object.assign(new Error('refused, as the run wants it'), { status: 503 });
  await sleep(random() < slow ? slowMs : random() * 3);
  writeSync(account, `${began} ${trigger} ${event.source} ${event.id}\n`);
});
