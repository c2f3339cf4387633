import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import t from 'tap';
import { isTracesName, readKept, TracesFault, tracesName, writeKept } from '../../scripts/traces/kept.ts';
import { HOP_TAG, hopOf, readTraces, toZipkin } from '../../scripts/traces/spans.ts';
import { made, TRACE } from './made.ts';

const SPAN = {
  traceId: TRACE,
  id: '00000000000000aa',
  parentId: '00000000000000bb',
  kind: 'SERVER',
  name: 'get',
  timestamp: 1_790_000_000_000_001,
  duration: 12,
  localEndpoint: { serviceName: 'consumer', ipv4: '10.0.0.2' },
  tags: { 'mayfly.side': 'candidate', other: 'x' },
};

t.test('a span of Zipkin is read, and given back as Zipkin takes it', async (t) => {
  const { traces, faults } = readTraces([[SPAN]]);
  t.equal(faults, 0);
  const [[span]] = traces as [[(typeof traces)[0][0]]];
  t.strictSame(span, {
    traceId: TRACE,
    id: '00000000000000aa',
    parentId: '00000000000000bb',
    shared: false,
    kind: 'SERVER',
    name: 'get',
    service: 'consumer',
    start: 1_790_000_000_000_001,
    duration: 12,
    tags: { 'mayfly.side': 'candidate', other: 'x' },
  });
  const { ipv4: _, ...localEndpoint } = SPAN.localEndpoint;
  t.strictSame(toZipkin(span!), { ...SPAN, localEndpoint });
  t.strictSame(readTraces([[toZipkin(span!)]]).traces, [[span]]);
  t.equal(hopOf(span!), 'consumer');
  t.equal(hopOf({ ...span!, tags: { [HOP_TAG]: 'broker' } }), 'broker');
});

t.test('what is no span is left out and counted, and what is kept is bounded', async (t) => {
  const bad = [
    null,
    7,
    {},
    { ...SPAN, traceId: 'x' },
    { ...SPAN, id: '../../etc' },
    { ...SPAN, parentId: 7 },
    { ...SPAN, traceId: 'A'.repeat(32) },
  ];
  t.strictSame(readTraces([bad]), { traces: [], faults: bad.length });
  const odd = {
    ...SPAN,
    name: 'n'.repeat(10_000),
    kind: 'ODD',
    timestamp: 'now',
    duration: -1,
    localEndpoint: 'consumer',
    tags: {
      ...Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`t${i}`, 'v'.repeat(5000)])),
      n: 7,
      [HOP_TAG]: 'broker',
    },
  };
  const [[span]] = readTraces([[odd]]).traces as any;
  t.match(span, { kind: null, start: null, duration: null, service: 'unknown' });
  t.equal(span.name.length, 400);
  t.equal(Object.keys(span.tags).length, 40);
  t.equal(span.tags.t0.length, 400);
  t.equal(hopOf(span), 'broker', 'the hop stays');
  t.throws(() => readTraces({}), { message: 'it is no list of traces' });
  t.throws(() => readTraces([SPAN]), { message: 'it is no list of lists of spans' });
});

t.test('traces that are kept come back; a file that holds none says what is wrong with it', async (t) => {
  const folder = t.testdir();
  const file = join(folder, tracesName('candidate', 3));
  const traces = [
    [made('a', null, 0, 10), made('b', 'a', 2, 8, { kind: 'CLIENT', tags: { x: 'y' } })],
    [made('c', null, 0, 5)],
  ];
  await writeKept(file, traces);
  t.strictSame(await readKept(file), traces);
  t.equal(JSON.parse(gunzipSync(readFileSync(file)).toString())[0][0].name, 'a', 'Zipkin v2 JSON, as others read it');
  const fault = async (content: Buffer | string) => {
    writeFileSync(file, content);
    return readKept(file).then(
      () => 'read',
      (error) => (error instanceof TracesFault ? error.message : String(error)),
    );
  };
  t.equal(await fault('no gzip'), 'is damaged: it cannot be unpacked');
  t.equal(await fault(gzipSync('no json')), 'has no traces: it is no JSON');
  t.equal(await fault(gzipSync('{}')), 'has no traces: it is no list of traces');
  t.equal(await fault(Buffer.alloc(32 * 1024 * 1024 + 1)), 'has 33554433 bytes, more than a file of traces may have');
  t.equal(await fault(gzipSync(Buffer.alloc(257 * 1024 * 1024))), 'is damaged: it cannot be unpacked', 'a bomb');
});

t.test('names of files', async (t) => {
  t.ok(isTracesName(tracesName('baseline', 12)));
  for (const name of [
    'traces-other-1.json.gz',
    'traces-candidate-0.json.gz',
    '../traces-candidate-1.json.gz',
    'traces-candidate-1.json',
  ])
    t.notOk(isTracesName(name), name);
});
