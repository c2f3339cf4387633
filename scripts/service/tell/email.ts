/** An alert by e-mail. The only file that knows nodemailer. */
import { createTransport } from 'nodemailer';
import { plainLines, plainText } from '../../core/text.ts';
import { SendError } from './send-error.ts';

export interface Email {
  /** `mayfly@example.org` or `Mayfly <mayfly@example.org>`. */
  from: string;
  to: readonly string[];
  subject: string;
  /** Plain text. */
  text: string;
  /**
   * The same for the same message: its Message-ID is made of it, so that one that is sent again can be seen to be the
   * same.
   */
  id: string;
}

/** How a server is reached. */
export interface SmtpServer {
  host: string;
  port: number;
  /** TLS from the first byte on (smtps:). Else STARTTLS where the server offers it. */
  secure: boolean;
  /** Nothing is sent where the server does not offer STARTTLS. */
  requireTLS: boolean;
  /** False: any certificate is taken. */
  verify: boolean;
  auth?: { user: string; pass: string };
}

/**
 * What an address such as smtps://user:password@mail.example.org says. A password goes out over TLS only, unless
 * `?requireTLS=false` is written; `?verify=false` takes any certificate. Undefined: it says nothing of the kind.
 */
export function smtpServer(address: string): SmtpServer | undefined {
  if (!URL.canParse(address)) return undefined;
  const url = new URL(address);
  const switches = new Map(url.searchParams);
  const known = [...switches].every(
    ([name, value]) => ['requireTLS', 'verify'].includes(name) && ['true', 'false'].includes(value),
  );
  const secure = url.protocol === 'smtps:';
  if ((!secure && url.protocol !== 'smtp:') || url.hostname === '' || !known || !['', '/'].includes(url.pathname))
    return undefined;
  try {
    const user = decodeURIComponent(url.username);
    return {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(url.port) || (secure ? 465 : user ? 587 : 25),
      secure,
      requireTLS: !secure && (switches.get('requireTLS') ?? String(user !== '')) === 'true',
      verify: switches.get('verify') !== 'false',
      ...(user ? { auth: { user, pass: decodeURIComponent(url.password) } } : {}),
    };
  } catch {
    return undefined; // a % that begins no escape
  }
}

/**
 * Sends a mail and gives its Message-ID, and the recipients that the server would not take while it took others.
 * SendError: refused where the server says so for good (5xx), else unavailable.
 */
export async function sendEmail(
  { from, to, subject, text, id }: Email,
  { verify, ...server }: SmtpServer,
  { timeoutMs = 20_000 }: { timeoutMs?: number } = {},
): Promise<{ messageId: string; rejected: string[] }> {
  const messageId = `<mayfly.${id.replace(/[^\w.-]/g, '-')}@${domainOf(from)}>`;
  const transport = createTransport({
    ...server,
    tls: { rejectUnauthorized: verify },
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    dnsTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    const sent = await transport.sendMail({
      from: plainText(from),
      to: to.map((address) => ({ name: '', address: plainText(address) })),
      subject: plainText(subject),
      text: plainLines(text),
      messageId,
      // no answer of an absent recipient
      headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
    });
    return {
      messageId,
      rejected: sent.rejected.map((one: string | { address: string }) => (typeof one === 'string' ? one : one.address)),
    };
  } catch (error) {
    throw sendError(error as SmtpFault);
  } finally {
    transport.close();
  }
}

interface SmtpFault {
  message: string;
  /** EAUTH, ECONNECTION, ETLS, ... of nodemailer. */
  code?: string;
  /** The three digits of SMTP. */
  responseCode?: number;
  /** What the server said. */
  response?: string;
}

/**
 * Wrong credentials are put right by whoever runs this, so such a mail waits; what the server says then may repeat
 * them.
 */
function sendError({ message, code = '', responseCode, response }: SmtpFault): SendError {
  if (code === 'EAUTH')
    return new SendError(
      'unavailable',
      `the mail server refuses user and password${responseCode ? ` (${responseCode})` : ''}`,
    );
  if (responseCode !== undefined)
    return new SendError(
      responseCode >= 500 && (code === 'EENVELOPE' || code === 'EMESSAGE') ? 'refused' : 'unavailable',
      `the mail server says ${plainText(response ?? String(responseCode)).slice(0, 200)}`,
    );
  if (code === 'EENVELOPE') return new SendError('refused', plainText(message).slice(0, 200));
  return new SendError(
    'unavailable',
    `the mail server cannot be reached: ${code || 'the connection failed'}${code === 'ETLS' ? ', it does not do TLS as it should' : ''}`,
  );
}

/** Of the sender's address, where it is one. */
const domainOf = (from: string): string => /@([A-Za-z0-9][A-Za-z0-9.-]*)>?\s*$/.exec(from)?.[1] ?? 'mayfly.invalid';
