/**
 * npm run perf:events: how long the accounting of a round takes that has very many events, and what memory. Its files are
 * made as the library and the trigger service write them, six records an event.
 */
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command, wholeNumber } from '../../app/command.ts';
import { EXIT } from '../../core/errors.ts';
import { accountFor } from '../../events/account.ts';
import { type RecordFiles, readRecords } from '../../events/records.ts';

const PER_EVENT = 6;
const MIB = 2 ** 20;

await command(
  {
    name: 'perf:events',
    about: 'Measures how fast events are accounted for. Do nothing else on the machine meanwhile.',
    flags: [{ name: 'records', value: 'N', help: 'default 1000000' }],
  },
  async (io, given) => {
    const wanted = wholeNumber('records', given.text('records'), { least: 600, most: 12_000_000, fallback: 1_000_000 });
    const events = Math.ceil(wanted / PER_EVENT);
    const folder = mkdtempSync(join(tmpdir(), 'mayfly-events-'));
    try {
      const { files, startMs, endMs } = write(folder, events);
      const findings = { unreadable: 0, notes: [] };
      const before = process.memoryUsage.rss();
      const [began, cpu] = [performance.now(), process.cpuUsage()];
      const times = { triggers: ['orders'], fromMs: startMs - 1000, toMs: endMs + 60_000 };
      const window = { windowStartMs: startMs, windowEndMs: endMs, drained: true };
      const found = await accountFor(readRecords(files, times, findings), { ...window, findings });
      const seconds = (performance.now() - began) / 1000;
      const { user, system } = process.cpuUsage(cpu);
      const most = process.resourceUsage().maxRSS / 1024 - before / MIB;
      io.stdout(
        `${found.records.toLocaleString('en')} records of ${found.sent.toLocaleString('en')} events in ${seconds.toFixed(1)} s (${((user + system) / 1e6).toFixed(1)} s of CPU), ${most.toFixed(0)} MiB more memory`,
      );
      const isRight = found.delivered === events && found.lost === 0 && found.unreadable === 0;
      if (!isRight) io.stdout(`NOT EXACT: ${found.delivered} of ${events} delivered, ${found.lost} lost`);
      return isRight ? EXIT.pass : EXIT.regression;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

/** Events half a millisecond apart, each taken through the chain in 6 ms. */
function write(folder: string, events: number): { files: RecordFiles[]; startMs: number; endMs: number } {
  const startMs = Date.now();
  const services = ['producer', 'trigger', 'consumer'] as const;
  const open = services.map((service) => {
    const path = join(folder, `${service}.jsonl`);
    return { service, path, fd: openSync(path, 'w'), lines: [] as string[] };
  });
  const [producer, trigger, consumer] = open.map(({ fd, lines }) => (record: object | null) => {
    if (record) lines.push(`${JSON.stringify(record)}\n`);
    if (lines.length < 5000 && record) return;
    writeSync(fd, lines.join(''));
    lines.length = 0;
  }) as [(record: object | null) => void, (record: object | null) => void, (record: object | null) => void];
  for (let i = 0; i < events; i++) {
    const due = startMs + i / 2;
    const named = { id: crypto.randomUUID(), source: 'producer/1-1780000000000' };
    const seq = i + 1;
    producer({ e: 'offered', t: due + 1, ...named, type: 'order', seq, scheduled: due, received: due + 0.5 });
    producer({ e: 'accepted', t: due + 3, ...named, tries: 1 });
    trigger({ e: 'taken', t: due + 2, ...named, triggers: ['orders'] });
    const attempt = { trigger: 'orders', n: 1, stored: due + 1.5, status: 204 };
    trigger({ e: 'attempt', t: due + 4, end: due + 5.5, ...named, ...attempt });
    trigger({ e: 'settled', t: due + 6, ...named, trigger: 'orders', as: 'delivered' });
    consumer({ e: 'consumed', t: due + 4.5, end: due + 5, ...named, seq, trigger: 'orders', scheduled: due });
  }
  for (const put of [producer, trigger, consumer]) put(null);
  for (const { fd } of open) closeSync(fd);
  const files = open.map(({ service, path }): RecordFiles => {
    return { service, role: service === 'trigger' ? 'trigger' : 'function', paths: [path] };
  });
  return { files, startMs, endMs: startMs + events / 2 };
}
