/** What failed in a round, as it is stored. Pure. */
import type { Failures, SideResult } from '../../../loadgen/result.ts';

/** Ways of failing that are stored of one side of a round. */
const MOST = 100;

/** Most often first. The texts are of the service and of the load script: each is kept short. */
export function failuresOf(measured: Pick<SideResult, 'failures'> | null): Failures[] {
  return (measured?.failures ?? [])
    .toSorted((a, b) => b.count - a.count)
    .slice(0, MOST)
    .map(({ kind, detail, count, example: { name, request, message } }) => ({
      kind: kind.slice(0, 100),
      detail: detail.slice(0, 200),
      count,
      example: {
        name: name.slice(0, 200),
        ...(request === undefined ? {} : { request: request.slice(0, 200) }),
        message: message.slice(0, 500),
      },
    }));
}
