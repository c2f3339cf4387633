/** What whoever watches a process asks it: does it answer, can it work, its metrics. */
import { firstLine } from '../../core/errors.ts';
import { plainText } from '../../core/text.ts';
import type { Http } from './http.ts';
import type { Metrics } from './server-metrics.ts';

export interface Health {
  /** Why it cannot work now; null where it can. What it throws is a reason too. */
  ready(): string | null | Promise<string | null>;
  metrics: Metrics;
}

/**
 * /healthz: 200 as long as the process answers. /readyz: 200, or 503 with the reason. /metrics: for Prometheus. All are
 * plain text and never kept.
 */
export function healthRoutes(http: Http, { ready, metrics }: Health): void {
  http.get('/healthz', (_request, reply) =>
    reply.header('cache-control', 'no-store').type('text/plain; charset=utf-8').send('ok\n'),
  );
  http.get('/readyz', async (_request, reply) => {
    const reason = await Promise.resolve().then(ready).catch(firstLine);
    return reply
      .code(reason === null ? 200 : 503)
      .header('cache-control', 'no-store')
      .type('text/plain; charset=utf-8')
      .send(`${reason === null ? 'ready' : plainText(reason)}\n`);
  });
  http.get('/metrics', async (_request, reply) =>
    reply
      .header('cache-control', 'no-store')
      .type(metrics.contentType)
      .send(await metrics.text()),
  );
}
