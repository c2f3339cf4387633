/** Why something could not be told to others, by whatever channel. */

/**
 * `unavailable`: it may work later (network, time-out, a 5xx). `rate-limited`: not before retryAtMs. `refused`: the
 * other side will not take it as it is (4xx); sending the same again cannot help.
 */
export class SendError extends Error {
  readonly kind: 'unavailable' | 'rate-limited' | 'refused';
  /** Milliseconds since the epoch, where the other side has said. */
  readonly retryAtMs: number | undefined;
  /** HTTP status, where there was one. */
  readonly status: number | undefined;

  constructor(
    kind: SendError['kind'],
    message: string,
    more: { retryAtMs?: number; status?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause });
    this.name = 'SendError';
    this.kind = kind;
    this.retryAtMs = more.retryAtMs;
    this.status = more.status;
  }
}
