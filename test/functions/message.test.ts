/** CloudEvents over HTTP, as the specification and the `cloudevents` package write and read them. */
import { CloudEvent, HTTP } from 'cloudevents';
import t from 'tap';
import { fromHttp, toHttp } from '../../functions/src/message.ts';

const BASE = { id: '1', source: '/s', type: 'x.y', time: '2026-11-28T22:00:00.123Z' };
const required = { 'ce-id': '1', 'ce-source': '/s', 'ce-type': 'x.y', 'ce-specversion': '1.0' };

t.test('what goes out comes in again, whatever the data is', async (t) => {
  const cases: [string, Record<string, unknown>, unknown?][] = [
    ['nothing', {}],
    ['an object', { data: { a: [1, null, 'ü'] } }],
    ['an array', { data: [1, 2] }],
    ['a number', { data: 7 }],
    ['false', { data: false }],
    ['null', { data: null }],
    ['a text, which is JSON without a type', { data: 'say "hi"' }],
    ['a text that looks like JSON', { data: '{"a":1}' }],
    ['an empty text', { data: '' }],
    ['a text of a type', { data: 'a\nb ü', datacontenttype: 'text/plain; charset=utf-8' }],
    ['JSON of another type', { data: { a: 1 }, datacontenttype: 'application/vnd.order+json; charset=utf-8' }],
    ['bytes', { data: Buffer.from([0, 255, 10]) }],
    ['bytes of a type', { data: new Uint8Array([1, 2]), datacontenttype: 'image/png' }, Buffer.from([1, 2])],
  ];
  for (const [name, given, back = given.data] of cases) {
    const { headers, body } = toHttp(new CloudEvent({ ...BASE, ...given }));
    const event = fromHttp(headers, body);
    t.same(Buffer.isBuffer(back) ? Buffer.from(event.data) : event.data, back, name);
    t.match(event, { ...BASE, specversion: '1.0' }, name);
  }
});

t.test('attributes: extensions, and texts that a header does not take as they are', async (t) => {
  const more = {
    priority: 'high',
    sequence: '17',
    flag: true,
    count: 3,
    odd: 'ü "é" % \u{1f600} a\nb',
    subject: 'a b',
  };
  const { headers, body } = toHttp(new CloudEvent({ ...BASE, ...more }));
  t.match(headers, {
    'ce-priority': 'high',
    'ce-flag': 'true',
    'ce-count': '3',
    'ce-subject': 'a%20b',
    'ce-odd': '%C3%BC%20%22%C3%A9%22%20%25%20%F0%9F%98%80%20a%0Ab',
  });
  t.match(fromHttp(headers, body), { ...more, flag: 'true', count: '3' });
  t.match(fromHttp({ ...required, 'ce-odd': '100%' }, Buffer.alloc(0)), { odd: '100%' }, 'of who does not encode');
});

t.test('the cloudevents package reads what goes out, and what it writes is read', async (t) => {
  const event = new CloudEvent({ ...BASE, data: { order: 7 }, priority: 'high' });
  const { headers, body } = toHttp(event);
  t.match(HTTP.toEvent({ headers, body: body.toString() }), { ...BASE, data: { order: 7 }, priority: 'high' });
  for (const mode of ['binary', 'structured'] as const) {
    const message = HTTP[mode](event);
    const found = fromHttp(message.headers as Record<string, string>, Buffer.from(String(message.body)));
    t.match(found, { ...BASE, data: { order: 7 }, priority: 'high' }, mode);
  }
  const bytes = HTTP.structured(new CloudEvent({ ...BASE, data: Buffer.from([0, 255]), datacontenttype: 'image/png' }));
  const found = fromHttp(bytes.headers as Record<string, string>, Buffer.from(String(bytes.body)));
  t.same(Buffer.from(found.data), Buffer.from([0, 255]), 'bytes in structured mode');
});

t.test('structured mode: parameters of its type, and what is null', async (t) => {
  const body = Buffer.from(JSON.stringify({ ...BASE, specversion: '1.0', subject: null, data: { a: null } }));
  const event = fromHttp({ 'content-type': 'Application/CloudEvents+JSON; charset=UTF-8' }, body);
  t.match(event, { ...BASE, data: { a: null } });
  t.equal(event.subject, undefined);
});

t.test('what is no CloudEvent: the reason, a status, and what it names', async (t) => {
  const json = { 'content-type': 'application/cloudevents+json' };
  const all = 'a CloudEvent has id, source, type, specversion';
  const cases: [Record<string, string>, string, string | RegExp, object?][] = [
    [{}, '', `the attribute id is missing: ${all}`],
    [{ 'ce-id': '1' }, '', `the attribute source is missing: ${all}`, { id: '1', source: null }],
    [{ ...required, 'ce-type': '' }, '', `the attribute type is missing: ${all}`, { id: '1', source: '/s' }],
    [{ ...required, 'ce-specversion': '0.3' }, '', 'specversion is "0.3": it must be "1.0"'],
    [{ ...required, 'ce-time': 'yesterday' }, '', /^no CloudEvent: invalid payload .*"\/time"/],
    [{ ...required, 'ce-my_name': 'x' }, '', /^no CloudEvent: invalid extension name: my_name /],
    [{ ...required, 'content-type': 'application/json' }, '{', /^the body is no JSON: .*/, { id: '1' }],
    [json, '{', /^the body is no JSON: /, { id: null }],
    [json, '[]', 'the body is no JSON object'],
    [json, 'null', 'the body is no JSON object'],
    [json, JSON.stringify({ source: '/s', type: 'x', specversion: '1.0' }), `the attribute id is missing: ${all}`],
    [json, JSON.stringify({ ...BASE, specversion: '1.0', id: 7 }), /^no CloudEvent: .*"\/id"/, { id: null }],
    [
      { 'content-type': 'application/cloudevents-batch+json' },
      '[]',
      'a batch of events: send one event with each request',
      { status: 415 },
    ],
    [
      { 'content-type': 'application/cloudevents+xml' },
      '<event/>',
      'application/cloudevents+xml is not read here: send application/cloudevents+json, or binary mode',
      { status: 415 },
    ],
  ];
  for (const [headers, body, message, more = {}] of cases)
    t.throws(() => fromHttp(headers, Buffer.from(body)), { name: 'EventError', message, status: 400, ...more });
});
