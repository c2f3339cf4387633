/** Why a request failed, by kind: what is counted and shown. */
import type { Failure } from './recorder.ts';

export type { Failure };

export const failure = (kind: string, detail: string, message: string): Failure => ({ kind, detail, message });

/** Error codes of Node.js and undici -> kind. */
const KINDS: Record<string, string> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset', EPIPE: 'reset', UND_ERR_SOCKET: 'reset', ECONNABORTED: 'reset', ERR_STREAM_PREMATURE_CLOSE: 'reset', ERR_HTTP2_STREAM_ERROR: 'reset', ERR_HTTP2_STREAM_CANCEL: 'reset', ERR_HTTP2_GOAWAY_SESSION: 'reset',
  ETIMEDOUT: 'timeout', UND_ERR_CONNECT_TIMEOUT: 'timeout', UND_ERR_HEADERS_TIMEOUT: 'timeout', UND_ERR_BODY_TIMEOUT: 'timeout',
  ENOTFOUND: 'dns', EAI_AGAIN: 'dns', EAI_NODATA: 'dns',
  EHOSTUNREACH: 'unreachable', ENETUNREACH: 'unreachable', EADDRNOTAVAIL: 'unreachable', EMFILE: 'unreachable',
  UND_ERR_HEADERS_OVERFLOW: 'too-large', HPE_HEADER_OVERFLOW: 'too-large', UND_ERR_RES_EXCEEDED_MAX_SIZE: 'too-large',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'protocol', ERR_HTTP2_ERROR: 'protocol', ERR_HTTP2_SESSION_ERROR: 'protocol', EPROTO: 'tls',
};

/** The failure that an error of a client is. */
export function classify(error: unknown): Failure {
  const { code = '', message = String(error), cause } = (error ?? {}) as { code?: string; message?: string; cause?: unknown };
  const errors = (error as AggregateError)?.errors;
  if (errors?.length) return classify(errors[0]); // one for each address of a name
  const known = KINDS[code];
  if (known) return failure(known, code === 'UND_ERR_SOCKET' ? '' : code, message || code);
  if (code.startsWith('HPE_')) return failure('protocol', code, message);
  if (/^(CERT_|ERR_TLS|ERR_SSL|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_MISMATCH)/.test(code)) return failure('tls', code, message);
  if (cause !== undefined && cause !== error) return classify(cause);
  return failure(code.startsWith('UND_ERR') || code.startsWith('ERR_') ? 'protocol' : 'error', code, message);
}
