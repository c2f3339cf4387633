/**
 * Sessions live in the memory of the replica that began them: a balancer keeps a client there by a cookie of its own.
 * With `shared` each is on the disk too, and a replica that gets a session of another one takes it over; with `own` it
 * refuses it, and the client must log in again.
 */
import { randomUUID } from 'node:crypto';
import { Refusal } from './answers.ts';
import type { Disk } from './disk.ts';
import { sessions as counted } from './metrics.ts';

export interface Session {
  id: string;
  user: string;
  /** The replica that began it. */
  begun: string;
  /** Names of the files that were uploaded in it. */
  files: string[];
}

/** Beyond it the oldest is forgotten. */
const MOST = 10_000;
const COOKIE = 'SESSION';
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export class Sessions {
  readonly #own = new Map<string, Session>();
  readonly #shared: boolean;
  readonly #disk: Disk;
  readonly #replica: string;

  constructor(shared: boolean, disk: Disk, replica: string) {
    this.#shared = shared;
    this.#disk = disk;
    this.#replica = replica;
  }

  /** A new session, and the header that gives it to the client. */
  async begin(user: string): Promise<{ session: Session; cookie: string }> {
    const session = { id: randomUUID(), user, begun: this.#replica, files: [] };
    await this.keep(session);
    counted.started.inc();
    return { session, cookie: `${COOKIE}=${session.id}; Path=/; HttpOnly` };
  }

  /** The session that a request belongs to. Throws a Refusal. */
  async of(cookies: string | undefined): Promise<Session> {
    const id = cookieOf(cookies);
    if (id === undefined) throw new Refusal(401, 'no-session', 'there is no session: log in first, at POST /login');
    const session = this.#own.get(id) ?? (await this.#takeOver(id));
    if (session) return session;
    counted.lost.inc();
    throw new Refusal(
      401,
      'session-lost',
      'the session was that of a replica that is gone, or has ended: log in again, at POST /login',
      { 'set-cookie': `${COOKIE}=; Path=/; Max-Age=0` }, // so that it is asked for once
    );
  }

  /** Keeps what is new in a session. */
  async keep(session: Session): Promise<void> {
    this.#own.set(session.id, session);
    if (this.#shared) await this.#disk.write('sessions', session.id, session);
    if (this.#own.size <= MOST) return;
    const [oldest] = this.#own.keys();
    this.#own.delete(oldest!);
    if (this.#shared) await this.#disk.remove('sessions', oldest!);
  }

  async #takeOver(id: string): Promise<Session | undefined> {
    const found = this.#shared ? await this.#disk.read<Session>('sessions', id) : undefined;
    // Another request of the same client may have taken it over meanwhile.
    const session = this.#own.get(id) ?? found;
    if (session && !this.#own.has(id)) {
      this.#own.set(id, session);
      counted.failedOver.inc();
    }
    return session;
  }
}

function cookieOf(cookies: string | undefined): string | undefined {
  const found = cookies?.split(/;\s*/).find((one) => one.startsWith(`${COOKIE}=`));
  const id = found?.slice(COOKIE.length + 1);
  return id !== undefined && ID.test(id) ? id : undefined;
}
