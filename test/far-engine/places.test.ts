import t from 'tap';
import { argumentsThere, placesIn } from '../../scripts/far-engine/places.ts';

const V = '/var/lib/docker/volumes/v/_data';
const ROOT = '/home/me/mayfly';

t.test('a benchmark of the checkout: one tree, one repository, nothing mounted', async (t) => {
  t.strictSame(placesIn(V, { root: ROOT, dir: `${ROOT}/benchmarks/shop`, top: ROOT, repositories: ['.', '.'] }), {
    root: `${V}/checkout`,
    dir: `${V}/checkout/benchmarks/shop`,
    home: `${V}/home`,
    temporary: `${V}/tmp`,
    trees: [{ from: ROOT, to: 'checkout' }],
    repositories: [{ from: ROOT, to: 'checkout' }],
    mounts: [],
  });
});

t.test('a benchmark of another repository, which it names by its path', async (t) => {
  const places = placesIn(V, {
    root: ROOT,
    dir: '/src/shop/perf/search',
    top: '/src/shop',
    repositories: ['/src/shop'],
  });
  t.match(places, {
    dir: `${V}/benchmark/shop/perf/search`,
    trees: [
      { from: ROOT, to: 'checkout' },
      { from: '/src/shop', to: 'benchmark/shop' },
    ],
    repositories: [{ from: '/src/shop', to: 'benchmark/shop' }],
    mounts: [{ source: `${V}/benchmark/shop`, target: '/src/shop' }],
  });
});

t.test('a benchmark in no repository that builds from the checkout, and from one beside it', async (t) => {
  const places = placesIn(V, {
    root: ROOT,
    dir: '/tmp/probe',
    top: null,
    repositories: ['.', '../api', '/home/me/api'],
  });
  t.match(places, {
    dir: `${V}/benchmark/probe`,
    trees: [{ to: 'checkout' }, { from: '/tmp/probe', to: 'benchmark/probe' }],
    repositories: [
      { from: ROOT, to: 'checkout' },
      { from: '/home/me/api', to: 'repository-1' },
    ],
    mounts: [
      { source: `${V}/repository-1`, target: `${V}/api` },
      { source: `${V}/repository-1`, target: '/home/me/api' },
    ],
  });
});

t.test('a folder whose name begins as that of the checkout does is none of it', async (t) => {
  t.equal(
    placesIn(V, { root: ROOT, dir: `${ROOT}-perf/a`, top: `${ROOT}-perf`, repositories: [] }).dir,
    `${V}/benchmark/mayfly-perf/a`,
  );
  t.equal(placesIn(V, { root: ROOT, dir: `${ROOT}/..a`, top: ROOT, repositories: [] }).dir, `${V}/checkout/..a`);
});

t.test('flags that mean something of this host are answered here', async (t) => {
  t.strictSame(
    argumentsThere(
      {
        benchmark: ['shop'],
        commit: ['abc'],
        label: ['a=1', 'b=2'],
        master: [],
        json: [],
        strict: [],
        markdown: ['a.md'],
        objstore: ['s3.yaml'],
      },
      '/far/shop',
    ),
    ['--benchmark=/far/shop', '--json', '--commit=abc', '--label=a=1', '--label=b=2', '--master'],
  );
});
