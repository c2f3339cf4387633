/** The k6 container of a round, as a value. */
import { createHash } from 'node:crypto';
import { basename, relative } from 'node:path';
import type { ContainerSpec } from '../stack/engine.ts';
import { LABEL, sideTarget } from '../plan/names.ts';
import type { Plan } from '../plan/plan.ts';
import { thisUser } from '../plan/process.ts';

/** Quiet time between warm-up and window, and after the window: CPU counters are read in its middle, so that no edge needs exact timing. */
export const GAP_S = 0.5;

/** The order of sides and requests differs from round to round and from run to run, and can be told again from both. */
export const seedOf = (runId: string, round: number) => createHash('sha256').update(`${runId} ${round}`).digest().readUInt32BE(0);

/** Endless answers of a service fill this and no more. */
const memoryOf = (plan: Plan) => Math.floor(plan.host.memory_bytes / 2);

/** One k6 for all sides of the round: its library sends each iteration to its side. `prometheusUrl` is as seen from the control network. */
export function k6Container(plan: Plan, round: number, image: string, paths: { root: string }): ContainerSpec {
  const { load } = plan.config;
  if (load.generator.kind !== 'k6') throw new TypeError('the load generator is not k6');
  const sides = plan.sides.map((side) => side.name);
  // No redirects: k6 is in the control network too, and a service could send it to any address. A script can ask for them by request.
  return {
    name: `${plan.project}-k6-${round}`,
    image,
    cmd: ['run', '--quiet', '--no-color', '--no-usage-report', '--address', '', '--max-redirects', '0', '--out', 'experimental-prometheus-rw', `/benchmark/${relative(plan.config.dir, load.generator.script) || basename(load.generator.script)}`],
    env: {
      RATE: String(load.rate),
      DURATION_S: String(load.durationS),
      WARMUP_S: String(load.warmupS),
      GAP_S: String(GAP_S),
      VUS: String(load.vus),
      SIDES: sides.join(','),
      ...Object.fromEntries(plan.sides.flatMap((side) => [
        [`TARGET_${side.name.toUpperCase()}`, sideTarget(load.target, side.name)],
        [`COMMIT_${side.name.toUpperCase()}`, side.commit],
      ])),
      ROUND: String(round),
      SEED: String(seedOf(plan.runId, round)),
      K6_PROMETHEUS_RW_SERVER_URL: 'http://prometheus.control:9090/api/v1/write',
      K6_PROMETHEUS_RW_PUSH_INTERVAL: '1s',
      K6_PROMETHEUS_RW_TREND_AS_NATIVE_HISTOGRAM: 'true',
      K6_PROMETHEUS_RW_STALE_MARKERS: 'true',
      // With Go's own setting k6 collects garbage so often that its pauses are in the p99 of a fast service: 1.7 times
      // what vegeta saw on the same target, 1.2 times with this one (perf:generator, 300/s on two cores, six pairs).
      GOGC: '1000',
      GOMEMLIMIT: '1GiB',
    },
    user: thisUser(), // who may read the benchmark's folder
    labels: { ...plan.labels, [LABEL.service]: 'k6', [LABEL.round]: String(round) },
    binds: [`${paths.root}/loadgen:/loadgen:ro`, `${plan.config.dir}:/benchmark:ro`],
    networks: [plan.networks.control, ...sides.map((side) => plan.networks[side]!)],
    cpuset: plan.cpusets.loadgen,
    pidsLimit: 4096,
    memoryBytes: memoryOf(plan),
  };
}
