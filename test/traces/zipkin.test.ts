import t from 'tap';
import { connectZipkin, ZipkinFault } from '../../scripts/traces/zipkin.ts';
import { fakeZipkin } from './fake-zipkin.ts';
import { BEGAN, made } from './made.ts';

const BEGAN_MS = BEGAN / 1000;
const trace = (i: number, at: number, tags: Record<string, string>) =>
  made('producer', null, at, at + 500, { traceId: i.toString(16).padStart(32, '0'), tags });

t.test('no limit of an answer cuts what is found, and each trace comes once', async (t) => {
  const fake = await fakeZipkin();
  t.teardown(fake.close);
  const zipkin = connectZipkin(fake.url, undefined, { limit: 10 });
  // 300 in the first 100 ms, 100 in the next 3 s; one in four is of the other side
  const at = (i: number) => (i < 300 ? i * 333 : 100_000 + (i - 300) * 29_000);
  await zipkin.give(
    Array.from({ length: 400 }, (_, i) =>
      trace(i, at(i), { 'mayfly.side': i % 4 === 0 ? 'baseline' : 'candidate', 'mayfly.round': '2' }),
    ),
  );
  t.strictSame(await zipkin.counts(), { taken: 400, dropped: 0 });
  const found: string[] = [];
  const wanted = { 'mayfly.side': 'candidate', 'mayfly.round': '2' };
  for await (const { traces, faults, cut } of zipkin.traces(wanted, BEGAN_MS, BEGAN_MS + 3000)) {
    t.notOk(cut || faults, 'nothing is cut');
    found.push(...traces.map(([span]) => span!.traceId));
  }
  t.equal(found.length, 300);
  t.equal(new Set(found).size, 300);
  const none: unknown[] = [];
  for await (const { traces } of zipkin.traces({ 'mayfly.round': '3' }, BEGAN_MS, BEGAN_MS + 3000))
    none.push(...traces);
  t.strictSame(none, []);
  t.match(
    fake.asked.find(({ pathname }) => pathname === '/api/v2/traces')!.searchParams.get('annotationQuery'),
    /^mayfly\.side=candidate and mayfly\.round=2$/,
  );
});

t.test('more traces in a millisecond than an answer may have: it says so', async (t) => {
  const fake = await fakeZipkin();
  t.teardown(fake.close);
  const zipkin = connectZipkin(fake.url, undefined, { limit: 10 });
  await zipkin.give(Array.from({ length: 50 }, (_, i) => trace(i, 500, { a: 'b' })));
  let cut = false;
  let count = 0;
  for await (const answer of zipkin.traces({ a: 'b' }, BEGAN_MS, BEGAN_MS + 20)) {
    cut ||= answer.cut;
    count += answer.traces.length;
  }
  t.ok(cut);
  t.equal(count, 10);
});

t.test('what goes wrong is a sentence', async (t) => {
  const fake = await fakeZipkin();
  t.teardown(fake.close);
  const zipkin = connectZipkin(fake.url);
  const said = async (status: number, body: string) => {
    fake.answer = { status, body };
    return zipkin
      .traces({ a: 'b' }, 0, 1000)
      .next()
      .then(
        () => 'nothing',
        (error) => (error instanceof ZipkinFault ? error.message : String(error)),
      );
  };
  t.equal(await said(500, 'out of memory'), 'Zipkin answered 500: out of memory');
  t.equal(await said(200, '<html>'), 'Zipkin answered something that is no JSON');
  t.equal(await said(200, '{}'), 'Zipkin answered no traces: it is no list of traces');
  t.equal(await said(200, '[{}]'), 'Zipkin answered no traces: it is no list of lists of spans');
  t.ok(await zipkin.ready(1000));
  const gone = connectZipkin('http://127.0.0.1:1');
  t.notOk(await gone.ready(0));
  await t.rejects(gone.counts(), { message: /^Zipkin does not answer: .*ECONNREFUSED/ });
});

t.test('an interrupt ends it', async (t) => {
  const fake = await fakeZipkin();
  t.teardown(fake.close);
  const reason = new Error('interrupted');
  await t.rejects(connectZipkin(fake.url, AbortSignal.abort(reason)).counts(), reason);
});
