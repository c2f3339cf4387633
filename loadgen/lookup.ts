/**
 * Looks a host up once: the containers of a round keep their addresses. A look-up blocks one of the four threads that
 * Node.js has for such things, for seconds where nobody answers for the name any more: a side that died would keep the
 * other one from making a connection.
 */
import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';

type Ask = (
  host: string,
  options: LookupOptions & { all: true },
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;
type Done = Parameters<LookupFunction>[2];

/** For the connections of one side. Each gets the addresses in turn, as a name server gives those of replicas. */
export function lookupOnce(ask: Ask = lookup): LookupFunction {
  const known = new Map<string, LookupAddress[]>();
  const waiting = new Map<string, ((error: NodeJS.ErrnoException | null) => void)[]>();
  let turn = 0;
  const answer = (host: string, all: boolean, done: Done) => {
    const addresses = known.get(host)!;
    const from = turn++ % addresses.length;
    const inTurn = [...addresses.slice(from), ...addresses.slice(0, from)];
    if (all) done(null, inTurn);
    else done(null, inTurn[0]!.address, inTurn[0]!.family);
  };
  return (host, options, done) => {
    const { all = false, ...rest } = options;
    if (known.has(host)) return process.nextTick(answer, host, all, done);
    const then = (error: NodeJS.ErrnoException | null) =>
      error ? (done as (error: Error) => void)(error) : answer(host, all, done);
    const others = waiting.get(host);
    if (others) return void others.push(then);
    const own = [then];
    waiting.set(host, own);
    ask(host, { ...rest, all: true }, (error, addresses) => {
      waiting.delete(host);
      if (!error) known.set(host, addresses);
      for (const each of own) each(error);
    });
  };
}
