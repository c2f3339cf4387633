/** SQLite: opening, schema, transactions, errors. The lock of the host (core/lock.ts) uses node:sqlite too. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { InfrastructureError, MayflyError } from '../core/errors.ts';

export type Row = Record<string, unknown>;
/** What a column takes. */
export type Value = SQLInputValue;

/** Parameterised SQL on one file. Every method throws an InfrastructureError where the file or the disk fails. */
export interface Database {
  all(sql: string, ...values: SQLInputValue[]): Row[];
  get(sql: string, ...values: SQLInputValue[]): Row | undefined;
  /** Number of rows changed. */
  run(sql: string, ...values: SQLInputValue[]): number;
  /** All of `work` or nothing; inside another transaction it is part of that one. */
  transaction<T>(work: () => T): T;
  /** All queries of `work` see the same state; takes no lock that a writer would wait for. */
  snapshot<T>(work: () => T): T;
  close(): void;
}

const MIGRATIONS = join(import.meta.dirname, 'migrations');
/** How long a writer waits for another one. */
const BUSY_MS = 10_000;
/** "Mayf": marks the file as a store of ours. */
const APPLICATION_ID = 0x4d617966;

/** Opens the file, making it where it is not there, and brings its schema up to date. */
export function openDatabase(
  file: string,
  { migrations = MIGRATIONS, busyMs = BUSY_MS }: { migrations?: string; busyMs?: number } = {},
): Database {
  return explained(file, () => {
    mkdirSync(dirname(file), { recursive: true });
    const db = new DatabaseSync(file, { timeout: BUSY_MS, enableForeignKeyConstraints: true });
    try {
      useWal(db);
      db.exec('PRAGMA synchronous = NORMAL');
      migrate(db, file, migrations);
      db.exec(`PRAGMA busy_timeout = ${Math.round(busyMs)}`);
      return wrap(db, file);
    } catch (error) {
      db.close();
      throw error;
    }
  });
}

/** Changing to WAL does not wait for another opener as other statements do. */
function useWal(db: DatabaseSync): void {
  const deadline = Date.now() + BUSY_MS;
  for (;;) {
    try {
      db.exec('PRAGMA journal_mode = WAL');
      return;
    } catch (error) {
      if (sqliteCode(error) !== CODE.busy || Date.now() > deadline) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

/**
 * Applies what is missing, each file in one transaction under the write lock: of two openers one does it, the other
 * sees it done.
 */
function migrate(db: DatabaseSync, file: string, folder: string): void {
  const files = readdirSync(folder)
    .filter((name) => /^\d{3}_.*\.sql$/.test(name))
    .sort();
  if (schemaOf(db, file, files.length) === files.length) return;
  for (const [index, name] of files.entries()) {
    inTransaction(db, () => {
      if (schemaOf(db, file, files.length) > index) return;
      db.exec(readFileSync(join(folder, name), 'utf8'));
      db.exec(`PRAGMA user_version = ${index + 1}`);
      db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    });
  }
}

/** Number of migrations that the file has seen. Refuses a newer schema, and a database of something else. */
function schemaOf(db: DatabaseSync, file: string, known: number): number {
  const pragma = (name: string) => Number(Object.values(db.prepare(`PRAGMA ${name}`).get()!)[0]);
  const version = pragma('user_version');
  const tables = Number(db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()!.n);
  if (tables > 0 && pragma('application_id') !== APPLICATION_ID) {
    throw new InfrastructureError(`${file} is a database, but no store of Mayfly`, { hint: ELSEWHERE });
  }
  if (version > known) {
    throw new InfrastructureError(
      `${file} was written by a newer Mayfly (schema ${version}; this one knows up to ${known})`,
      {
        hint: `Update this checkout (git pull). ${ELSEWHERE}`,
      },
    );
  }
  return version;
}

function wrap(db: DatabaseSync, file: string): Database {
  return {
    all: (sql, ...values) => explained(file, () => db.prepare(sql).all(...values) as Row[]),
    get: (sql, ...values) => explained(file, () => db.prepare(sql).get(...values) as Row | undefined),
    run: (sql, ...values) => explained(file, () => Number(db.prepare(sql).run(...values).changes)),
    transaction: (work) => explained(file, () => (db.isTransaction ? work() : inTransaction(db, work))),
    snapshot: (work) => explained(file, () => (db.isTransaction ? work() : inTransaction(db, work, 'BEGIN'))),
    close: () => db.close(),
  };
}

function inTransaction<T>(db: DatabaseSync, work: () => T, begin = 'BEGIN IMMEDIATE'): T {
  db.exec(begin);
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    // A full disk may have rolled back already.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

const CODE = { busy: 5, readOnly: 8, io: 10, corrupt: 11, full: 13, cannotOpen: 14, notADatabase: 26 };
const ELSEWHERE = 'Or keep the data elsewhere: set MAYFLY_DATA to another folder.';

const SENTENCES: Record<number, [what: string, hint: string]> = {
  [CODE.busy]: ['is locked: another process is writing for long', 'Try again when it has ended.'],
  [CODE.readOnly]: [
    'cannot be written: the file or its folder is read-only',
    `Make it writable for this user. ${ELSEWHERE}`,
  ],
  [CODE.io]: ['could not be read or written: the disk reports an error', `Look at the disk. ${ELSEWHERE}`],
  [CODE.corrupt]: ['is damaged', `Bring it back from a copy. ${ELSEWHERE}`],
  [CODE.full]: ['could not be written: the disk is full', `Make room and try again. ${ELSEWHERE}`],
  [CODE.cannotOpen]: [
    'cannot be opened: its folder is not there or not allowed',
    `Make the folder accessible for this user. ${ELSEWHERE}`,
  ],
  [CODE.notADatabase]: ['is not a SQLite database', `Move it away. ${ELSEWHERE}`],
};

/** Runs `work`; what SQLite or the disk reports becomes a sentence for the user. */
export function explained<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof MayflyError) throw error;
    const sentence = SENTENCES[sqliteCode(error) ?? -1];
    if (sentence)
      throw new InfrastructureError(`the store ${file} ${sentence[0]}`, { hint: sentence[1], cause: error });
    if (isDiskError(error))
      throw new InfrastructureError(`the store ${file} cannot be opened: ${error.message}`, {
        hint: ELSEWHERE,
        cause: error,
      });
    throw error;
  }
}

/** The primary result code of SQLite; extended codes hold it in their low byte. */
function sqliteCode(error: unknown): number | null {
  const code = (error as { errcode?: unknown }).errcode;
  return typeof code === 'number' ? code & 0xff : null;
}

const isDiskError = (error: unknown): error is Error =>
  ['EACCES', 'EROFS', 'ENOSPC', 'ENOTDIR', 'EEXIST', 'EPERM', 'EIO'].includes(
    (error as NodeJS.ErrnoException).code ?? '',
  );
