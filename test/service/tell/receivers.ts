/** Where alerts arrive in tests: a webhook and a mail server on loopback. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import type { Test } from 'tap';
import { SendError } from '../../../scripts/service/tell/send-error.ts';

/** Path of the webhook; nobody may be told. */
export const SECRET = '/services/T000/B000/s3cr3t';

/** A webhook that keeps what it got, as JSON. */
export async function receiver(
  t: Test,
  answer: RequestListener,
): Promise<{ url: string; got: { request: IncomingMessage; body: any }[] }> {
  const got: { request: IncomingMessage; body: any }[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    got.push({ request, body: JSON.parse(Buffer.concat(chunks).toString()) });
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => (server.closeAllConnections(), server.close()));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${SECRET}`, got };
}

export interface Mail {
  from: string;
  to: string[];
  user: unknown;
  secure: boolean;
  source: string;
}

/** A mail server on loopback that takes a@x.example and its like, and the password `pass word`. */
export async function mailServer(t: Test, options: SMTPServerOptions = {}): Promise<{ at: string; mails: Mail[] }> {
  const mails: Mail[] = [];
  const server = new SMTPServer({
    authOptional: true,
    logger: false,
    onAuth: ({ username, password }, _session, done) =>
      username === 'mayfly' && password === 'pass word'
        ? done(null, { user: username })
        : done(new Error(`wrong password ${password}`)),
    onData: (stream, { envelope, user, secure }, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk) => chunks.push(chunk));
      stream.on('end', () => {
        mails.push({
          from: envelope.mailFrom ? envelope.mailFrom.address : '',
          to: envelope.rcptTo.map(({ address }) => address),
          user,
          secure: Boolean(secure),
          source: Buffer.concat(chunks).toString(),
        });
        done();
      });
    },
    ...options,
  });
  server.on('error', () => {}); // a client that does not trust the certificate
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  t.teardown(() => new Promise<void>((resolve) => server.close(resolve)));
  return { at: `127.0.0.1:${(listening.address() as AddressInfo).port}`, mails };
}

/** The SendError that something ends with. */
export async function failure(work: Promise<unknown>): Promise<SendError> {
  const error = await work.then(
    () => undefined,
    (error) => error,
  );
  if (!(error instanceof SendError)) throw new Error(`expected a SendError, got ${error}`);
  return error;
}
