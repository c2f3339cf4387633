/** CloudEvents over HTTP as the trigger service reads and writes them. */
import { CloudEvent, HTTP } from 'cloudevents';
import t from 'tap';
import { attributesOf, binaryHeaders, type NoEvent, readEvent } from '../../compose/images/trigger/event.ts';

const BINARY = {
  'ce-id': '1',
  'ce-source': '/shop',
  'ce-type': 'order.placed',
  'ce-specversion': '1.0',
  'content-type': 'application/json',
};
const STRUCTURED = { 'content-type': 'application/cloudevents+json; charset=utf-8' };
const EVENT = { specversion: '1.0', id: '1', source: '/shop', type: 'order.placed' };
const read = (headers: Record<string, string>, body: string | Buffer = '') => readEvent(headers, Buffer.from(body));
const structured = (event: object) => read(STRUCTURED, JSON.stringify(event));

t.test('binary mode: attributes are headers, the data is as it came', async (t) => {
  const data = Buffer.from([0, 255, 10, 13]);
  const event = readEvent({ ...BINARY, 'ce-priority': 'high', host: 'trigger' }, data);
  t.same(event.attributes, { ...EVENT, datacontenttype: 'application/json', priority: 'high' });
  t.equal(event.data, data);
});

t.test('structured mode: attributes are members, the data becomes bytes', async (t) => {
  t.same(structured({ ...EVENT, number: 7, urgent: true, region: null, data: { a: 1 } }), {
    attributes: { ...EVENT, number: '7', urgent: 'true', datacontenttype: 'application/json' },
    data: Buffer.from('{"a":1}'),
  });
  t.same(structured({ ...EVENT, data: 'text' }).data, Buffer.from('"text"'), 'JSON, where nothing is said');
  t.same(structured({ ...EVENT, datacontenttype: 'text/plain', data: 'text' }).data, Buffer.from('text'));
  t.same(structured({ ...EVENT, datacontenttype: 'image/png', data_base64: 'AP8K' }), {
    attributes: { ...EVENT, datacontenttype: 'image/png' },
    data: Buffer.from([0, 255, 10]),
  });
  t.same(structured(EVENT), { attributes: EVENT, data: Buffer.alloc(0) });
});

t.test('what the cloudevents package sends is read, in both modes', async (t) => {
  const event = new CloudEvent({ ...EVENT, priority: 'high', data: { a: 1 } });
  for (const message of [HTTP.binary(event), HTTP.structured(event)]) {
    const { attributes, data } = read(message.headers as Record<string, string>, message.body as string);
    t.match(attributes, { ...EVENT, priority: 'high', time: event.time });
    t.same(JSON.parse(data.toString()), { a: 1 });
  }
});

t.test('attributes go out as they came in, whatever is in them', async (t) => {
  for (const subject of ['plain', 'a b', 'Grüße, 世界', '100%', '"quoted"', '😀']) {
    const { attributes } = structured({ ...EVENT, subject });
    t.equal(attributes.subject, subject);
    const headers = binaryHeaders(attributes);
    t.match(headers['ce-subject'], /^[!-~]*$/, 'printable ASCII');
    t.same(read(headers).attributes, attributes);
    t.same(attributesOf(Object.entries(headers)), attributes);
  }
  t.equal(read({ ...BINARY, 'ce-subject': '100%' }).attributes.subject, '100%', 'of a sender that does not encode');
  t.equal(binaryHeaders(structured({ ...EVENT, subject: 'a b%' }).attributes)['ce-subject'], 'a%20b%25');
});

t.test('what is no event is refused with a sentence, and with what is known of it', async (t) => {
  const { 'ce-source': _, ...noSource } = BINARY;
  const cases: [string, () => unknown, Partial<NoEvent>?][] = [
    [
      'the request is no CloudEvent: it has neither headers ce-id, ce-source, ce-type and ce-specversion nor the content type application/cloudevents+json',
      () => read({ 'content-type': 'application/json' }, '{}'),
      { id: null, source: null },
    ],
    ['the event lacks the attribute "source"', () => read(noSource), { id: '1', source: null }],
    ['the event lacks the attribute "id"', () => read({ ...BINARY, 'ce-id': '' }), { id: null, source: '/shop' }],
    ['the event lacks the attribute "id", "type"', () => structured({ specversion: '1.0', source: '/shop' })],
    ['the attribute "specversion" must be 1.0, not "0.3"', () => structured({ ...EVENT, specversion: '0.3' })],
    [
      'the attribute "time" must match format "date-time", not "yesterday"',
      () => read({ ...BINARY, 'ce-time': 'yesterday' }),
      { id: '1', source: '/shop' },
    ],
    [
      'the attribute "source" must match format "uri-reference", not "a b"',
      () => read({ ...BINARY, 'ce-source': 'a b' }),
    ],
    ['the event is invalid: invalid extension name: a_b', () => read({ ...BINARY, 'ce-a_b': '1' })],
    ['the attribute "region" has a control character in it', () => structured({ ...EVENT, region: 'a\nb' })],
    ['the attribute "datacontenttype" must be ASCII', () => structured({ ...EVENT, datacontenttype: 'text/ü' })],
    [
      'the attribute "region" must be a text, a whole number or true or false',
      () => structured({ ...EVENT, region: {} }),
    ],
    ['the member "data_base64" must be base64', () => structured({ ...EVENT, data_base64: '!' })],
    ['the event in structured mode must be a JSON object', () => structured([])],
    [
      'the request has a batch of events; send them one by one',
      () => read({ 'content-type': 'application/cloudevents-batch+json' }, '[]'),
    ],
    [
      'an event in structured mode must be JSON (application/cloudevents+json), not application/cloudevents+avro',
      () => read({ 'content-type': 'application/cloudevents+avro' }),
    ],
  ];
  for (const [message, work, more = {}] of cases) t.throws(work, { message, ...more }, message);
  t.throws(() => read(STRUCTURED, '{'), { message: /^the event in structured mode is no JSON: / });
});
