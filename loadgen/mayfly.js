/**
 * The load library of Mayfly's k6 scripts. A script is this short:
 *
 *     import http from 'k6/http';
 *     import { iteration } from '../../loadgen/mayfly.js';
 *     export { options, setup, handleSummary } from '../../loadgen/mayfly.js';
 *
 *     export default iteration(({ url, params }) => http.get(`${url}/catalogue`, params('catalogue')));
 *
 * The harness mounts the benchmark at /benchmark and this folder at /loadgen, so the relative path holds both there
 * and in the checkout; '/loadgen/mayfly.js' holds for a script that lies elsewhere.
 *
 * The load is an open model: iterations start on a fixed schedule, whether the service keeps up or not. Make one
 * request in an iteration, without sleeping, so that the rate of the benchmark is a rate of requests.
 *
 * The environment, set by the harness:
 *   RATE              iterations per second for each side, fractions allowed
 *   DURATION_S        length of the measured window in seconds
 *   WARMUP_S          length of the warm-up in seconds; default 0
 *   GAP_S             silence between warm-up and window in seconds; default 0.5
 *   VUS               virtual users for each side, all allocated before the load starts
 *   SIDES             candidate, or candidate,baseline; default candidate
 *   TARGET_CANDIDATE  URL of each side, for example http://shop:8080
 *   TARGET_BASELINE
 *   COMMIT_CANDIDATE  commit of each side, for the tag `commit`; default none
 *   COMMIT_BASELINE
 *   ROUND             number of the round; default 1
 *   SEED              integer from which the order of sides and the choice of requests follow; default 1
 */
import exec from 'k6/execution';
import { Trend } from 'k6/metrics';
import { choose, dueMs, generator, pairOf, sideOf, textSeed, wholeRate } from './schedule.js';

const plan = {
  sides: text('SIDES', 'candidate').split(','),
  rate: positive('RATE'),
  durationS: positive('DURATION_S'),
  warmupS: number('WARMUP_S', 0),
  gapS: number('GAP_S', 0.5),
  vus: positive('VUS'),
  round: text('ROUND', '1'),
  seed: number('SEED', 1),
};
const totalRate = plan.rate * plan.sides.length;
const targets = plan.sides.map((side) => text(`TARGET_${side.toUpperCase()}`).replace(/\/+$/, ''));
const commits = plan.sides.map((side) => text(`COMMIT_${side.toUpperCase()}`, ''));
const durationMs = { warmup: plan.warmupS * 1000, measure: plan.durationS * 1000 };

const startLag = new Trend('mayfly_start_lag', true);
const responseTime = new Trend('mayfly_response_time', true);

/**
 * What k6 is told. A script may lay settings of its own over it (`{ ...options, insecureSkipTLSVerify: true }`), but
 * not scenarios. Response bodies are thrown away unless a request asks for its own: params(name, { responseType: 'text' }).
 */
export const options = {
  scenarios: {
    ...(plan.warmupS > 0 && { warmup: scenario({ startS: 0, durationS: plan.warmupS, gracefulStopS: plan.gapS }) }),
    measure: scenario({ startS: plan.warmupS + plan.gapS, durationS: plan.durationS, gracefulStopS: 10 }),
  },
  tags: { round: plan.round },
  // Without url, ip, vu and the like: each would multiply the series. Requests are told apart by `name`.
  systemTags: ['name', 'method', 'status', 'scenario', 'check', 'error_code'],
  summaryTrendStats: ['avg', 'min', 'med', 'max', 'p(90)', 'p(95)', 'p(99)', 'p(99.9)', 'count'],
  thresholds: submetrics(),
  discardResponseBodies: true,
};

/**
 * The default function of a script, around the function that makes the request of one iteration.
 * It picks the side, tags what k6 records from here on with it, and records two trends:
 *   mayfly_start_lag      how much later than scheduled the iteration started
 *   mayfly_response_time  from the scheduled start until `request` returned or its promise settled, so that a stall
 *                         cannot hide
 *
 * @param {(context: import('./mayfly.js').Context) => unknown} request must not do anything that depends on the side
 */
export function iteration(request) {
  return async (data) => {
    const number = exec.scenario.iterationInTest;
    const side = sideOf(number, plan.sides, plan.seed);
    const pair = pairOf(number, plan.sides.length);
    exec.vu.metrics.tags.side = side;
    const commit = commits[plan.sides.indexOf(side)];
    if (commit) exec.vu.metrics.tags.commit = commit;

    const lag = Math.max(0, elapsedMs() - dueMs(number, totalRate));
    const started = clockMs();
    try {
      return await request(context(side, pair, data));
    } finally {
      startLag.add(lag);
      responseTime.add(lag + clockMs() - started);
    }
  };
}

/** Tells the harness when the measured window will be, and hands the same to handleSummary. */
export function setup() {
  const start = Date.now() + (plan.warmupS + plan.gapS) * 1000;
  const window = { start: Math.round(start), end: Math.round(start + durationMs.measure) };
  console.log(`mayfly window start=${window.start} end=${window.end}`);
  return { window };
}

/** Prints every metric as JSON on stdout, which nothing else may write to, with the facts of the round beside them. */
export function handleSummary(data) {
  const { sides, rate, durationS, warmupS, gapS, vus, round, seed } = plan;
  const window = data.setup_data?.window;
  const mayfly = {
    schema: 'mayfly.k6-summary/v1',
    sides, rate, vus, seed, window,
    round: Number(round), duration_s: durationS, warmup_s: warmupS, gap_s: gapS,
  };
  return { stdout: JSON.stringify({ mayfly, metrics: data.metrics }) };
}

function context(side, pair, data) {
  // Not drawn from the side: both sides of a pair make the same request.
  const random = generator(plan.seed, textSeed(exec.scenario.name), pair);
  return {
    side,
    url: targets[plan.sides.indexOf(side)],
    pair,
    data,
    random,
    choose: (choices) => choose(random, choices),
    params,
  };
}

/** k6's parameters of a request that is grouped under `name`; `extra` is laid over them. */
function params(name, extra = {}) {
  return { ...extra, tags: { name, ...extra.tags } };
}

function scenario({ startS, durationS, gracefulStopS }) {
  const vus = plan.vus * plan.sides.length;
  return {
    executor: 'constant-arrival-rate',
    ...wholeRate(totalRate),
    startTime: `${startS}s`,
    duration: `${durationS}s`,
    gracefulStop: `${gracefulStopS}s`,
    preAllocatedVUs: vus,
    maxVUs: vus,
  };
}

/** Thresholds that always hold: k6 keeps a metric of a scenario or a side apart only where a threshold names it. */
function submetrics() {
  const trends = ['http_req_duration', 'mayfly_start_lag', 'mayfly_response_time'];
  const counters = ['http_reqs', 'iterations'];
  const always = {};
  for (const name of ['warmup', 'measure']) always[`dropped_iterations{scenario:${name}}`] = ['count>=0'];
  for (const side of plan.sides) {
    const tags = `{scenario:measure,side:${side}}`;
    for (const name of trends) always[name + tags] = ['max>=0'];
    for (const name of counters) always[name + tags] = ['count>=0'];
    always[`http_req_failed${tags}`] = ['rate>=0'];
  }
  return always;
}

/** Milliseconds since the scenario started, finer than the whole milliseconds of Date.now(). */
function elapsedMs() {
  const { name, progress, startTime } = exec.scenario;
  // progress is time since the start over the duration, in nanoseconds inside; it stays at 1 from the end on.
  return progress < 1 ? progress * durationMs[name] : Date.now() - startTime;
}

/** A clock in milliseconds with nanoseconds inside, for differences. */
function clockMs() {
  return exec.instance.currentTestRunDuration;
}

function positive(name) {
  const value = number(name);
  if (!(value > 0)) throw new Error(`${name} must be above 0, it is ${value}`);
  return value;
}

function number(name, fallback) {
  const value = Number(text(name, fallback));
  if (!Number.isFinite(value)) throw new Error(`${name} must be a number, it is '${__ENV[name]}'`);
  return value;
}

function text(name, fallback) {
  const value = __ENV[name] || fallback;
  if (value === undefined) throw new Error(`${name} is not set; 'npm run bench' sets it, by hand use k6 run -e ${name}=...`);
  return String(value);
}
