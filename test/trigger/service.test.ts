/** The trigger service with the real brokers: what it refuses, delivers, tries again, gives up and survives. */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { BROKER_KINDS, startBroker } from '../../scripts/dev/perf/accounting/brokers.ts';
import { setUp } from '../../scripts/setup/machine.ts';
import { zipkin } from '../functions/zipkin.ts';
import { recorder } from '../setup/helpers.ts';
import { startService, startSubscriber, until } from './service.ts';

await setUp({ images: [...BROKER_KINDS], progress: recorder().progress });

const NEVER = new Promise<number>(() => {});

for (const kind of BROKER_KINDS)
  t.test(kind, async (t) => {
    const broker = await startBroker(kind, 'trigger-test');
    t.teardown(() => broker[Symbol.asyncDispose]());
    let tests = 0;
    /** A trigger of each test alone: what another one has left in the broker is none of its business. */
    const named = () => `trigger-${++tests}`;
    t.afterEach(() => broker.forget(Array.from({ length: tests }, (_, i) => `trigger-${i + 1}`)));

    t.test('it starts before its broker, and waits for it', async (t) => {
      const name = named();
      await broker.stop();
      const subscriber = await startSubscriber(t, () => 204);
      const service = await startService(t, { broker: broker.url, triggers: [{ name, subscriber: subscriber.url }] });
      await until('it listens', async () => (await service.health()).status > 0);
      t.same(await service.health(), { status: 503, text: 'there is no connection to the broker' });
      t.same(await service.send('early'), {
        status: 503,
        text: 'the event was not taken: there is no connection to the broker; send it again with the same id',
      });
      for (const series of [
        `mayfly_events_backlog{trigger="${name}"}`,
        `mayfly_events_total{trigger="${name}",outcome="delivered"}`,
        `mayfly_events_total{trigger="${name}",outcome="failed"}`,
        `mayfly_events_total{trigger="${name}",outcome="dead-lettered"}`,
        `mayfly_events_total{trigger="${name}",outcome="unmatched"}`,
        'mayfly_events_ingress_total{outcome="taken"}',
        'mayfly_events_ingress_total{outcome="unrouted"}',
        'mayfly_events_ingress_total{outcome="refused"}',
        'mayfly_events_ingress_total{outcome="too-large"}',
      ])
        t.equal(await service.metric(series), 0, `${series} is there from the start`);
      t.equal(await service.metric('mayfly_events_ingress_total{outcome="no-broker"}'), 1);
      await until('it says so', () => /level=warn .*msg="no broker, it is tried again"/.test(service.log()));
      await broker.start();
      await service.ready();
      t.equal((await service.send('early')).status, 202);
      await service.settled('early', 'delivered');
    });

    t.test('it takes both modes, refuses, and delivers to those that want it, with all attributes', async (t) => {
      const [every, few] = [named(), named()];
      const subscriber = await startSubscriber(t, () => 204);
      const service = await startService(t, {
        broker: broker.url,
        triggers: [
          { name: every, filter: { type: 'order' }, subscriber: subscriber.url },
          { name: few, filter: { type: 'order', priority: 'high' }, subscriber: subscriber.url },
        ],
      });
      await service.ready();

      t.equal((await service.send('binary', { 'ce-priority': 'high', 'ce-subject': 'a%20b' })).status, 202);
      await until('both have it', () => subscriber.of('binary').length === 2);
      const [request] = subscriber.of('binary');
      t.match(request, {
        body: 'data of binary',
        headers: {
          'ce-id': 'binary',
          'ce-source': '/test',
          'ce-type': 'order',
          'ce-specversion': '1.0',
          'ce-priority': 'high',
          'ce-subject': 'a%20b',
          'content-type': 'text/plain',
        },
      });
      t.same(
        subscriber
          .of('binary')
          .map(({ headers }) => headers['mayfly-trigger'])
          .sort(),
        [every, few],
      );

      const event = { specversion: '1.0', id: 'structured', source: '/test', type: 'order', n: 7, data: { a: 1 } };
      const structured = await service.post({ 'content-type': 'application/cloudevents+json' }, JSON.stringify(event));
      t.same(structured, { status: 202, text: '' });
      await service.settled('structured', 'delivered');
      t.match(subscriber.of('structured'), [
        { body: '{"a":1}', headers: { 'ce-n': '7', 'content-type': 'application/json', 'mayfly-trigger': every } },
      ]);
      await until(
        'one trigger has not wanted it',
        async () => (await service.metric(`mayfly_events_total{trigger="${few}",outcome="unmatched"}`)) === 1,
      );

      t.equal((await service.send('nobody', { 'ce-type': 'other' })).status, 202);
      t.match(service.recordsOf('nobody'), [{ e: 'taken', source: '/test', triggers: [] }]);
      t.match(service.log(), /level=warn .*msg="unrouted, no trigger wants it" event=nobody source=\/test type=other/);
      t.match(service.recordsOf('binary')[0], { e: 'taken', triggers: [every, few] });

      t.same(await service.send('refused', { 'ce-source': '' }), {
        status: 400,
        text: 'the event lacks the attribute "source"',
      });
      t.match(service.recordsOf('refused'), [
        { e: 'refused', source: null, why: 'the event lacks the attribute "source"' },
      ]);
      const large = await service.post({ 'ce-id': 'large' }, Buffer.alloc(512 * 1024 + 1));
      t.same(large, { status: 413, text: 'the event is too large: at most 524288 bytes are taken' });
      for (const [outcome, count] of Object.entries({ taken: 3, unrouted: 1, refused: 1, 'too-large': 1 }))
        t.equal(await service.metric(`mayfly_events_ingress_total{outcome="${outcome}"}`), count, outcome);
      await until('nothing is left', async () => /backlog\{.*\} 0\n.*backlog\{.*\} 0\n/.test(await service.metrics()));
    });

    t.test('what is refused is tried again, later and later; what is not answered, and a redirect, too', async (t) => {
      const name = named();
      const subscriber = await startSubscriber(t, ({ headers }) => {
        const times = subscriber.of(headers['ce-id'] as string).length;
        if (headers['ce-id'] === 'slow' && times === 1) return NEVER;
        return times < 3 ? (headers['ce-id'] === 'moved' ? 302 : 503) : 200;
      });
      const service = await startService(t, {
        broker: broker.url,
        triggers: [{ name, subscriber: subscriber.url, backoffS: 0.2, timeoutS: 1.5 }],
      });
      await service.ready();
      for (const id of ['again', 'slow', 'moved']) await service.send(id);
      for (const id of ['again', 'slow', 'moved']) {
        await service.settled(id, 'delivered');
        const attempts = service.recordsOf(id).filter(({ e }) => e === 'attempt');
        const first = { again: 503, slow: null, moved: 302 }[id];
        t.match(
          attempts.map(({ n, status, trigger }) => ({ n, status, trigger })),
          [{ n: 1, status: first }, { n: 2 }, { n: 3, status: 200 }].map((one) => ({ ...one, trigger: name })),
        );
        const [a, b, c] = attempts;
        t.ok(b.t - a.end >= 195 && c.t - b.end >= 395, `${b.t - a.end} ms, then ${c.t - b.end} ms`);
        if (kind === 'nats') t.ok(a.stored <= a.t && a.stored > a.t - 60_000, 'since when the broker has it');
        else t.equal(a.stored, null, 'this broker does not say so');
      }
      t.ok(
        service.recordsOf('slow').find(({ n }) => n === 1).end >=
          service.recordsOf('slow').find(({ n }) => n === 1).t + 1495,
      );
      t.match(service.log(), /not delivered, another attempt follows" .*event=slow .*why="no answer within 1\.5 s"/);
      t.equal(await service.metric(`mayfly_events_total{trigger="${name}",outcome="failed"}`), 6);
      t.ok(
        subscriber.requests.every(({ headers }) => headers['mayfly-trigger'] === name),
        'no redirect was followed',
      );
    });

    t.test('what is never taken becomes a dead letter after all its tries', async (t) => {
      const name = named();
      const subscriber = await startSubscriber(t, ({ headers }) => (headers['ce-id'] === 'good' ? 204 : 500));
      const gone = await startSubscriber(t, () => NEVER);
      const nobody = named();
      const service = await startService(t, {
        broker: broker.url,
        triggers: [
          { name, filter: { type: 'order' }, subscriber: subscriber.url },
          { name: nobody, filter: { type: 'mail' }, subscriber: gone.url, retries: 1, timeoutS: 0.2 },
        ],
      });
      await service.ready();
      for (const id of ['bad', 'good']) await service.send(id);
      await service.send('silent', { 'ce-type': 'mail' });
      t.match(await service.settled('bad', 'dead-lettered'), { trigger: name, why: 'the subscriber answered 500' });
      t.match(await service.settled('silent', 'dead-lettered'), { trigger: nobody, why: 'no answer within 0.2 s' });
      await service.settled('good', 'delivered');
      t.equal(subscriber.of('bad').length, 3, 'the first attempt and two more');
      t.equal(gone.of('silent').length, 2);
      t.match(
        service.log(),
        /level=warn .*msg="dead-lettered" .*event=bad source=\/test attempts=3 why="the subscriber answered 500"/,
      );
      t.same(await broker.deadLetters(name), [{ id: 'bad', source: '/test' }], 'the broker has it');
      t.same(await broker.deadLetters(nobody), [{ id: 'silent', source: '/test' }]);
      await until(
        'nothing is left',
        async () => (await service.metric(`mayfly_events_backlog{trigger="${name}"}`)) === 0,
      );
      t.equal(await service.metric(`mayfly_events_total{trigger="${name}",outcome="dead-lettered"}`), 1);
    });

    t.test('the backlog is what is taken and not settled, those under way included', async (t) => {
      const name = named();
      const { promise, resolve } = Promise.withResolvers<number>();
      const subscriber = await startSubscriber(t, () => promise);
      const service = await startService(t, {
        broker: broker.url,
        triggers: [{ name, subscriber: subscriber.url, maxInFlight: 2, timeoutS: 30 }],
      });
      await service.ready();
      for (let i = 0; i < 5; i++) await service.send(`event-${i}`);
      await until('two are under way', () => subscriber.requests.length === 2);
      t.equal(await service.metric(`mayfly_events_backlog{trigger="${name}"}`), 5);
      t.equal(subscriber.requests.length, 2, 'no more than that at once');
      resolve(204);
      await until('all are done', async () => (await service.metric(`mayfly_events_backlog{trigger="${name}"}`)) === 0);
      t.equal(subscriber.requests.length, 5);
    });

    t.test('one at a time comes in the order in which it was taken', async (t) => {
      const name = named();
      const subscriber = await startSubscriber(t, () => 204);
      const service = await startService(t, {
        broker: broker.url,
        triggers: [{ name, subscriber: subscriber.url, maxInFlight: 1 }],
      });
      await service.ready();
      const ids = Array.from({ length: 50 }, (_, i) => `event-${i}`);
      for (const id of ids) await service.send(id);
      await service.settled(ids.at(-1)!, 'delivered');
      t.same(
        subscriber.requests.map(({ headers }) => headers['ce-id']),
        ids,
      );
    });

    t.test('attempts are counted over a restart of the service, and SIGTERM ends it in time', async (t) => {
      const name = named();
      const { promise, resolve } = Promise.withResolvers<number>();
      const subscriber = await startSubscriber(t, ({ headers }) => {
        if (headers['ce-id'] === 'under-way') return promise;
        return headers['ce-id'] === 'stuck' && subscriber.of('stuck').length === 1 ? NEVER : 500;
      });
      const service = await startService(t, {
        broker: broker.url,
        triggers: [{ name, subscriber: subscriber.url, retries: 2, backoffS: 0.5, timeoutS: 20 }],
      });
      await service.ready();
      for (const id of ['bad', 'stuck', 'under-way']) await service.send(id);
      await until('all are under way', () => subscriber.requests.length === 3);
      setTimeout(() => resolve(204), 50);
      const begin = performance.now();
      t.equal(await service.end('SIGTERM'), 0);
      t.ok(performance.now() - begin < 15_000, `it waits for none of 20 s: ended in ${performance.now() - begin} ms`);
      t.match(service.recordsOf('under-way').at(-1), { e: 'settled', as: 'delivered' }, 'what could be done was done');
      service.start();
      for (const id of ['bad', 'stuck']) {
        await service.settled(id, 'dead-lettered');
        const n = service
          .recordsOf(id)
          .filter(({ e }) => e === 'attempt')
          .map((one) => one.n);
        t.same(n, [1, 2, 3], `${id}: three attempts in all`);
        t.equal(subscriber.of(id).length, 3);
      }
      t.equal(subscriber.of('under-way').length, 1);
    });

    t.test('killed in the middle: every event is delivered all the same', async (t) => {
      const name = named();
      const subscriber = await startSubscriber(t, async () => (await sleep(2), 204));
      const service = await startService(t, {
        broker: broker.url,
        triggers: [{ name, subscriber: subscriber.url, timeoutS: 0.5 }],
      });
      await service.ready();
      const ids = Array.from({ length: 100 }, (_, i) => `event-${i}`);
      for (const id of ids) await service.send(id);
      await until('it is at it', () => subscriber.requests.length > 5);
      await service.end('SIGKILL');
      service.start();
      await service.ready();
      // `settled` may lack of one that was acknowledged when it was killed: the broker knows.
      await until(
        'nothing is left',
        async () => (await service.metric(`mayfly_events_backlog{trigger="${name}"}`)) === 0,
      );
      for (const id of ids) t.ok(subscriber.of(id).length >= 1, id);
    });

    t.test('the broker is restarted in the middle: what it has taken is delivered, and the tries go on', async (t) => {
      const name = named();
      const subscriber = await startSubscriber(t, ({ headers }) => (headers['ce-id'] === 'bad' ? 500 : 204));
      const service = await startService(t, {
        broker: broker.url,
        triggers: [{ name, subscriber: subscriber.url, retries: 3, backoffS: 0.5, timeoutS: 0.5 }],
      });
      await service.ready();
      const taken: string[] = [];
      const refused: string[] = [];
      let goes = true;
      const sending = (async () => {
        for (let i = 0; goes; i++) {
          const { status } = await service.send(`event-${i}`);
          (status === 202 ? taken : refused).push(`event-${i}`);
          await sleep(2);
        }
      })();
      await until('some are taken', () => taken.length > 10);
      await service.send('bad');
      await until('one attempt was made', () => subscriber.of('bad').length > 0);
      await broker.stop();
      await until('some are not taken', () => refused.length > 0);
      await until('it says so', async () => (await service.health()).status === 503);
      t.equal(await service.metric(`mayfly_events_backlog{trigger="${name}"}`), null, 'nobody can say what it is');
      await broker.start();
      await service.ready();
      const before = taken.length;
      await until('they are taken again', () => taken.length > before + 10);
      goes = false;
      await sending;
      for (const id of taken) await service.settled(id, 'delivered');
      await service.settled('bad', 'dead-lettered');
      const n = service
        .recordsOf('bad')
        .filter(({ e }) => e === 'attempt')
        .map((one) => one.n);
      t.same(
        n,
        [1, 2, 3, 4].filter((one) => n.includes(one)),
        'each once',
      );
      t.ok(n.length >= 2, `attempts ${n} of 4: one that the broker has not heard the end of counts`);
      await until(
        'nothing is left',
        async () => (await service.metric(`mayfly_events_backlog{trigger="${name}"}`)) === 0,
      );
    });

    t.test('the time in the broker and each attempt are spans of the trace that the event came with', async (t) => {
      const name = named();
      const server = await zipkin(t);
      const subscriber = await startSubscriber(t, () => (subscriber.requests.length === 1 ? 500 : 204));
      const service = await startService(t, {
        broker: broker.url,
        triggers: [{ name, subscriber: subscriber.url }],
        env: { OTEL_EXPORTER_ZIPKIN_ENDPOINT: server.url, OTEL_SERVICE_NAME: 'trigger' },
      });
      await service.ready();
      const [traceId, above] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
      await service.send('traced', { 'ce-traceparent': `00-${traceId}-${above}-01` });
      const spans = await server.has(5);
      t.ok(spans.every((span) => span.traceId === traceId));
      const by = (wanted: string) =>
        spans.filter((span) => span.name === wanted).sort((a, b) => a.timestamp - b.timestamp);
      const [ingress] = by('ingress');
      t.equal(ingress!.parentId, above);
      const [queue, queueAgain] = by('queue');
      const [first, second] = by('deliver');
      t.match(
        [queue, queueAgain],
        [{ parentId: ingress!.id }, { parentId: ingress!.id }].map((one) => ({
          ...one,
          tags: { 'mayfly.hop': 'broker' },
        })),
      );
      t.match([first, second], [{ parentId: queue!.id }, { parentId: queueAgain!.id }]);
      t.ok(
        queueAgain!.timestamp >= first!.timestamp + first!.duration - 1000,
        'the second begins after the first attempt',
      );
      t.same(
        subscriber.requests.map(({ headers }) => headers.traceparent),
        [first, second].map((span) => `00-${traceId}-${span!.id}-01`),
      );
    });
  });

t.test('it ends with 2 and says why where its settings are wrong', async (t) => {
  for (const [env, why] of [
    [
      { MAYFLY_BROKER: 'kafka://broker' },
      'MAYFLY_BROKER must be a URL that begins with nats:// or amqp://, not "kafka://broker"',
    ],
    [{ MAYFLY_TRIGGERS: '[{}]' }, 'MAYFLY_TRIGGERS: trigger 1: name must match ^[a-z][a-z0-9-]*$'],
  ] as const) {
    const service = await startService(t, {
      broker: 'nats://127.0.0.1:1',
      triggers: [],
      env: { ...env, LOG_FORMAT: 'json' },
    });
    t.equal(await service.ended(), 2);
    t.match(JSON.parse(service.log()), { level: 'error', msg: why });
  }
});
