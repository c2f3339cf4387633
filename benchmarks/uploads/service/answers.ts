/** What an answer is: JSON, and an error with a code that a program can read beside the sentence for people. */
export interface Answer {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

/** A request that cannot be answered as it was meant; the client gets status, code and sentence. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Record<string, string>;

  constructor(status: number, code: string, message: string, headers: Record<string, string> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

const NAME = /^[a-z0-9][a-z0-9-]{0,39}$/;

/** A name that may be that of a file: of a user, a project or an upload. */
export function nameOf(what: string, value: unknown): string {
  if (typeof value === 'string' && NAME.test(value)) return value;
  throw new Refusal(400, 'bad-name', `${what} must be 1 to 40 of a to z, 0 to 9 and -, and not begin with -`);
}

export function wholeNumber(what: string, value: unknown, most: number, otherwise: number): number {
  if (value === undefined) return otherwise;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new Refusal(400, 'bad-number', `${what} must be a whole number from 1 to ${most}`);
}
