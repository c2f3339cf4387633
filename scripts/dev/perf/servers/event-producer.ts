/**
 * The producer of an accounting run: sends the events that PLAN says to its sink, by the library for functions. What it
 * knows it writes into ACCOUNT as well, in its own way: `offered ID` before, then `taken ID` or `given-up ID`.
 */
import { openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventSink } from 'mayfly-functions/events';

const plan: { source: string; rate: number; events: { id: string; type: string; priority: string; poison: string }[] } =
  JSON.parse(process.env.PLAN!);
const account = openSync(process.env.ACCOUNT!, 'a');
const write = (...fields: string[]) => writeSync(account, `${fields.join(' ')}\n`);
const sink = eventSink({ source: plan.source, tries: 10 });
await sink.ready();

const beginMs = performance.timeOrigin + performance.now();
await Promise.all(
  plan.events.map(async ({ id, type, priority, poison }, i) => {
    const dueMs = beginMs + (i / plan.rate) * 1000;
    await sleep(Math.max(0, dueMs - performance.timeOrigin - performance.now()));
    write('offered', id);
    try {
      await sink.send({ id, type, priority, poison, data: { number: i } }, { scheduledMs: dueMs, receivedMs: dueMs });
      write('taken', id);
    } catch {
      write('given-up', id);
    }
  }),
);
sink.close();
