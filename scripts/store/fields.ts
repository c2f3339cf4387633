/** Fields of a document that lie in columns of their own name: a field more is one line in such a table. Pure. */
import type { Value } from './sqlite.ts';

/**
 * How a field lies in its column. plain: a text or a number as it is. json: as JSON. boolean: 1 or 0. flag: 1 where it
 * is true; otherwise the field is absent.
 */
type Kind = 'plain' | 'json' | 'boolean' | 'flag';
export type Fields<Document> = { readonly [Name in keyof Document]?: Kind };

const WRITE: Record<Kind, (value: unknown) => Value> = {
  plain: (value) => value as Value,
  json: (value) => JSON.stringify(value),
  boolean: (value) => (value ? 1 : 0),
  flag: (value) => (value ? 1 : 0),
};
const READ: Record<Kind, (value: unknown) => unknown> = {
  plain: (value) => value,
  json: (value) => JSON.parse(value as string),
  boolean: (value) => value === 1,
  flag: (value) => (value === 1 ? true : undefined),
};

/** Column -> value. A field that is absent is NULL; an absent flag is 0. */
export function toRow<Document extends object>(document: Document, fields: Fields<Document>): Record<string, Value> {
  const entries = Object.entries(fields) as [keyof Document & string, Kind][];
  return Object.fromEntries(
    entries.map(([name, kind]) => [
      name,
      document[name] === undefined && kind !== 'flag' ? null : WRITE[kind](document[name]),
    ]),
  );
}

/** The fields whose columns hold something. */
export function fromRow<Document extends object, Names extends Fields<Document>>(
  row: Record<string, unknown>,
  fields: Names,
): Pick<Document, keyof Names & keyof Document> {
  const entries = (Object.entries(fields) as [string, Kind][]).flatMap(([name, kind]) => {
    const value = row[name] === null ? undefined : READ[kind](row[name]);
    return value === undefined ? [] : [[name, value]];
  });
  return Object.fromEntries(entries) as Pick<Document, keyof Names & keyof Document>;
}

/** INSERT of a row. `replace`: where a row with these keys is there, its other columns become those of this one. */
export function insertInto(
  table: string,
  row: Record<string, Value>,
  replace?: readonly string[],
): { sql: string; values: Value[] } {
  const names = Object.keys(row);
  const others = names.filter((name) => !replace?.includes(name));
  const conflict = replace
    ? ` ON CONFLICT (${replace.join(', ')}) DO UPDATE SET ${others.map((name) => `${name} = excluded.${name}`).join(', ')}`
    : '';
  return {
    sql: `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})${conflict}`,
    values: Object.values(row),
  };
}
