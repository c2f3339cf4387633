/** A service of two processes over one telemetry folder: each request is in the files, under the process that had it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { countLabels, readRows } from './read-rows.ts';
import { sendMany } from './send-many.ts';
import { fixture } from './service.ts';

t.test('two workers of a small service with Fastify', async (t) => {
  const dir = t.testdir({ control: 'on cpu' });
  const service = spawn(process.execPath, [fixture('fastify-cluster.ts'), dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, MAYFLY_TELEMETRY: '' },
  });
  t.teardown(() => service.kill('SIGKILL'));
  const exited = once(service, 'exit');
  const [line] = await once(createInterface(service.stdout), 'line');
  const { port, pids } = JSON.parse(line) as { port: number; pids: number[] };

  const paths = (from: number) => Array.from({ length: 500 }, (_, i) => `/orders/${from + i}`);
  await Promise.all([0, 500, 1000, 1500].map((from) => sendMany(port, paths(from))));
  await sendMany(port, ['/unknown/1', '/unknown/2']);
  writeFileSync(join(dir, 'control'), 'on');
  const profiles = () => readdirSync(dir).filter((name) => name.endsWith('.cpuprofile'));
  while (profiles().length < 2) await wait(20);
  service.kill('SIGTERM');
  t.same(await exited, [0, null]);

  const rows = readRows(dir, 'duration');
  t.same(countLabels(rows), { '/orders/:id [GET]': 2000, '(no route) [GET]': 2 });
  const processes = (found: { pid: number }[]) => [...new Set(found.map(({ pid }) => pid))].sort((a, b) => a - b);
  const both = pids.sort((a, b) => a - b);
  t.same(processes(rows), both);
  t.same(processes(readRows(dir, 'runtime')), both);
  t.same(processes(readRows(dir, 'profiler')), both);
  t.same(
    profiles()
      .map((name) => Number(name.split('-')[1]))
      .sort((a, b) => a - b),
    both,
  );
});
