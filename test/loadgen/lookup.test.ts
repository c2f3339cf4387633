import type { LookupAddress } from 'node:dns';
import t from 'tap';
import { lookupOnce } from '../../loadgen/lookup.ts';

type Answered = [error: string | null, ...what: unknown[]];

/** A name server that answers when it is told to. */
function server() {
  const asked: {
    host: string;
    all: unknown;
    done: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void;
  }[] = [];
  const look = lookupOnce((host, { all }, done) => void asked.push({ host, all, done }));
  const get = (host: string, all = false) =>
    new Promise<Answered>((resolve) =>
      look(host, { all }, (error, ...what) => resolve([error?.message ?? null, ...what])),
    );
  return { asked, get };
}
const at = (...addresses: string[]) => addresses.map((address) => ({ address, family: 4 }));

t.test('a host is looked up once, whoever asks meanwhile and later', async (t) => {
  const { asked, get } = server();
  const first = [get('a'), get('a'), get('b')];
  t.same(
    asked.map(({ host, all }) => [host, all]),
    [
      ['a', true],
      ['b', true],
    ],
  );
  asked[0]!.done(null, at('10.0.0.1'));
  asked[1]!.done(null, at('10.0.0.9'));
  t.same(await Promise.all(first), [
    [null, '10.0.0.1', 4],
    [null, '10.0.0.1', 4],
    [null, '10.0.0.9', 4],
  ]);
  t.same(await get('a', true), [null, at('10.0.0.1')]);
  t.equal(asked.length, 2);
});

t.test('replicas get connections in turn', async (t) => {
  const { asked, get } = server();
  const first = get('a');
  asked[0]!.done(null, at('10.0.0.1', '10.0.0.2', '10.0.0.3'));
  const found = [await first];
  for (let i = 0; i < 3; i++) found.push(await get('a'));
  t.same(
    found.map(([, address]) => address),
    ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.1'],
  );
  t.same(
    await get('a', true),
    [null, at('10.0.0.2', '10.0.0.3', '10.0.0.1')],
    'all of them, for who tries the next one',
  );
});

t.test('a failure is told to all who wait, and asked for again', async (t) => {
  const { asked, get } = server();
  const first = [get('a'), get('a')];
  asked[0]!.done(Object.assign(new Error('getaddrinfo EAI_AGAIN a'), { code: 'EAI_AGAIN' }), []);
  t.same(await Promise.all(first), [['getaddrinfo EAI_AGAIN a'], ['getaddrinfo EAI_AGAIN a']]);
  const again = get('a');
  asked[1]!.done(null, at('10.0.0.1'));
  t.same(await again, [null, '10.0.0.1', 4]);
});
