import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import type { SMTPServerOptions } from 'smtp-server';
import t from 'tap';
import { alertText, alertTitle } from '../../../scripts/service/tell/alert.ts';
import { type Email, sendEmail, smtpServer } from '../../../scripts/service/tell/email.ts';
import { makeAlert, NASTY } from './alert-document.ts';
import { failure, mailServer } from './receivers.ts';

const mail = (laid: Partial<Email> = {}): Email => ({
  from: 'Mayfly <mayfly@example.org>',
  to: ['a@x.example', 'b@x.example'],
  subject: 'Regression of shop: 5 µs more',
  text: 'one\ntwo',
  id: '0123456789abcdef',
  ...laid,
});
const send = (address: string, laid: Partial<Email> = {}, timeoutMs?: number) =>
  sendEmail(mail(laid), smtpServer(address)!, timeoutMs === undefined ? {} : { timeoutMs });

const busy = (code: number, text: string) => Object.assign(new Error(text), { responseCode: code });

t.test('what an address of a mail server says', async (t) => {
  const cases: [address: string, is: object | undefined][] = [
    ['smtp://mail.example.org', { host: 'mail.example.org', port: 25, secure: false, requireTLS: false, verify: true }],
    [
      'smtps://mail.example.org',
      { host: 'mail.example.org', port: 465, secure: true, requireTLS: false, verify: true },
    ],
    [
      'smtp://u%40x:p%3Aw@mail.example.org',
      {
        host: 'mail.example.org',
        port: 587,
        secure: false,
        requireTLS: true,
        verify: true,
        auth: { user: 'u@x', pass: 'p:w' },
      },
    ],
    [
      'smtp://u:p@mail.example.org:2525/?requireTLS=false&verify=false',
      {
        host: 'mail.example.org',
        port: 2525,
        secure: false,
        requireTLS: false,
        verify: false,
        auth: { user: 'u', pass: 'p' },
      },
    ],
    ['smtp://[::1]:25', { host: '::1', port: 25, secure: false, requireTLS: false, verify: true }],
    ...[
      '',
      'mail.example.org',
      'http://mail.example.org',
      'smtp://',
      'smtp://h/path',
      'smtp://h?logger=true',
      'smtp://h?requireTLS=maybe',
      'smtp://a%ZZ:b@h',
    ].map((wrong): [string, undefined] => [wrong, undefined]),
  ];
  for (const [address, is] of cases) t.strictSame(smtpServer(address), is, address);
});

t.test('a mail arrives as it was written', async (t) => {
  const { at, mails } = await mailServer(t, { disabledCommands: ['STARTTLS'] });
  const sent = await send(`smtp://${at}`, { text: alertText(makeAlert()) });
  t.strictSame(sent, { messageId: '<mayfly.0123456789abcdef@example.org>', rejected: [] });
  t.match(mails, [{ from: 'mayfly@example.org', to: ['a@x.example', 'b@x.example'], secure: false }]);
  const [head, text] = mails[0]!.source.split(/\r\n\r\n(.*)/s) as [string, string];
  const source = `${head}\r\n\r\n${text.replaceAll(/=\r\n/g, '')}`;
  for (const line of [
    /^From: Mayfly <mayfly@example.org>\r$/m,
    /^To: a@x.example, b@x.example\r$/m,
    /^Subject: =\?UTF-8\?Q\?.*=C2=B5s.*\r$/m,
    /^Message-ID: <mayfly.0123456789abcdef@example.org>\r$/m,
    /^Auto-Submitted: auto-generated\r$/m,
    /^Content-Type: text\/plain; charset=utf-8\r$/m,
    /npm run bisect -- --benchmark/,
  ])
    t.match(source, line);
  await send(`smtp://${at}`);
  t.equal(
    /^Message-ID: .*$/m.exec(mails[1]!.source)![0],
    /^Message-ID: .*$/m.exec(mails[0]!.source)![0],
    'the same alert again has the same Message-ID',
  );
});

t.test('TLS where the server offers it; a password over TLS only', async (t) => {
  const { at, mails } = await mailServer(t);
  await send(`smtp://${at}?verify=false`);
  t.match(mails, [{ secure: true }], 'STARTTLS');
  const untrusted = await failure(send(`smtp://${at}`));
  t.equal(untrusted.kind, 'unavailable', 'a certificate that nobody vouches for');
  t.equal(mails.length, 1);
  await send(`smtp://mayfly:pass%20word@${at}?verify=false`);
  t.match(mails[1], { secure: true, user: 'mayfly' });

  const direct = await mailServer(t, { secure: true });
  await send(`smtps://mayfly:pass%20word@${direct.at}?verify=false`);
  t.match(direct.mails, [{ secure: true, user: 'mayfly' }]);

  const plain = await mailServer(t, { disabledCommands: ['STARTTLS'], allowInsecureAuth: true });
  const refused = await failure(send(`smtp://mayfly:pass%20word@${plain.at}`));
  t.match(refused, { kind: 'unavailable' });
  t.strictSame(plain.mails, [], 'a server that does not offer STARTTLS is told no password');
  await send(`smtp://mayfly:pass%20word@${plain.at}?requireTLS=false`);
  t.match(plain.mails, [{ secure: false, user: 'mayfly' }], 'unless it is asked for');
});

t.test('wrong credentials: the mail waits, and no message holds them', async (t) => {
  const { at, mails } = await mailServer(t);
  const error = await failure(send(`smtp://mayfly:s3cr3t@${at}?verify=false`));
  t.match(error, { kind: 'unavailable', message: 'the mail server refuses user and password (535)' });
  t.notMatch(String(error.stack), 's3cr3t');
  t.strictSame(mails, []);
});

t.test('not now (4xx) is not the same as never (5xx)', async (t) => {
  const answers: [SMTPServerOptions, kind: string, words: RegExp][] = [
    [
      { onMailFrom: (_from, _session, done) => done(busy(451, 'greylisted, come again')) },
      'unavailable',
      /451 greylisted/,
    ],
    [{ onRcptTo: (_to, _session, done) => done(busy(450, 'mailbox busy')) }, 'unavailable', /450 mailbox busy/],
    [{ onRcptTo: (_to, _session, done) => done(busy(550, 'no such user')) }, 'refused', /550 no such user/],
    [{ onMailFrom: (_from, _session, done) => done(busy(553, 'sender not allowed')) }, 'refused', /553/],
    [
      { onData: (stream, _session, done) => void stream.on('end', () => done(busy(452, 'disk full'))).resume() },
      'unavailable',
      /452 disk full/,
    ],
    [
      { onData: (stream, _session, done) => void stream.on('end', () => done(busy(554, 'looks like spam'))).resume() },
      'refused',
      /554 looks like spam/,
    ],
    [{ onConnect: (_session, done) => done(busy(421, 'too busy')) }, 'unavailable', /421/],
  ];
  for (const [options, kind, words] of answers) {
    const { at } = await mailServer(t, { disabledCommands: ['STARTTLS'], ...options });
    const error = await failure(send(`smtp://${at}`));
    t.equal(error.kind, kind, error.message);
    t.match(error.message, words);
  }
});

t.test('some recipients are taken, others are not', async (t) => {
  const { at, mails } = await mailServer(t, {
    disabledCommands: ['STARTTLS'],
    onRcptTo: ({ address }, _session, done) => (address === 'b@x.example' ? done(busy(550, 'no such user')) : done()),
  });
  t.match(await send(`smtp://${at}`), { rejected: ['b@x.example'] });
  t.match(mails, [{ to: ['a@x.example'] }]);
});

t.test('nobody there, or nobody who speaks', async (t) => {
  const silent = createTcpServer((socket) => socket.resume());
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const at = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  t.match(await failure(send(`smtp://${at}`, {}, 300)), {
    kind: 'unavailable',
    message: /cannot be reached: ETIMEDOUT/,
  });
  silent.close();
  t.match(await failure(send(`smtp://u:s3cr3t@${at}`, {}, 5000)), {
    kind: 'unavailable',
    message: /^the mail server cannot be reached: E[A-Z]+$/,
  });
});

t.test('no text makes a header', async (t) => {
  const { at, mails } = await mailServer(t, { disabledCommands: ['STARTTLS'] });
  await send(`smtp://${at}`, {
    subject: `x\r\nBcc: evil@example.org\r\n\r\n${NASTY}`,
    from: 'Mayfly\r\nBcc: evil@example.org <mayfly@example.org>',
    id: 'a\r\nX-Evil: 1',
    text: alertText(makeAlert({ subject: NASTY })),
  });
  await send(`smtp://${at}`, { subject: alertTitle(makeAlert({ benchmark: 'a\r\nBcc: evil@example.org' })) });
  for (const { source, to } of mails) {
    const head = source.slice(0, source.indexOf('\r\n\r\n'));
    t.notMatch(head, /^(Bcc|X-Evil):/im);
    t.strictSame(to, ['a@x.example', 'b@x.example']);
  }
  t.equal(mails.length, 2);
  t.notMatch(
    mails[0]!.source.slice(mails[0]!.source.indexOf('\r\n\r\n')),
    /\r\nBcc:/,
    'a line break in a commit message is none in the text',
  );
});
