/* Generated from benchmark.schema.json by `npm run generate`. */

/**
 * How a profile of the service is taken, in one more round that does not count: `cpu`, by its telemetry library (Node.js); `perf`, of its processes from outside; `pprof`, from an endpoint of its own. Left out by `--no-profile`.
 */
export type Profile =
  | string
  | {
      /**
       * Where the service answers with a CPU profile in the form of pprof; it is asked for the seconds of the window.
       */
      pprof: {
        /**
         * Container port.
         */
        port: number;
        /**
         * Path of the profile.
         */
        path: string;
      };
    };
/**
 * A second Compose file of the benchmark's folder, which is laid over `services` as `docker compose -f services -f compose` does. It says only what is different; the same is allowed in it.
 */
export type Compose = string;

/**
 * A benchmark: how its services are built and started, the load they get, and what is measured. Defaults are filled in.
 */
export interface BenchmarkSpec {
  /**
   * Under which its runs are kept, with the repository under test. Default: in `benchmarks/` of this checkout the name of the folder; elsewhere the path of the folder from the root of the repository that it lies in, `perf/search` as `perf-search`. Another repository's benchmark of the same name gets a name that tells them apart.
   */
  name?: string;
  /**
   * What the benchmark measures, in one sentence.
   */
  description: string;
  /**
   * The images that are built at the commit, by name. The Compose file gets the image of `shop` as `${MAYFLY_IMAGE_SHOP}` (capitals, `-` becomes `_`). A build is made once for each commit and recipe.
   */
  build: {
    [k: string]: Build;
  };
  /**
   * The Compose file of the services under test, from the benchmark's folder. Every service needs a health check, but for those that end before others start (`depends_on` with `condition: service_completed_successfully`): migrations, seeding. Networks, ports and privileges are Mayfly's.
   */
  services: string;
  load: Load;
  /**
   * Container ports that Prometheus scrapes every second, on each replica of the service: they answer as soon as it is healthy.
   */
  scrape: Scrape[];
  /**
   * Services that write telemetry files ([telemetry.md](telemetry.md)): each gets a folder of its own, which is memory and limited, and its path in `MAYFLY_TELEMETRY`. What they write is taken out while the round goes on, summed up by label after it, and kept in the archive beside what was scraped.
   */
  telemetry: Telemetry[];
  broker?: Broker;
  traces?: Traces;
  replicas?: Replicas;
  compose?: Compose;
  balancer?: Balancer;
  autoscale?: Autoscale;
  /**
   * Deployments of the same services, by name ([deployments.md](deployments.md)). What a variant names stands in place of what the top of the file names: `replicas`, `compose`, `balancer` and `autoscale`, each as a whole. Chosen by `--variant` and `--against-variant`.
   */
  variants: {
    [k: string]: Variant;
  };
  /**
   * What is done to the services in the window of every round, to both sides at the same time ([deployments.md](deployments.md#disturbances)).
   */
  disturbances: Disturbance[];
  /**
   * Valid rounds of a run of one commit. Each starts fresh containers, warms up and measures one window. Overridden by `--rounds`. A comparison takes as many as it needs: see `comparison`.
   */
  rounds: number;
  /**
   * Invalid rounds that are measured again, in the whole run; in a comparison one more for every two valid rounds.
   */
  retries: number;
  /**
   * Built-in metrics that are judged in a special way, by name alone, and metrics of the benchmark's own, with PromQL, of telemetry, of a service's CPU time or of traces. Built-in metrics that are not listed are measured too.
   */
  metrics: Metric[];
  comparison: Comparison;
  jobs: Jobs;
  /**
   * What the service must keep to: metric to its limit, the greatest value where less is better, the least where more is. `npm run capacity` searches the highest rate at which all of them hold.
   */
  objectives: {
    [k: string]: number | string;
  };
  allow: Allow;
  /**
   * How long the services may take to become healthy, and those that end before others start to end.
   */
  ready_timeout: string;
  /**
   * What a container of a service may write to the disk in a round, its writable layer and its volumes together. A run of one that writes more is ended. Bounded by the memory limit instead: tmpfs.
   */
  disk_limit: string;
}
/**
 * How one image is built: exactly one of `git`, `image` and `command`.
 */
export interface Build {
  git?: Git;
  /**
   * An image that exists for each commit, with `${commit}` in its name. It is pulled.
   */
  image?: string;
  /**
   * A program and its arguments, started in the benchmark's folder. It gets the commit in `MAYFLY_COMMIT` and must produce the image that `MAYFLY_IMAGE` names. No shell is involved.
   */
  command?: string[];
}
/**
 * Built by Docker from the files of the commit; the working tree is not touched.
 */
export interface Git {
  /**
   * A folder, from the root of this checkout, or a URL without a user or a password (for ssh the user may stay).
   */
  repository: string;
  /**
   * The folder in the repository that the build sees.
   */
  context: string;
  /**
   * The Dockerfile, from the context.
   */
  dockerfile: string;
  /**
   * Build arguments. `${commit}` in a value is the commit's hash, `${version}` its version as `git describe --tags` says it: the build does not see `.git`.
   */
  args: {
    [k: string]: string | number | boolean;
  };
  /**
   * What the build may reach: nothing (`none`), the engine's default network, or the host's own.
   */
  network: 'none' | 'default' | 'host';
  /**
   * Who builds: the engine's classic builder, whose steps have limits on memory, processes and disk, or BuildKit, which knows `RUN --mount`, heredocs and `COPY --link`, and whose steps have none on memory and processes.
   */
  builder: 'classic' | 'buildkit';
}
/**
 * The load. As an open model, with `rate`, `stages` or `schedule`, an iteration starts when it is due, whether or not those before it have ended. As a closed model, with `users`, each user starts its next iteration when the one before has ended. With `scenarios` there are several models side by side.
 */
export interface Load {
  /**
   * A load script in TypeScript (or JavaScript), from the benchmark's folder. The load generator sees this folder and nothing else.
   */
  script?: string;
  /**
   * A file of requests, from the benchmark's folder, that is played as it was recorded: CSV with the columns at, method and path, and where wanted name and body, or one JSON object a line with these fields. Further ones are for the script. `at`: seconds from the start of the window, never fewer than in the line before. `method`: GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS. The window ends with the last of them. `script` is optional with it.
   */
  schedule?: string;
  /**
   * The image of another load generator. It gets a constant rate. One container for each side gets RATE, DURATION, TARGET, MAX_IN_FLIGHT, VUS (the same number), SIDE, ROUND, PHASE and REMOTE_WRITE_URL in its environment.
   */
  image?: string;
  /**
   * Arguments of the load generator. `${RATE}` and the like are filled in.
   */
  command?: string[];
  /**
   * Where the load generator shows its metrics, if it does.
   */
  scrape?: {
    /**
     * Container port.
     */
    port: number;
    /**
     * Path of the metrics.
     */
    path: string;
  };
  /**
   * PromQL for the number of requests sent. Validity and CPU per request need it. Its $window reaches 1.5 s of quiet beyond both ends of the measured window, so that a counter is flat there: take the difference of its greatest and its least value, which is exact. A generator that ends with its load cannot be scraped to the last request; the counter of the service can.
   */
  requests?: string;
  /**
   * PromQL for the number of requests that failed, in the same window as `requests`.
   */
  failed?: string;
  /**
   * PromQL for the number of requests that were due and not sent, in the same window as `requests`.
   */
  dropped?: string;
  /**
   * URL of the service under test; its host is a service of the Compose file.
   */
  target: string;
  /**
   * Iterations per second for each side; one iteration is one request. With `stages` it is the rate of the warm-up, from which the first stage moves. Overridden by `--rate`.
   */
  rate?: number;
  /**
   * Length of the measured window, at least 1 s. It cuts a `schedule` that is longer; with `users` it is the most that the window may take, and so it is with `scenarios` that all have `users`. Overridden by `--duration`.
   */
  duration?: string;
  /**
   * Load before the window, at the rate with which the window begins (of a `schedule` at its mean rate); not measured. One of 2 s or more climbs to that rate in its first second. With `users` there is none; of `scenarios` those with a rate have one. Overridden by `--warmup`.
   */
  warmup?: string;
  /**
   * Stages of an open model, one after the other, in place of `duration`: in each the rate moves evenly from that of the one before to its own.
   */
  stages?: Stage[];
  /**
   * When the iterations of an open model are due. `constant`: evenly spaced. `poisson`: at random and independently of each other, as from many people, at the same rate on average.
   */
  arrivals?: 'constant' | 'poisson';
  /**
   * Users of a closed model, on each side. Each of them makes its `iterations` one after the other, and the window ends when all have.
   */
  users?: number;
  /**
   * Iterations of each user.
   */
  iterations?: number;
  /**
   * Several models side by side in one window of `duration`, by name: a steady rate beside users who do something once. The script has a function for each ([loadgen.md](loadgen.md#scenarios)), the report a row, and there are metrics of each: `<name>_p95` and others.
   */
  scenarios?: {
    [k: string]: Scenario;
  };
  /**
   * Time that a user waits between two iterations.
   */
  think?: string;
  /**
   * Requests of a side that may be under way at once. One that is due beyond it is dropped, and the round INVALID.
   */
  max_in_flight?: number;
  /**
   * After this time a request has failed. From 1 ms to 1 h.
   */
  timeout?: string;
  /**
   * Threads of the load generator that send. More than one is for rates that one core cannot send.
   */
  workers?: number;
}
/**
 * One stage of an open model.
 */
export interface Stage {
  /**
   * Iterations per second for each side at the end of the stage. Not all stages may have 0.
   */
  rate: number;
  /**
   * Length of the stage. `0s` is a jump to its rate.
   */
  duration: string;
}
/**
 * One kind of users, with a model of its own: a closed one with `users`, an open one with `rate` or `stages`.
 */
export interface Scenario {
  /**
   * Users of a closed model, on each side.
   */
  users?: number;
  /**
   * Iterations of each user, one after the other.
   */
  iterations?: number;
  /**
   * Time that a user waits between two iterations.
   */
  think?: string;
  /**
   * Iterations per second of an open model, for each side. With `stages` it is the rate from which the first stage moves.
   */
  rate?: number;
  /**
   * How long a `rate` is kept, at least 1 s.
   */
  duration?: string;
  /**
   * Stages of an open model, as in `load/stages`.
   */
  stages?: Stage[];
  /**
   * When the iterations of an open model are due, as in `load/arrivals`.
   */
  arrivals?: 'constant' | 'poisson';
  /**
   * When it begins, from the start of the window.
   */
  start?: string;
  /**
   * Iterations of an open model that may be under way at once on a side. One that is due beyond it is dropped, and the round INVALID.
   */
  max_in_flight?: number;
}
/**
 * One port of one service.
 */
export interface Scrape {
  /**
   * A service of the Compose file.
   */
  service: string;
  /**
   * Container port.
   */
  port: number;
  /**
   * Path of the metrics.
   */
  path: string;
}
/**
 * The telemetry folder of one service. Its replicas share it.
 */
export interface Telemetry {
  /**
   * A service of the Compose file.
   */
  service: string;
  /**
   * Where the container has it: a path that nothing else of the service is mounted at, in or above.
   */
  folder: string;
  /**
   * What fits in the folder, from 1MiB to 4GiB; it is memory, and counts as the service's. A service that fills it has no telemetry from then on, which is told; it goes on itself.
   */
  size: string;
  profile?: Profile;
}
/**
 * What makes a chain asynchronous: a broker, and the trigger service beside it, in each side ([events.md](events.md)). They are the services `broker` and `trigger` there. Every service finds where it sends its events in `K_SINK`.
 */
export interface Broker {
  /**
   * `nats` (JetStream), `rabbitmq`, or a Compose file of the benchmark's folder with one service, `broker`, and its address in `x-mayfly: {url: nats://broker:4222}` or `amqp://...`.
   */
  kind: string;
  /**
   * The triggers, from the benchmark's folder: which events go to which service ([triggers.yaml](#triggersyaml)).
   */
  triggers: string;
  /**
   * After the load has ended, every event must have been delivered or dead-lettered within this time. From 0s to 1h.
   */
  drain: string;
  /**
   * A round in which that did not happen is INVALID (`invalid`), or also counts as a failure of its side (`failure`): where it is the candidate alone, the run fails, as it does with one that dies under the load.
   */
  not_drained: 'invalid' | 'failure';
  /**
   * What fits in the folder in which each service, the trigger service too, records what happens to events, from 1MiB to 4GiB. It is memory. A round whose folder is full is INVALID, since its events cannot be accounted for.
   */
  records: string;
}
/**
 * Spans of the services, gathered by a Zipkin in the run stack. Every service finds the sampling rate, and where its spans go, in the `OTEL_` variables of OpenTelemetry. Overridden by `--traces` and `--no-traces`.
 */
export interface Traces {
  /**
   * Share of traces that are recorded, above 0.
   */
  sampling: number | string;
  /**
   * The slowest traces of each side and round that are kept with the run; as many of a fair sample are kept beside them.
   */
  keep: number;
}
/**
 * How many containers there are of a service, by its name. More than one of the service that gets the load need a `balancer`. A one-shot service, and one whose count stands in the Compose file, is not named here.
 */
export interface Replicas {
  [k: string]: number;
}
/**
 * HAProxy in front of the replicas of a service, as the service `balancer` of the side. It answers under the name of the service, so the load script stays as it is.
 */
export interface Balancer {
  /**
   * A service of the Compose file.
   */
  service: string;
  /**
   * Container port of the service; the balancer listens on the same one.
   */
  port: number;
  /**
   * `cookie`: a session stays at the replica that had it first, by the cookie `MAYFLY`. `none`: every request goes to the next one.
   */
  sticky: 'cookie' | 'none';
  /**
   * Path that a replica answers with 200 where it is well. It is asked every 250 ms.
   */
  health: string;
  /**
   * A replica that is taken away gets no new request, and has this time to end what is under way. From 0s to 1h.
   */
  drain: string;
}
/**
 * How many replicas of a service there are while the load goes on, by the formula of the horizontal autoscaler of Kubernetes. Needs a `balancer` for the service, and a request of its memory (or CPU) in the Compose file: `deploy.resources.reservations`. It starts with `replicas` of the service, else with `min`.
 */
export interface Autoscale {
  /**
   * A service of the Compose file.
   */
  service: string;
  /**
   * What its utilisation is of: use / request, the sums over all replicas.
   */
  metric: 'memory' | 'cpu';
  /**
   * Utilisation that is aimed at, above 0 and at most 1.
   */
  target: number | string;
  /**
   * Least replicas.
   */
  min: number;
  /**
   * Most replicas.
   */
  max: number;
  /**
   * There are fewer replicas only where none of this time wanted more: the stabilisation window. From 0s to 1h.
   */
  cooldown: string;
}
/**
 * A deployment of the benchmark's services. An empty one is what the top of the file says.
 */
export interface Variant {
  replicas?: Replicas;
  compose?: Compose;
  balancer?: Balancer;
  autoscale?: Autoscale;
}
/**
 * One disturbance. Which fields there are depends on `kind`.
 */
export interface Disturbance {
  /**
   * When it begins, from the start of the window.
   */
  at: string;
  /**
   * `rolling-update`: one replica more, then one less, until all are new. `kill-replica`: one is killed, and stays dead. `restart`: one is stopped and started. `pause`: all processes of one stand still. `memory-pressure`: memory of its limit is taken. `network-delay`, `network-loss`: what it sends is late, or lost.
   */
  kind: 'rolling-update' | 'kill-replica' | 'restart' | 'pause' | 'memory-pressure' | 'network-delay' | 'network-loss';
  /**
   * A service of the Compose file. `rolling-update` and `kill-replica` need a `balancer` for it.
   */
  service: string;
  /**
   * How long it lasts; of `pause`, `memory-pressure`, `network-delay` and `network-loss`. It must end within the window.
   */
  for?: string;
  /**
   * Of `rolling-update`: which commit the new replicas have. `own`: the side's own once more. `candidate`: that of the candidate, so that on the other side both serve at once.
   */
  to?: 'own' | 'candidate';
  /**
   * Of `rolling-update`: how long a replica has to end what is under way.
   */
  drain?: string;
  /**
   * Of `memory-pressure`: how much memory is taken; less than the memory limit of the service.
   */
  bytes?: string;
  /**
   * Of `network-delay`: how late each packet is.
   */
  delay?: string;
  /**
   * Of `network-loss`: share of the packets that are lost.
   */
  loss?: number | string;
}
/**
 * A metric of the run.
 */
export interface Metric {
  /**
   * A built-in metric, or a new name for one with `promql`, `telemetry`, `cpu` or `trace`.
   */
  name: string;
  /**
   * One number over the measured window. `$selector` (the labels of the side and round) stands in every `{...}`, `$window` is the length of the window. The labels service, side, round, commit, instance and job are Mayfly's: one of that name of the metric itself is called `exported_service` and so on.
   */
  promql?: string;
  telemetry?: OfTelemetry;
  cpu?: OfCpu;
  trace?: OfTrace;
  /**
   * Unit of the value: `s`, `bytes`, `ratio` (0 to 1), `1/s`, `count`, or any other short word. Known for a built-in metric, of `cpu` and `trace`, and of `telemetry` for a duration and for a label that ends in `_seconds`, `_bytes`, `_ratio` or `_count`.
   */
  unit?: string;
  /**
   * Which direction is an improvement. `neither`: none is, and a change either way is a REGRESSION. Known for a built-in metric.
   */
  better?: 'lower' | 'higher' | 'neither';
  /**
   * Gates the verdict. A round without a value for it is INVALID; where a side of a comparison never has one, that is said after the first round and the other primary metrics decide. The other metrics are only shown.
   */
  primary: boolean;
  /**
   * Smallest relative change worth calling a change.
   */
  margin?: number | string;
}
/**
 * Instead of `promql`: a value of a label that the service has written into its telemetry folder.
 */
export interface OfTelemetry {
  /**
   * A service that `telemetry` lists.
   */
  service: string;
  /**
   * The kind of file: `duration`, `runtime`, `profiler`, or `other` for those of other programs.
   */
  prefix: 'duration' | 'runtime' | 'profiler' | 'other';
  /**
   * The label, whole.
   */
  label: string;
  /**
   * `count`: its samples. `rate`: its samples per second. The others are of their values: in seconds of a duration, else in the unit that the label ends in.
   */
  value: 'count' | 'rate' | 'sum' | 'mean' | 'min' | 'p50' | 'p90' | 'p95' | 'p99' | 'max';
}
/**
 * Instead of `promql`: the CPU time of one service per request.
 */
export interface OfCpu {
  /**
   * A service of the Compose file; with `broker` also `broker` or `trigger`.
   */
  service: string;
}
/**
 * Instead of `promql`: what the traces say of one hop. Needs `traces` at the top of the file.
 */
export interface OfTrace {
  /**
   * The hop: what the tag `mayfly.hop` of its spans says, else the name of the service.
   */
  hop: string;
  /**
   * Of the time that the hop spends itself, without those that it calls: `self_avg` its mean, `self_p95` its 95th percentile; `path_avg`: the mean time of the critical path that is the hop's; `share`: the share of the critical path that is the hop's.
   */
  value: 'self_avg' | 'self_p95' | 'path_avg' | 'share';
}
/**
 * How two commits are compared. The number of rounds is not set: rounds are added while the verdict is open.
 */
export interface Comparison {
  /**
   * `interleaved`: both sides are up in every round and get requests in turn. `alternating`: rounds of one side each, in blocks A B B A, for what cannot run side by side or needs the whole machine. `auto`: interleaved, unless that comes near the limit of the CPUs. Overridden by `--pairing`.
   */
  pairing: 'auto' | 'interleaved' | 'alternating';
  /**
   * Least number of observations before the first look: rounds, or blocks of four alternating rounds.
   */
  min_rounds: number;
  /**
   * Greatest number of observations. Overridden by `--max-rounds`.
   */
  max_rounds?: number;
  /**
   * No round is begun after so many minutes. Overridden by `--max-minutes`.
   */
  max_minutes?: number;
}
/**
 * How `npm run work` treats the jobs of this benchmark.
 */
export interface Jobs {
  /**
   * A newer push to a pull request ends the job of its older one that is running; what was measured is kept. Otherwise only a queued one is replaced.
   */
  cancel_running: boolean;
  /**
   * A job that is not done after this time is ended and has failed.
   */
  deadline: string;
}
/**
 * What a valid round may show. Above one of these it is INVALID, with the reason, and is measured again.
 */
export interface Allow {
  /**
   * Share of requests that may fail.
   */
  failed_requests: number | string;
  /**
   * With `disturbances`: share of the requests of a round that may fail, in place of `failed_requests`. What fails is counted all the same.
   */
  disturbed_failures?: number | string;
  /**
   * Share of the scheduler's periods in which a service may hit its CPU limit.
   */
  throttled: number | string;
  /**
   * Share of the host's CPU time that a hypervisor may take away.
   */
  steal: number | string;
  /**
   * Share of the host's CPU time that processes outside of the run may use.
   */
  outside_load: number | string;
  /**
   * 99th percentile of how late an iteration may start; of two sides in one round how much later than the other side's, since what both share is no property of either.
   */
  start_lag: string;
  /**
   * Share of the CPU time of the services' CPUs (of the whole host, where they share it with the load generator) that a round with both sides up may use: near the limit a slow side slows the other.
   */
  saturation: number | string;
  /**
   * With `broker`: share of the deliveries of a drained round that may be missing.
   */
  lost_events: number | string;
  /**
   * With `broker`: share of the deliveries that may have been given up after all their attempts.
   */
  dead_lettered: number | string;
  /**
   * Names of requests whose answers may differ between the sides in status or size. Of others a difference is said first, and is no IMPROVEMENT. A name may end with `*`; `*` alone is every name.
   */
  answers_differ: string[];
}
