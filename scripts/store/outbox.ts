/** What others are to be told. SQL only. Times are milliseconds since the epoch. */
import { FURTHEST_MS } from './pauses.ts';
import type { Database, Row } from './sqlite.ts';

/** It is made anew from the store as often as need be, and sent where it differs from what was sent last. */
export interface Message {
  /**
   * `check`: a check run for a job; `comment`: the one of a pull request; `answer`: of a request; or the name of the
   * channel of an alert.
   */
  channel: string;
  subject: string;
  wanted: string;
  sent?: string;
  remote_id?: string;
  failures: number;
  not_before_ms: number;
  error?: string;
}

export interface Outbox {
  /** What is wanted now; nothing changes where it is the same. */
  want(channel: string, subject: string, wanted: string): void;
  /**
   * What differs from what was sent and may be sent now, the longest waiting first. `channels`: only of these; absent:
   * of all.
   */
  unsent(now: number, limit?: number, channels?: readonly string[]): Message[];
  message(channel: string, subject: string): Message | undefined;
  saveSent(message: Message, remoteId: string, notBefore?: number): void;
  saveUnsent(message: Message, error: string, notBefore: number): void;
}

export function openOutbox(db: Database): Outbox {
  return {
    want(channel, subject, wanted) {
      db.run(
        `INSERT INTO message (channel, subject, wanted) VALUES (?, ?, ?) ON CONFLICT (channel, subject) DO UPDATE SET wanted = excluded.wanted WHERE wanted <> excluded.wanted`,
        channel,
        subject,
        wanted,
      );
    },
    unsent(now, limit = 100, channels) {
      const of = channels === undefined ? '' : 'AND channel IN (SELECT value FROM json_each(?))';
      return db
        .all(
          `SELECT * FROM message WHERE (sent IS NULL OR sent <> wanted) AND (not_before_ms <= ? OR not_before_ms > ?) ${of} ORDER BY not_before_ms, subject LIMIT ?`,
          now,
          now + FURTHEST_MS,
          ...(channels === undefined ? [] : [JSON.stringify(channels)]),
          limit,
        )
        .map(readMessage);
    },
    message(channel, subject) {
      const row = db.get('SELECT * FROM message WHERE channel = ? AND subject = ?', channel, subject);
      return row && readMessage(row);
    },
    saveSent({ channel, subject, wanted }, remoteId, notBefore = 0) {
      db.run(
        'UPDATE message SET sent = ?, remote_id = ?, failures = 0, error = NULL, not_before_ms = ? WHERE channel = ? AND subject = ?',
        wanted,
        remoteId,
        notBefore,
        channel,
        subject,
      );
    },
    saveUnsent({ channel, subject }, error, notBefore) {
      db.run(
        'UPDATE message SET failures = failures + 1, error = ?, not_before_ms = ? WHERE channel = ? AND subject = ?',
        error,
        notBefore,
        channel,
        subject,
      );
    },
  };
}

function readMessage(row: Row): Message {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as unknown as Message;
}
