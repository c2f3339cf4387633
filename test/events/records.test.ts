/** Records as services wrote them: what is taken, and what is counted as none. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type EventRecord, type RecordFiles, readRecords } from '../../scripts/events/records.ts';

const START = 1_780_000_000_000;
const OPTIONS = { triggers: ['mail', 'stock'], fromMs: START - 1000, toMs: START + 1000 };
const NAMED = { id: 'a', source: 'producer/7' };

async function read(t: Test, texts: Record<string, string>, role: RecordFiles['role'] = 'function') {
  const folder = t.testdir({});
  const paths = Object.entries(texts).map(([name, text]) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  });
  const findings = { unreadable: 0, notes: [] as string[] };
  const records: EventRecord[] = [];
  for await (const record of readRecords([{ service: 'shop', role, paths }], OPTIONS, findings)) records.push(record);
  return { records, findings };
}
const line = (record: object) => `${JSON.stringify(record)}\n`;

t.test('every kind of record, of what is known of it', async (t) => {
  const ofFunction = [
    { e: 'offered', t: START, ...NAMED, seq: 17, scheduled: START - 2.5, received: null },
    { e: 'accepted', t: START, ...NAMED },
    { e: 'rejected', t: START, ...NAMED },
    { e: 'consumed', t: START, ...NAMED, end: START + 1, seq: null, trigger: 'mail', scheduled: null },
    { e: 'consumed', t: START, ...NAMED, end: START, seq: 0, trigger: null, scheduled: START },
  ];
  const more = { type: 'x', tries: 2, why: 'no', constructor: 1, ['__proto__']: { id: 'b' } };
  const found = await read(t, { 'a.jsonl': ofFunction.map((one) => line({ ...more, ...one })).join('') });
  t.strictSame(found, { records: ofFunction, findings: { unreadable: 0, notes: [] } });

  const ofTrigger = [
    { e: 'taken', t: START, ...NAMED, triggers: ['mail', 'stock'] },
    { e: 'taken', t: START, ...NAMED, triggers: [] },
    { e: 'refused', t: START, id: null, source: null },
    { e: 'refused', t: START, ...NAMED },
    { e: 'attempt', t: START, ...NAMED, end: START + 5, trigger: 'stock', stored: START - 1, status: 204 },
    { e: 'attempt', t: START, ...NAMED, end: START + 5, trigger: 'stock', stored: null, status: null },
    { e: 'settled', t: START, ...NAMED, trigger: 'mail', as: 'delivered', why: null },
    { e: 'settled', t: START, ...NAMED, trigger: 'mail', as: 'dead-lettered', why: 'status 500' },
  ];
  const { records } = await read(t, { 'a.jsonl': ofTrigger.map(line).join('') }, 'trigger');
  t.strictSame(records, ofTrigger);
});

t.test('what is absent is null', async (t) => {
  const { records } = await read(t, { 'a.jsonl': line({ e: 'offered', t: START, ...NAMED }) });
  t.strictSame(records, [{ e: 'offered', t: START, ...NAMED, seq: null, scheduled: null, received: null }]);
});

t.test('a record that is not as it must be is counted, with where and what', async (t) => {
  const accepted = { e: 'accepted', t: START, ...NAMED };
  const consumed = { e: 'consumed', t: START, ...NAMED, end: START + 1 };
  const attempt = { e: 'attempt', t: START, ...NAMED, end: START + 1, trigger: 'mail', status: 204 };
  const faults: [string | object, string, RecordFiles['role']?][] = [
    ['{', 'is no JSON'],
    ['{"e":"accepted"}}', 'is no JSON'],
    ['[]', 'is no JSON object'],
    ['null', 'is no JSON object'],
    ['17', 'is no JSON object'],
    [{}, 'has e missing, which is no kind of record'],
    [{ ...accepted, e: 'constructor' }, 'has e "constructor", which is no kind of record'],
    [{ ...accepted, e: ['accepted'] }, 'has e ["accepted"], which is no kind of record'],
    [{ ...accepted, t: undefined }, 'has t missing, which is no time of this round'],
    [{ ...accepted, t: String(START) }, `has t "${START}", which is no time of this round`],
    [{ ...accepted, t: START / 1000 }, 'has t 1780000000, which is no time of this round'],
    [{ ...accepted, t: START + 1001 }, `has t ${START + 1001}, which is no time of this round`],
    [`{"e":"accepted","t":1e999,"id":"a","source":"b"}`, 'has t null, which is no time of this round'],
    [{ ...accepted, id: '' }, 'has id "", which is no text of 1 to 2048 letters'],
    [{ ...accepted, id: 7 }, 'has id 7, which is no text of 1 to 2048 letters'],
    [{ ...accepted, source: undefined }, 'has source missing, which is no text of 1 to 2048 letters'],
    [{ ...accepted, source: null }, 'has source null, which is no text of 1 to 2048 letters'],
    [{ ...accepted, id: 'x'.repeat(2049) }, `has id "${'x'.repeat(39)}, which is no text of 1 to 2048 letters`],
    [{ ...accepted, e: 'offered', seq: 1.5 }, 'has seq 1.5'],
    [{ ...accepted, e: 'offered', seq: -1 }, 'has seq -1'],
    [{ ...accepted, e: 'offered', scheduled: 17 }, 'has scheduled 17, which is no time of this round'],
    [{ ...accepted, e: 'offered', received: 'now' }, 'has received "now", which is no time of this round'],
    [{ ...consumed, end: START - 1 }, 'ends before it begins'],
    [{ ...consumed, end: undefined }, 'has end missing, which is no time of this round'],
    [{ ...consumed, trigger: 'other' }, 'names trigger "other", which there is none of'],
    [{ ...consumed, trigger: { length: 1 } }, 'names trigger {"length":1}, which there is none of'],
    [{ ...consumed, scheduled: '\u001b[2J' }, 'has scheduled "\\u001b[2J", which is no time of this round'],
    [attempt, 'is "attempt", which the trigger service alone may say'],
    [{ ...accepted, e: 'settled' }, 'is "settled", which the trigger service alone may say'],
    [{ ...accepted, e: 'taken' }, 'is "taken", which the trigger service alone may say'],
    [{ ...accepted, e: 'refused' }, 'is "refused", which the trigger service alone may say'],
    [accepted, 'is "accepted" of the trigger service', 'trigger'],
    [consumed, 'is "consumed" of the trigger service', 'trigger'],
    [{ ...attempt, status: 20 }, 'has status 20', 'trigger'],
    [{ ...attempt, status: '204' }, 'has status "204"', 'trigger'],
    [{ ...attempt, trigger: undefined }, 'names trigger missing, which there is none of', 'trigger'],
    [{ ...attempt, stored: -1 }, 'has stored -1, which is no time of this round', 'trigger'],
    [{ ...attempt, e: 'taken' }, 'has no list of triggers', 'trigger'],
    [{ ...attempt, e: 'taken', triggers: 'mail' }, 'has no list of triggers', 'trigger'],
    [{ ...attempt, e: 'taken', triggers: Array(1001).fill('mail') }, 'has no list of triggers', 'trigger'],
    [{ ...attempt, e: 'taken', triggers: ['other'] }, 'names trigger "other", which there is none of', 'trigger'],
    [{ ...attempt, e: 'settled', as: 'lost' }, 'has as "lost"', 'trigger'],
    [{ ...attempt, e: 'refused', id: 7 }, 'has id 7, which is no text of 1 to 2048 letters', 'trigger'],
  ];
  for (const [fault, words, role = 'function'] of faults) {
    const text = typeof fault === 'string' ? `${fault}\n` : line(fault);
    const { records, findings } = await read(t, { 'events-7-1.jsonl': text }, role);
    t.strictSame(records, [], words);
    t.strictSame(findings, {
      unreadable: 1,
      notes: [`shop: 1 record cannot be read: events-7-1.jsonl:1 ${words}`],
    });
  }
});

t.test('the first three of a service are named', async (t) => {
  const good = line({ e: 'accepted', t: START, ...NAMED });
  const { records, findings } = await read(t, { 'a.jsonl': `${good}x\n\n  ${good}y\n`, 'b.jsonl': `z\nz\n${good}` });
  t.equal(records.length, 3);
  t.strictSame(findings, {
    unreadable: 4,
    notes: [
      'shop: 4 records cannot be read: a.jsonl:2 is no JSON; a.jsonl:5 is no JSON; b.jsonl:1 is no JSON; and 1 more',
    ],
  });
});

t.test('what follows the last newline is not complete; spaces before a line keep it within a page', async (t) => {
  const good = line({ e: 'accepted', t: START, ...NAMED });
  const { records, findings } = await read(t, {
    'a.jsonl': `${good}${' '.repeat(4000)}${good}{"e":"acc`,
    'empty.jsonl': '',
    'torn.jsonl': '{"e":"accepted","t":',
  });
  t.equal(records.length, 2);
  t.equal(findings.unreadable, 0);
});

t.test('a line without an end, and lines over the borders of what is read at once', async (t) => {
  const good = line({ e: 'accepted', t: START, ...NAMED });
  const long = await read(t, { 'a.jsonl': `${good}${'x'.repeat(3_000_000)}\n${good}` });
  t.equal(long.records.length, 2);
  t.strictSame(long.findings.notes, ['shop: 1 record cannot be read: a.jsonl:2 is longer than 8192 bytes']);
  const endless = await read(t, { 'a.jsonl': good + 'x'.repeat(3_000_000) });
  t.strictSame([endless.records.length, endless.findings.unreadable], [1, 0]);

  const ids = Array.from({ length: 40_000 }, (_, i) => `id-${i}-${'ü'.repeat(i % 50)}`);
  const text = ids.map((id) => line({ e: 'accepted', t: START, id, source: 's' })).join('');
  t.ok(Buffer.byteLength(text) > 3 * 2 ** 20);
  const { records, findings } = await read(t, { 'a.jsonl': text });
  t.strictSame(
    records.map(({ id }) => id),
    ids,
  );
  t.equal(findings.unreadable, 0);
});
