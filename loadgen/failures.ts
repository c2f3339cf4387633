/** Why a request failed, by kind: what is counted and shown. */
import type { Failure } from './recorder.ts';

export type { Failure };

export const failure = (kind: string, detail: string, message: string): Failure => ({ kind, detail, message });

/** Error codes of Node.js and undici -> kind. */
const KINDS: Record<string, string> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  UND_ERR_SOCKET: 'reset',
  UND_ERR_INFO: 'reset',
  ECONNABORTED: 'reset',
  ERR_STREAM_PREMATURE_CLOSE: 'reset',
  ERR_HTTP2_STREAM_ERROR: 'reset',
  ERR_HTTP2_STREAM_CANCEL: 'reset',
  ERR_HTTP2_GOAWAY_SESSION: 'reset',
  ETIMEDOUT: 'timeout',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_BODY_TIMEOUT: 'timeout',
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  EAI_NODATA: 'dns',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  EMFILE: 'unreachable',
  UND_ERR_HEADERS_OVERFLOW: 'too-large',
  HPE_HEADER_OVERFLOW: 'too-large',
  UND_ERR_RES_EXCEEDED_MAX_SIZE: 'too-large',
  UND_ERR_INVALID_ARG: 'script',
  UND_ERR_NOT_SUPPORTED: 'script',
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: 'script',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'protocol',
  ERR_HTTP2_ERROR: 'protocol',
  ERR_HTTP2_SESSION_ERROR: 'protocol',
  EPROTO: 'tls',
};

/** The failure that an error of a client is. */
export function classify(error: unknown, depth = 0): Failure {
  const given = (error ?? {}) as { name?: unknown; code?: unknown; message?: unknown; cause?: unknown };
  const { name, cause } = given;
  const code = typeof given.code === 'string' ? given.code : '';
  const message = String(given.message ?? error);
  const first = (error as AggregateError | null)?.errors?.[0]; // one for each address of a name
  if (first && depth < 5) return classify(first, depth + 1);
  const known = KINDS[code];
  if (known) return failure(known, code === 'UND_ERR_SOCKET' || code === 'UND_ERR_INFO' ? '' : code, message || code);
  if (code.startsWith('HPE_') || name === 'HTTPParserError') return failure('protocol', code, message);
  if (/^(CERT_|ERR_TLS|ERR_SSL|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_MISMATCH)/.test(code))
    return failure('tls', code, message);
  if (cause && depth < 5) return classify(cause, depth + 1);
  return failure(code.startsWith('UND_ERR') || code.startsWith('ERR_') ? 'protocol' : 'error', code, message);
}
