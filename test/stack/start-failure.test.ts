/** Who is to blame where a side does not start, and in which words. */
import t from 'tap';
import { CandidateError, InfrastructureError, type MayflyError } from '../../scripts/core/errors.ts';
import type { ContainerState } from '../../scripts/engine/engine.ts';
import { isWell, type Unwell, unwellText } from '../../scripts/engine/up.ts';
import { unreached } from '../../scripts/stack/scrape.ts';
import {
  balancerFailure,
  blameFor,
  type StartFailure,
  scrapeFailure,
  startFailure,
} from '../../scripts/stack/start-failure.ts';

const side = (name: 'candidate' | 'baseline', letter: string) => ({
  name,
  ref: name === 'candidate' ? 'topic' : 'main',
  commit: letter.repeat(40),
});
const [candidate, baseline] = [side('candidate', 'a'), side('baseline', 'b')];
const both = [candidate, baseline];

const state = (laid: Partial<ContainerState>): ContainerState => ({
  id: '1',
  name: 'mayfly-1-candidate-shop-1',
  labels: { 'com.docker.compose.service': 'shop' },
  imageId: 'sha256:1',
  status: 'running',
  running: true,
  startError: '',
  pid: 1,
  exitCode: 0,
  oomKilled: false,
  restartCount: 0,
  health: null,
  probe: null,
  ports: {},
  ...laid,
});
const CRASHED: Unwell = {
  state: state({ status: 'exited', running: false, exitCode: 3, health: 'unhealthy' }),
  log: 'shop is up\nno such table: orders\n',
};
const UNHEALTHY: Unwell = {
  state: state({
    health: 'unhealthy',
    probe: { exitCode: 1, output: 'asking localhost\nwget: connection refused\n' },
  }),
  log: 'listening on 0.0.0.0:8080',
};
const STARTING: Unwell = { state: state({ health: 'starting' }), log: '' };
const NEVER: Unwell = {
  state: state({ status: 'created', running: false, startError: 'driver failed programming external connectivity' }),
  log: '',
};
const KILLED: Unwell = { state: state({ status: 'exited', running: false, exitCode: 137 }), log: '' };
const HUNGRY: Unwell = { state: state({ status: 'exited', running: false, exitCode: 137, oomKilled: true }), log: '' };

const fails = (of: typeof candidate, unwell = CRASHED, output = 'container x exited (3)') =>
  startFailure(of, [unwell], output, 20);
const said = (failures: StartFailure[], sides = both, round = 1): MayflyError => blameFor(failures, sides, round);

t.test('the candidate alone does not start: its own matter, with its log', async (t) => {
  const error = said([fails(candidate)]);
  t.type(error, CandidateError);
  t.equal(error.exitCode, 1);
  t.equal(
    error.message,
    `this commit does not start; the baseline does: candidate (topic, aaaaaaaaaaaa): shop ended with exit code 3 before it was healthy
  shop: ended with exit code 3
    the last lines of its log:
      shop is up
      no such table: orders`,
  );
});

t.test('one that never gets healthy: what its own health check says', async (t) => {
  const first = (unwell: Unwell) =>
    said([fails(candidate, unwell)])
      .message.split('\n')[0]!
      .split('aaaaaaaaaaaa): ')[1];
  t.equal(first(UNHEALTHY), 'shop became unhealthy; its health check says: wget: connection refused');
  t.equal(first(STARTING), 'shop did not become healthy in 20 s');
  t.equal(first(HUNGRY), 'shop ended with exit code 137, out of memory before it was healthy');
  t.equal(
    unwellText([UNHEALTHY, STARTING, NEVER]),
    `  shop: unhealthy
    its health check says (exit code 1):
      asking localhost
      wget: connection refused
    the last lines of its log:
      listening on 0.0.0.0:8080
  shop: its health check has not succeeded
    its health check has not ended once
    its log is empty
  shop: was not started: driver failed programming external connectivity
    its log is empty`,
  );
  const silent = { ...UNHEALTHY, state: state({ health: 'unhealthy', probe: { exitCode: 7, output: '\n' } }) };
  t.match(unwellText([silent]), 'its health check says nothing (exit code 7)');
});

t.test('a one-shot service: its exit code and log, or that it did not end', async (t) => {
  const migrate = (laid: Partial<ContainerState>, log = 'relation orders exists\n'): Unwell => ({
    state: state({ labels: { 'com.docker.compose.service': 'migrate', 'dev.mayfly.one-shot': 'shop' }, ...laid }),
    log,
  });
  const waits = { ...NEVER, state: { ...NEVER.state, startError: '' } };
  const failed = said([
    startFailure(candidate, [waits, migrate({ status: 'exited', running: false, exitCode: 3 })], 'exit 3', 20),
  ]);
  t.type(failed, CandidateError);
  t.equal(
    failed.message,
    `this commit does not start; the baseline does: candidate (topic, aaaaaaaaaaaa): migrate ended with exit code 3, and shop waits until it has ended with 0
  shop: was not started
    its log is empty
  migrate: ended with exit code 3
    the last lines of its log:
      relation orders exists`,
  );
  t.equal(failed.hint, 'A one-shot service does its work and ends with exit code 0; its log says more.');
  const late = startFailure(candidate, [waits, migrate({ health: 'starting' }, 'row 17\n')], '', 20);
  t.equal(
    late.message,
    `candidate (topic, aaaaaaaaaaaa): migrate did not end in 20 s, and shop waits until it has ended with 0
  shop: was not started
    its log is empty
  migrate: has not ended
    its health check has not ended once
    the last lines of its log:
      row 17`,
  );
  t.equal(late.hint, 'Let it do less, or raise ready_timeout in benchmark.yaml.');
  t.equal(said([late]).exitCode, 1);
});

t.test('what is as it should be: all run, and one-shot services have ended with 0', async (t) => {
  const once = { labels: { 'dev.mayfly.one-shot': 'shop' } };
  const ended = { status: 'exited', running: false, health: 'starting' };
  for (const [laid, well] of [
    [{}, true],
    [{ health: 'healthy' }, true],
    [{ health: 'starting' }, false],
    [{ status: 'exited', running: false }, false],
    [{ ...once, ...ended }, true],
    [{ ...once, ...ended, exitCode: 1 }, false],
    [once, false],
    [{ ...once, status: 'created', running: false }, false],
  ] as [Partial<ContainerState>, boolean][])
    t.equal(isWell(state(laid)), well, JSON.stringify(laid));
});

t.test('what waits for a service that has ended is not the reason', async (t) => {
  const { what } = startFailure(candidate, [{ ...NEVER, state: { ...NEVER.state, startError: '' } }, CRASHED], '', 20);
  t.equal(what, 'candidate (topic, aaaaaaaaaaaa): shop ended with exit code 3 before it was healthy');
});

t.test('no matter of the commit, and said so', async (t) => {
  for (const [failures, sides, round, words] of [
    [
      [fails(baseline)],
      both,
      1,
      /^the baseline does not start; this commit does, and is not to blame: baseline \(main/,
    ],
    [
      [fails(candidate), fails(baseline)],
      both,
      1,
      /^neither side starts, so this commit is not to blame: candidate [^\n]*; baseline [^]*orders\n {2}shop:[^]*orders$/,
    ],
    [
      [fails(candidate)],
      [candidate],
      1,
      /^candidate \(topic, a{12}\): shop ended with exit code 3 before it was healthy/,
    ],
    [[fails(candidate)], both, 4, /^candidate did not start in round 4, as it did in the rounds before: candidate \(/],
    [[fails(candidate)], [candidate, { ...baseline, commit: candidate.commit }], 1, /^candidate \(topic/],
    [[fails(candidate, NEVER)], both, 1, /^candidate \(topic, a{12}\): shop was not started: driver failed/],
    [[fails(candidate, KILLED)], both, 1, /^candidate \(topic, a{12}\): shop ended with exit code 137 before/],
    [[fails(candidate, CRASHED, 'no space left on device')], both, 1, /^candidate \(topic/],
    [
      [startFailure(candidate, [], 'network not found\n', 20)],
      both,
      1,
      /^candidate \(topic, a{12}\) did not become healthy in 20 s: network not found$/,
    ],
  ] as [StartFailure[], typeof both, number, RegExp][]) {
    const error = said(failures, sides, round);
    t.type(error, InfrastructureError);
    t.equal(error.exitCode, 4);
    t.match(error.message, words);
    t.ok(error.hint);
  }
});

const wanted = (name: 'candidate' | 'baseline') => ({
  targets: [`mayfly-1-${name}-shop-1:8080`],
  labels: { side: name, service: 'shop', __metrics_path__: '/metrics?all' },
});
const seen = (name: string, up: boolean, error = '') => ({
  job: 'services',
  url: `http://mayfly-1-${name}-shop-1:8080/metrics%3Fall`,
  up,
  error,
});
const REFUSED =
  'Get "http://mayfly-1-candidate-shop-1:8080/metrics": dial tcp 10.0.0.2:8080: connect: connection refused';

t.test('a target that is not scraped is named, with the last error of Prometheus', async (t) => {
  const missing = unreached(
    [wanted('candidate'), wanted('baseline')],
    [seen('candidate', false, REFUSED), seen('baseline', true)],
  );
  const failure = (unwell: Unwell[] = [], of = missing) => scrapeFailure(candidate, of, unwell, 'benchmark.yaml');
  const error = said([failure()]);
  t.type(error, CandidateError);
  t.equal(
    error.message,
    "this commit's metrics cannot be scraped; the baseline's can: candidate (topic, aaaaaaaaaaaa): Prometheus cannot scrape shop:8080/metrics?all (dial tcp 10.0.0.2:8080: connect: connection refused)",
  );
  t.match(error.hint, /as soon as it is healthy\? The targets are under scrape in benchmark\.yaml\./);
  t.match(
    said([failure([CRASHED])]).message,
    /^this commit does not start; the baseline does: candidate [^:]*: shop ended with exit code 3 after it had become healthy\n {2}shop: ended/,
  );
  const slow = unreached([wanted('candidate')], [seen('candidate', false, 'context deadline exceeded')]);
  t.not(said([failure([], slow)]).exitCode, 1, 'slow to answer may be the host');
  t.match(
    said([failure([], slow)]).message,
    /shop:8080\/metrics\?all \(context deadline exceeded: an answer may take 900 ms\)$/,
  );
  const unknown = unreached([wanted('candidate')], []);
  t.match(said([failure([], unknown)]).message, /\(Prometheus has no answer yet\)$/);
  const base = scrapeFailure(baseline, missing, [], 'benchmark.yaml');
  t.match(
    said([base]).message,
    /^the baseline's metrics cannot be scraped; this commit's can, and it is not to blame: /,
  );
  t.match(said([failure(), base]), {
    exitCode: 4,
    message: /^the metrics of neither side can be scraped, so this commit is not to blame: candidate .*; baseline /,
  });
  t.match(said([failure()], both, 3).message, /^candidate could not be scraped in round 3, as it did in the rounds/);
});

t.test('a replica that is healthy, but not by the check of the balancer', async (t) => {
  const of = (side: typeof candidate, found: string) =>
    balancerFailure(side, { port: 8080, health: '/well' }, [{ name: 'api-2', found }], 'benchmark.yaml');
  const error = said([of(candidate, 'L7STS')]);
  t.type(error, CandidateError, 'it answers something else than 200, where the baseline answers 200');
  t.match(error, {
    message:
      'this commit does not start; the baseline does: candidate (topic, aaaaaaaaaaaa): the balancer asks for /well on port 8080 and does not find api-2 (L7STS) well',
    hint: 'balancer/health in benchmark.yaml must answer 200 within a second, as soon as the service is healthy.',
  });
  t.equal(said([of(candidate, 'L4TOUT')]).exitCode, 4, 'slow to answer may be the host');
  t.equal(
    said([of(candidate, 'L7STS'), of(baseline, 'L7STS')]).exitCode,
    4,
    'a path that is wrong is no matter of the commit',
  );
});
