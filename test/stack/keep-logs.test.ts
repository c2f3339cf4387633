/** Logs of containers, from an engine made for it, into the run's folder. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { EngineError } from '../../scripts/engine/connection.ts';
import type { Engine } from '../../scripts/engine/engine.ts';
import { LABEL } from '../../scripts/engine/names.ts';
import { readLogFile } from '../../scripts/logs/kept.ts';
import { keepAllLogs, keepRoundLogs, keepStackLogs } from '../../scripts/stack/keep-logs.ts';

const at = (second: number) => `2026-11-28T22:00:${String(second).padStart(2, '0')}.000000000Z`;
const frame = (stream: number, text: string) => {
  const head = Buffer.alloc(8);
  head[0] = stream;
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([head, Buffer.from(text)]);
};

interface Fake {
  name: string;
  labels: Record<string, string>;
  state?: string;
  log?: Buffer[] | Error;
}
const side = (name: string, service: string, log: Fake['log'], more: Partial<Fake> = {}): Fake => ({
  name: `${name}-${service}`,
  labels: {
    [LABEL.round]: '2',
    [LABEL.side]: name,
    [LABEL.service]: '',
    'com.docker.compose.service': service,
    'com.docker.compose.container-number': '1',
  },
  log: log!,
  ...more,
});

/** An engine with these containers of the run R, and what the harness is told. */
function made(containers: Fake[]) {
  const warned: string[] = [];
  const asked: string[] = [];
  const engine = {
    containers: async (label: string) =>
      label === `${LABEL.run}=R` ? containers.map((one, i) => ({ id: String(i), state: 'running', ...one })) : [],
    timedLog: async (id: string, streams: string[], onBytes: (bytes: Buffer) => void) => {
      const { name, log } = containers[Number(id)]!;
      asked.push(`${name} ${streams}`);
      if (log instanceof Error) throw log;
      for (const bytes of log ?? []) onBytes(bytes);
    },
  } as unknown as Engine;
  const progress = { warn: (text: string) => void warned.push(text) };
  return { warned, asked, ctx: { engine, progress, now: () => Date.parse(at(9)) } as never };
}

async function read(dir: string, name: string) {
  const all = [];
  for await (const { time, side, service, round, level, msg } of readLogFile(join(dir, 'logs', name)))
    all.push([time, side, service, round, level, msg]);
  return all;
}
const folder = (t: Test) => ({ runId: 'R', dir: t.testdir() });

t.test('all containers of a round, one-shot ones too, and of none besides', async (t) => {
  const run = folder(t);
  const { warned, asked, ctx } = made([
    side('candidate', 'shop', [frame(1, `${at(3)} ts=${at(2)} level=info msg=x\n`)]),
    side('baseline', 'migrate', [frame(2, `${at(1)} done\n`)], { state: 'exited' }),
    side('baseline', 'waits', new Error('has none'), { state: 'created' }),
    { name: 'load', labels: { [LABEL.round]: '2', [LABEL.service]: 'loadgen' }, log: [frame(2, `${at(4)} a stall\n`)] },
    { name: 'other', labels: { [LABEL.round]: '3', [LABEL.service]: 'loadgen' }, log: new Error('not asked') },
    {
      name: 'prom',
      labels: { [LABEL.service]: 'prometheus' },
      log: [frame(2, `${at(5)} time=${at(5)} level=WARN msg=slow\n`)],
    },
  ]);
  await keepRoundLogs(run, 2, ctx);
  t.same(await read(run.dir, 'logs-2.gz'), [
    [at(1), 'baseline', 'migrate', 2, null, 'done'],
    [at(2), 'candidate', 'shop', 2, 'info', 'x'],
    [at(4), null, 'loadgen', 2, null, 'a stall'],
  ]);
  t.same(
    asked,
    ['candidate-shop stdout,stderr', 'baseline-migrate stdout,stderr', 'load stderr'],
    'what the load generator prints is its result',
  );
  await keepStackLogs(run, ctx);
  t.same(await read(run.dir, 'logs-stack.gz'), [[at(5), null, 'prometheus', null, 'warn', 'slow']]);
  t.same(warned, []);
});

t.test('too much of it is cut at the front, with a note; where nothing was logged there is no file', async (t) => {
  const run = folder(t);
  const lines = Array.from({ length: 100 }, (_, i) => frame(1, `${at(1)} line ${String(i).padStart(2, '0')}\n`));
  await keepRoundLogs(run, 2, made([side('candidate', 'shop', lines)]).ctx, { container: 70, run: 1e6 });
  t.same(
    (await read(run.dir, 'logs-2.gz')).map((line) => line[5]),
    [
      '90 lines before this one (630 bytes) are not kept: of each container the last 70 bytes of a round are',
      ...Array.from({ length: 10 }, (_, i) => `line 9${i}`),
    ],
  );
  const silent = folder(t);
  await keepRoundLogs(silent, 2, made([side('candidate', 'shop', [])]).ctx);
  t.notOk(existsSync(join(silent.dir, 'logs')), 'and no folder');
});

t.test('a log that the engine does not give is a warning and a note; the others are kept', async (t) => {
  const run = folder(t);
  const slow = Object.assign(new Error('The operation was aborted due to timeout'), { name: 'TimeoutError' });
  const { warned, ctx } = made([
    side('candidate', 'shop', new EngineError(500, 'Docker engine: no such driver', 'no such driver')),
    side('baseline', 'shop', slow),
    side('baseline', 'web', [frame(1, `${at(1)} here\n`)]),
  ]);
  await keepRoundLogs(run, 2, ctx);
  const said = [
    'the log of shop of candidate in round 2 is not kept: Docker engine: no such driver',
    'the log of shop of baseline in round 2 is not kept: the engine took more than 5 s',
  ];
  t.same(warned, said);
  t.same(
    (await read(run.dir, 'logs-2.gz')).map((line) => line[5]),
    ['here', ...said],
  );
});

t.test('the generator of a round that is given up goes at the same time: nothing is to be said of it', async (t) => {
  for (const status of [404, 409]) {
    const run = folder(t);
    const log = new EngineError(status, 'Docker engine: marked for removal', 'marked for removal');
    const load = { name: 'load', labels: { [LABEL.round]: '2', [LABEL.service]: 'loadgen' }, log };
    const { warned, ctx } = made([load, side('candidate', 'shop', [frame(1, `${at(1)} here\n`)])]);
    await keepRoundLogs(run, 2, ctx);
    t.same(warned, []);
    t.equal((await read(run.dir, 'logs-2.gz')).length, 1);
  }
});

t.test('an engine that is gone, and a folder that cannot be written to, are a warning', async (t) => {
  const { warned, ctx } = made([side('candidate', 'shop', [frame(1, `${at(1)} x\n`)])]);
  await keepRoundLogs({ runId: 'R', dir: join(t.testdir({ file: '' }), 'file') }, 2, ctx);
  const gone = {
    ...(ctx as object),
    engine: { containers: () => Promise.reject(new Error('no answer\nmore')) },
  } as never;
  await keepRoundLogs(folder(t), 2, gone);
  await keepStackLogs(folder(t), gone);
  t.match(warned, [
    /^the logs of round 2 are not kept: ENOTDIR/,
    'the logs of round 2 are not kept: no answer',
    'the logs of the run stack are not kept: no answer',
  ]);
});

t.test('of a run that was killed: all rounds that are still there, and the run stack', async (t) => {
  const run = folder(t);
  const { ctx } = made([
    side('candidate', 'shop', [frame(1, `${at(1)} x\n`)]),
    { name: 'load', labels: { [LABEL.round]: '3', [LABEL.service]: 'loadgen' }, log: [frame(2, `${at(4)} y\n`)] },
    { name: 'prom', labels: { [LABEL.service]: 'prometheus' }, log: [frame(2, `${at(5)} z\n`)] },
  ]);
  await keepAllLogs(run, ctx);
  t.same(readdirSync(join(run.dir, 'logs')).sort(), ['logs-2.gz', 'logs-3.gz', 'logs-stack.gz']);
  await keepAllLogs({ ...run, runId: 'other' }, ctx);
});
