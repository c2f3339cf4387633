/**
 * Chains of events, in a real stack: chain-async as it is shipped over both brokers, for a few seconds; a consumer that
 * never acknowledges; a backlog that does not drain. Which hop a slower one is charged to is proved with the traces.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse, stringify } from 'yaml';
import { makeBenchmark } from '../../scripts/config/template.ts';
import type { RoundDocument } from '../../scripts/documents/run.ts';
import { bench, dataFolder, engine, mayfly, nothingLeft, ROOT, run } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

/** A test machine has other work, which must not make a round INVALID here. */
const GENEROUS = { start_lag: '2s', outside_load: 1, steal: 1, throttled: 1, saturation: 1 };
const SHORT = { rate: 20, duration: '3s', warmup: '1s', max_in_flight: 1000 };

function place(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-chain-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Changes a YAML file. */
function change(file: string, by: (content: any) => void): void {
  const content = parse(readFileSync(file, 'utf8'), { merge: true });
  by(content);
  writeFileSync(file, stringify(content));
}

/** The benchmark as it is shipped, for a few seconds. */
function shipped(t: Test, by: (benchmark: any) => void = () => {}): string {
  const folder = join(place(t), 'chain-async');
  cpSync(join(ROOT, 'benchmarks/chain-async'), folder, { recursive: true });
  change(join(folder, 'benchmark.yaml'), (benchmark) => {
    benchmark.allow = { ...benchmark.allow, ...GENEROUS };
    benchmark.load = { ...benchmark.load, ...SHORT };
    by(benchmark);
  });
  return folder;
}

const firstOf = ({ rounds }: { rounds: RoundDocument[] }) => rounds[0]!;
const valueOf = ({ samples }: RoundDocument, name: string) => samples[name]?.value ?? Number.NaN;

t.test('chain-async: every event is accounted for, hop by hop, with its traces and its log lines', async (t) => {
  const data = dataFolder(t);
  const folder = shipped(t);
  const { code, stderr, run: document } = await bench(folder, data, ['--commit=HEAD', '--rounds=1', '--traces=100%']);
  t.equal(code, 0, stderr);
  t.strictSame(
    document.sides.candidate.images.map(({ name }) => name),
    ['producer', 'stock', 'mail', 'broker', 'trigger'],
  );
  const round = document.rounds.find(({ valid }) => valid)!;
  const { events, traces, services } = round;
  t.match(events, { offered: 60, sent: 60, unrouted: 0, refused: 0, rejected: 0, unsent: 0, drained: true });
  t.match(events, { dead_lettered: 0, lost: 0, pending: 0, duplicated: 0 });
  t.ok(events!.deliveries > 60 && events!.delivered === events!.deliveries, `${events!.deliveries} deliveries`);
  t.match(
    { sent: valueOf(round, 'events_sent'), delivered: valueOf(round, 'events_delivered') },
    { sent: 60, delivered: events!.deliveries },
  );

  const value = (name: string) => valueOf(round, name);
  const hops = ['client', 'producer', 'ingress', 'broker', 'trigger', 'consumer'].map((hop) => value(`hop_${hop}_avg`));
  const whole = value('delivery_avg');
  for (const part of hops) t.ok(part >= 0 && part < whole, `${part} is a part of ${whole}`);
  const sum = hops.reduce((total, part) => total + part, 0);
  t.ok(Math.abs(sum / whole - 1) < 0.01, `together ${sum}, of ${whole}`);
  t.ok(value('delivery_med') <= value('delivery_p95') && value('delivery_p95') <= value('delivery_max'));
  t.ok(value('latency_med') > 0 && value('drain_time') >= 0 && value('backlog_peak') >= 1);

  t.strictSame(services!.map(({ service }) => service).sort(), ['broker', 'mail', 'producer', 'stock', 'trigger']);
  for (const name of [
    'producer_cpu',
    'stock_cpu',
    'mail_cpu',
    'producer_self',
    'broker_self',
    'stock_self',
    'mail_self',
  ])
    t.ok(value(name) > 0, `${name} ${value(name)}`);
  t.match(traces, { holes: 0, unfinished: 0, complete: traces!.traces });
  // one that is late may begin after the window, or one of the warm-up in it
  t.ok(Math.abs(traces!.traces - 60) <= 5, `${traces!.traces} traces of 60 events`);
  const traced = traces!.hops.map(({ hop }) => hop).sort();
  for (const hop of ['broker', 'mail', 'producer', 'stock', 'trigger'])
    t.ok(traced.includes(hop), `${hop} of ${traced.join(', ')}`);

  const logs = await mayfly('logs', ['last', '--service=stock', '--json'], data).done;
  t.equal(logs.code, 0, logs.stderr);
  const booked = logs.stdout.split('\n').filter((line) => line.includes('"booked"'));
  t.ok(booked.length >= 60, `${booked.length} orders were booked`);
  await nothingLeft(t, data);
});

t.test(
  'the same over RabbitMQ; a consumer that never acknowledges: dead-lettered, and the round says so',
  async (t) => {
    const data = dataFolder(t);
    const folder = shipped(t, (benchmark) => {
      benchmark.broker.kind = 'rabbitmq';
      delete benchmark.traces;
      benchmark.metrics = benchmark.metrics.filter(({ trace }: { trace?: object }) => !trace);
      benchmark.retries = 0;
    });
    // mail has no letter for it: it answers every attempt with 500
    change(join(folder, 'triggers.yaml'), ({ triggers }) =>
      triggers.push({
        name: 'invoice',
        filter: { priority: 'high' },
        subscriber: 'http://mail:8080/',
        retries: 2,
        backoff: '10ms',
      }),
    );
    const { code, stderr, run: document } = await bench(folder, data, ['--commit=HEAD', '--rounds=1', '--rate=60']);
    t.equal(code, 3, stderr);
    const { events, valid, reasons } = firstOf(document);
    t.equal(valid, false);
    const dead = events!.dead_lettered;
    t.match(events, { offered: 180, sent: 180, lost: 0, pending: 0, duplicated: 0, drained: true });
    t.ok(dead > 0 && dead < 60, `${dead} of 180 are express orders`);
    t.equal(events!.delivered + dead, events!.deliveries);
    t.match(reasons, [{ code: 'dead-lettered', message: new RegExp(`^${dead} `) }]);
    const shown = await mayfly('show', ['last'], data).done;
    t.match(shown.stdout, new RegExp(`\\b${dead} .*dead-lettered`), shown.stdout);
    await nothingLeft(t, data);
  },
);

t.test('a backlog that does not drain', async (t) => {
  const parent = place(t);
  const { dir } = makeBenchmark({ name: 'greetings', template: 'event', folder: parent }, { root: ROOT, cwd: ROOT });
  const git = (...args: string[]) =>
    run('git', ['-C', dir, '-c', 'user.name=t', '-c', 'user.email=t@example.invalid', ...args]).done;
  await git('init', '--quiet', '--initial-branch=main');
  const commit = async (message: string): Promise<string> => {
    await git('add', '--all');
    await git('commit', '--quiet', '--message', message);
    return (await git('rev-parse', 'HEAD')).stdout.trim();
  };
  const good = await commit('greets');
  const file = join(dir, 'service/consumer.ts');
  const text = readFileSync(file, 'utf8');
  const slow = text.replace(
    'await serveEvents((event) => {',
    'await serveEvents(async (event) => {\n  await new Promise((resolve) => setTimeout(resolve, 500));',
  );
  t.not(slow, text);
  writeFileSync(file, slow);
  const slower = await commit('greets after half a second');
  change(join(dir, 'triggers.yaml'), ({ triggers }) => {
    triggers[0].max_in_flight = 1; // two a second, where twenty come
  });
  const setting = (not_drained: string) =>
    change(join(dir, 'benchmark.yaml'), (benchmark) => {
      benchmark.allow = { ...benchmark.allow, ...GENEROUS };
      benchmark.load = { ...benchmark.load, ...SHORT };
      benchmark.broker = { ...benchmark.broker, drain: '1s', not_drained };
      benchmark.retries = 0;
      delete benchmark.traces;
    });

  await t.test('the round is INVALID', async (t) => {
    const data = dataFolder(t);
    setting('invalid');
    const { code, stderr, run: document } = await bench(dir, data, [`--commit=${slower}`, '--rounds=1']);
    t.equal(code, 3, stderr);
    const { valid, events, reasons } = firstOf(document);
    t.equal(valid, false);
    t.match(reasons, [
      {
        code: 'not-drained',
        message:
          /^\d+ events were neither delivered nor dead-lettered \d\.\ds after the load ended \(broker\/drain allows 1\.0s\)$/,
      },
    ]);
    t.match(events, { drained: false, drain_s: null, lost: 0 });
    t.ok(events!.pending > 10 && events!.delivered + events!.pending === events!.deliveries, JSON.stringify(events));
    await nothingLeft(t, data);
  });

  await t.test('with not_drained: failure it is the failure of the candidate alone', async (t) => {
    const data = dataFolder(t);
    setting('failure');
    const { code, stderr } = await bench(dir, data, [`--commit=${slower}`, `--against=${good}`]);
    t.equal(code, 1, stderr);
    t.match(
      stderr,
      /mayfly: this commit leaves events behind; the baseline does not: \d+ events were neither delivered nor dead-lettered/,
    );
    await nothingLeft(t, data, { waiting: 1 }); // npm run archive:push ships what was measured
  });
});
