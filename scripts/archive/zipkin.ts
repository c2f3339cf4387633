/** Zipkin for traces that are kept: in a container of its own, for as long as somebody looks at them. */
import type { Context } from '../app/context.ts';
import { InfrastructureError } from '../core/errors.ts';
import { inStep } from '../core/step.ts';
import { LABEL } from '../engine/names.ts';
import { ownerLabels } from '../engine/owner.ts';
import { removeAll } from '../engine/remove.ts';
import type { ListedTrace } from '../traces/listed.ts';
import type { Span } from '../traces/spans.ts';
import { connectZipkin, ZipkinFault } from '../traces/zipkin.ts';

const PORT = '9411/tcp';
const MEMORY_BYTES = 512 * 2 ** 20;
const PIDS = 200;
const TIMEOUT_MS = 120_000;
/** Spans that are given at once, and how many it keeps. */
const BATCH = 2000;
const MOST_SPANS = 100_000;
/** As in compose/run.yaml: what fits into its memory. */
const JAVA_OPTS =
  '-Xms64m -Xmx288m -XX:MaxDirectMemorySize=48m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError -Dcom.linecorp.armeria.transportType=nio';

/**
 * Starts it, gives it the traces, and calls `show` with the address of its page and of each trace; then waits until the
 * user ends it, or it ends itself. Nothing of it stays.
 */
export async function whileZipkinShows(
  traces: readonly ListedTrace[],
  id: string,
  show: (page: string, address: (traceId: string) => string) => void,
  ctx: Context,
): Promise<void> {
  const owner = `zipkin-${id}`;
  const labels = { ...ownerLabels(owner), [LABEL.service]: 'zipkin' };
  const name = `mayfly-${owner}`;
  let isShown = false;
  try {
    const { url, container } = await inStep(ctx.progress, 'start Zipkin with the traces', async () => {
      await ctx.engine.createNetwork(name, labels, { isolated: false });
      const container = await ctx.engine.create({
        name,
        image: ctx.machine.images.zipkin!.ref,
        cmd: [],
        env: {
          STORAGE_TYPE: 'mem',
          MEM_MAX_SPANS: String(MOST_SPANS),
          JAVA_OPTS,
        },
        labels,
        networks: [name],
        publish: [PORT],
        memoryBytes: MEMORY_BYTES,
        pidsLimit: PIDS,
      });
      await ctx.engine.start(container);
      const { ports } = await ctx.engine.inspect(container);
      const url = `http://127.0.0.1:${ports[PORT]}`;
      const zipkin = connectZipkin(url, ctx.signal);
      if (!(await zipkin.ready(TIMEOUT_MS)))
        throw new InfrastructureError(`Zipkin is not ready after ${TIMEOUT_MS / 1000} s`, {
          hint: 'npm run traces -- RUN --list shows the traces without it.',
        });
      try {
        for (const spans of batches(traces)) await zipkin.give(spans);
      } catch (error) {
        if (!(error instanceof ZipkinFault)) throw error;
        throw new InfrastructureError(error.message, {
          hint: 'npm run traces -- RUN --list shows the traces without it.',
        });
      }
      return { url, container };
    });
    isShown = true;
    show(pageOf(url, traces), (traceId) => `${url}/zipkin/traces/${traceId}`);
    const exitCode = await ctx.engine.wait(container, ctx.signal);
    throw new InfrastructureError(`Zipkin has ended by itself with exit code ${exitCode}`, { hint: 'Start it again.' });
  } catch (error) {
    // to be ended is how it ends
    if (!isShown || !ctx.signal.aborted) throw error;
  } finally {
    await removeAll(ctx.engine, [`${LABEL.run}=${owner}`], 0);
  }
}

/** The spans of the slowest traces, as many as there is room for. */
function* batches(traces: readonly ListedTrace[]): Generator<readonly Span[]> {
  let batch: Span[] = [];
  let given = 0;
  for (const { spans } of traces) {
    given += spans.length;
    if (given > MOST_SPANS) break;
    batch.push(...spans);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Zipkin's search, over the time that the traces are of. */
function pageOf(url: string, traces: readonly ListedTrace[]): string {
  const begins = traces.map(({ tree }) => tree.root.start / 1000);
  const search = new URLSearchParams({
    lookback: 'range',
    startTs: String(Math.floor(Math.min(...begins)) - 1000),
    endTs: String(Math.ceil(Math.max(...begins)) + 1000),
    limit: String(Math.min(1000, traces.length)),
  });
  return `${url}/zipkin/?${search}`;
}
