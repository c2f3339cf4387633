/** Figures of disturbances, from requests whose figures are known. */
import t from 'tap';
import { CALM_S, disturbedFigures, FACTOR } from '../../scripts/requests/disturbed.ts';

interface Request {
  due: number;
  latency: number;
  failed?: boolean;
}

function columnsOf(requests: readonly Request[], sides = ['candidate', 'baseline']) {
  return {
    due: Float64Array.from(requests, ({ due }) => due),
    startLag: new Float32Array(requests.length),
    latency: Float32Array.from(requests, ({ latency }) => latency),
    side: new Uint8Array(requests.length),
    sides,
    failure: Uint8Array.from(requests, ({ failed }) => (failed ? 1 : 0)),
  };
}

/** The same at every run: mulberry32. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let h = Math.imul(state ^ (state >>> 15), 1 | state);
    h = (h + Math.imul(h ^ (h >>> 7), 61 | h)) ^ h;
    return ((h ^ (h >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An open model: exponential latencies around 10 ms, as a service that is at half of its capacity has them. */
function simulated(seed: number, rate: number, windowS: number, change: (one: Request) => Request): Request[] {
  const random = generator(seed);
  return Array.from({ length: rate * windowS }, (_, i) =>
    change({ due: i / rate, latency: 0.005 - 0.005 * Math.log(1 - random()) }),
  );
}

const figuresOf = (requests: readonly Request[], spans: { fromS: number; toS: number }[], windowS: number) =>
  disturbedFigures(columnsOf(requests), 'candidate', spans, windowS);

t.test('a pause: who comes in it waits for its end, and recovery is there when all have been answered', async (t) => {
  let worst = 0;
  for (let seed = 1; seed <= 50; seed++) {
    const requests = simulated(seed, 200, 12, (one) =>
      one.due >= 5 && one.due < 7 ? { ...one, latency: 7 - one.due + one.latency } : one,
    );
    const { spans } = figuresOf(requests, [{ fromS: 5, toS: 7 }], 12);
    t.ok(spans[0]!.recoveryS !== null, `seed ${seed} recovers`);
    worst = Math.max(worst, Math.abs(spans[0]!.recoveryS! - 2));
  }
  t.ok(worst <= 0.2, `50 of 50 are within 0.2 s of the 2 s that it took; the worst was ${worst.toFixed(2)} s off`);
});

t.test('what disturbs nothing has recovered at once, 50 of 50', async (t) => {
  for (let seed = 1; seed <= 50; seed++) {
    const { spans, failed } = figuresOf(
      simulated(seed, 200, 12, (one) => one),
      [{ fromS: 5, toS: 8 }],
      12,
    );
    t.equal(spans[0]!.recoveryS, 0, `seed ${seed}`);
    t.equal(failed, 0);
  }
});

t.test('failures: recovery is after the last of them', async (t) => {
  const requests = simulated(3, 100, 20, (one) =>
    one.due >= 5 && one.due < 8.5 && Math.round(one.due * 100) % 10 === 0 ? { ...one, failed: true } : one,
  );
  const { spans, failed, p99Inside, p99Outside } = figuresOf(requests, [{ fromS: 5, toS: 5.1 }], 20);
  t.equal(failed, 35);
  t.equal(spans[0]!.failed, 35);
  t.ok(Math.abs(spans[0]!.recoveryS! - 3.45) < 0.15, `it took ${spans[0]!.recoveryS}`);
  t.ok(p99Inside! > 0 && p99Outside! > 0);
});

t.test('a failure late in a disturbance that goes on counts, though it was calm before', async (t) => {
  const requests = simulated(4, 100, 20, (one) => (Math.abs(one.due - 9) < 1e-6 ? { ...one, failed: true } : one));
  const { spans } = figuresOf(requests, [{ fromS: 5, toS: 10 }], 20);
  t.ok(Math.abs(spans[0]!.recoveryS! - 4) < 0.2, `it took ${spans[0]!.recoveryS}`);
});

t.test('what does not recover, or has no time left to show it, has no recovery', async (t) => {
  const slow = simulated(5, 100, 12, (one) => (one.due >= 5 ? { ...one, latency: one.latency * (FACTOR + 1) } : one));
  t.equal(figuresOf(slow, [{ fromS: 5, toS: 6 }], 12).spans[0]!.recoveryS, null);
  const late = simulated(5, 100, 12, (one) => one);
  t.equal(figuresOf(late, [{ fromS: 12 - CALM_S / 2, toS: 12 }], 12).spans[0]!.recoveryS, null);
});

t.test('without a time before, failures alone tell', async (t) => {
  const requests = simulated(6, 100, 12, (one) => (one.due < 1 ? { ...one, failed: true } : one));
  const { spans } = figuresOf(requests, [{ fromS: 0, toS: 0.5 }], 12);
  t.ok(Math.abs(spans[0]!.recoveryS! - 1) < 0.15, `it took ${spans[0]!.recoveryS}`);
});

t.test('who was under way at its begin is inside, each side by itself, and each request once', async (t) => {
  const requests: Request[] = [
    ...Array.from({ length: 100 }, (_, i) => ({ due: i / 20, latency: 0.01 })),
    { due: 4.95, latency: 1, failed: true },
    ...Array.from({ length: 200 }, (_, i) => ({ due: 5 + i / 20, latency: 0.01 })),
  ];
  const both = [
    { fromS: 5, toS: 5.2 },
    { fromS: 5.1, toS: 5.3 },
  ];
  const found = figuresOf(requests, both, 15);
  t.same(
    found.spans.map(({ failed }) => failed),
    [1, 1],
  );
  t.equal(found.failed, 1);
  t.same(disturbedFigures(columnsOf(requests), 'baseline', both, 15), {
    spans: both.map(() => ({ requests: 0, failed: 0, recoveryS: null, p99Inside: null })),
    failed: 0,
    p99Inside: null,
    p99Outside: null,
  });
});

t.test('the tail within and without is that of the requests that did not fail', async (t) => {
  const requests = Array.from({ length: 1000 }, (_, i) => ({
    due: i / 100,
    latency: i >= 400 && i < 500 ? 0.5 : 0.01,
  }));
  const { p99Inside, p99Outside, spans } = figuresOf(requests, [{ fromS: 4, toS: 5 }], 10);
  t.ok(Math.abs(p99Inside! - 0.5) < 1e-6);
  t.ok(Math.abs(p99Outside! - 0.01) < 1e-6);
  t.ok(Math.abs(spans[0]!.p99Inside! - 0.5) < 1e-6);
});

t.test('a slow closed model: few requests make a calm time longer', async (t) => {
  const requests = Array.from({ length: 100 }, (_, i) => ({ due: i / 5, latency: 0.1, failed: i === 30 }));
  const { spans } = figuresOf(requests, [{ fromS: 5.9, toS: 6 }], 20);
  t.ok(Math.abs(spans[0]!.recoveryS! - 0.25) < 0.1, `it took ${spans[0]!.recoveryS}`);
});
