/** Documents as rows and back, by value. */
import t from 'tap';
import { type Fields, fromRow, insertInto, toRow } from '../../scripts/store/fields.ts';

interface Thing {
  name: string;
  note?: string;
  sizes: number[];
  valid: boolean;
  master?: boolean;
}
const FIELDS = {
  name: 'plain',
  note: 'plain',
  sizes: 'json',
  valid: 'boolean',
  master: 'flag',
} as const satisfies Fields<Thing>;

t.test('what is absent is NULL, and absent again', async (t) => {
  const things: [Thing, object][] = [
    [
      { name: 'a', sizes: [], valid: false },
      { name: 'a', note: null, sizes: '[]', valid: 0, master: 0 },
    ],
    [
      { name: 'b', note: '', sizes: [1, 2.5], valid: true, master: true },
      { name: 'b', note: '', sizes: '[1,2.5]', valid: 1, master: 1 },
    ],
  ];
  for (const [thing, row] of things) {
    t.strictSame(toRow(thing, FIELDS), row);
    t.strictSame(fromRow<Thing, typeof FIELDS>(row as Record<string, unknown>, FIELDS), thing);
  }
  t.strictSame(
    fromRow<Thing, typeof FIELDS>({ name: 'c', note: null, sizes: null, valid: null, master: null }, FIELDS),
    { name: 'c' } as Thing,
    'a column of before it was kept',
  );
});

t.test('the statement names every column, and replaces all but the keys', async (t) => {
  const row = { a: 1, b: 'x', c: null };
  t.strictSame(insertInto('thing', row), {
    sql: 'INSERT INTO thing (a, b, c) VALUES (?, ?, ?)',
    values: [1, 'x', null],
  });
  t.equal(
    insertInto('thing', row, ['a', 'b']).sql,
    'INSERT INTO thing (a, b, c) VALUES (?, ?, ?) ON CONFLICT (a, b) DO UPDATE SET c = excluded.c',
  );
});
