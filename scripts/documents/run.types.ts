/* Generated from mayfly.run.v1.json by `npm run generate`. */

/**
 * One run: what was measured, on what, how, and every sample. What `npm run bench -- --json` and `npm run show -- RUN --json` print and the store keeps.
 */
export interface RunDocument {
  /**
   * Name and version of this document. A later version may add fields; one that changes or removes a field gets a new number.
   */
  schema: 'mayfly.run/v1';
  /**
   * ULID of the run; it begins with the time, so that ids sort by age.
   */
  run_id: string;
  /**
   * The benchmark's name.
   */
  benchmark: string;
  /**
   * `running`; `complete`: as many valid rounds as asked for; `invalid`: too few of them; `interrupted`; `failed`.
   */
  status: 'running' | 'complete' | 'invalid' | 'interrupted' | 'failed';
  /**
   * Why the run is not complete.
   */
  status_reason?: string;
  /**
   * When the run started; ISO 8601, UTC, with milliseconds.
   */
  started_at: string;
  /**
   * When the run ended; ISO 8601, UTC, with milliseconds.
   */
  finished_at?: string;
  /**
   * How two sides meet: `solo` (there is one), `interleaved` (both are up in every round and get requests in turn), `alternating` (rounds of one side each, in blocks A B B A).
   */
  pairing: 'solo' | 'interleaved' | 'alternating';
  /**
   * What was measured.
   */
  sides: {
    candidate: Side;
    baseline?: Side1;
  };
  host: Host;
  /**
   * Hash of everything in the stack that could change a measurement but the services under test.
   */
  stack_version: string;
  /**
   * What `--label` gave.
   */
  labels: {
    [k: string]: string;
  };
  /**
   * The load that was asked for.
   */
  load: {
    /**
     * `mayfly` and its version, the image of another generator, or `k6` in runs of before Mayfly had its own.
     */
    generator: string;
    /**
     * URL of the service under test.
     */
    target: string;
    /**
     * Iterations per second for each side, over the window: of stages and of a file of requests the mean, of a closed model 0.
     */
    rate: number;
    /**
     * Length of the measured window in seconds; of a closed model the most that it may take.
     */
    duration_s: number;
    /**
     * Load before the window in seconds.
     */
    warmup_s: number;
    /**
     * Iterations of a side that may be under way at once. Absent in older runs.
     */
    max_in_flight?: number;
    /**
     * Virtual users: older runs have them in place of `max_in_flight`.
     */
    vus?: number;
    /**
     * `open`: iterations start when they are due. `closed`: each user starts its next one when the one before has ended. Absent in runs of before there was a choice: `open`.
     */
    model?: 'open' | 'closed';
    /**
     * When iterations of an open model are due: evenly spaced, at random and independently of each other, or as a file says. Absent in runs of before there was a choice: `constant`.
     */
    arrivals?: 'constant' | 'poisson' | 'file';
    /**
     * Stages of an open model, one after the other. `rate`: iterations per second for each side at the end of the stage; `duration_s`: its length in seconds.
     *
     * Items: A stage.
     */
    stages?: {
      /**
       * Iterations per second for each side at its end.
       */
      rate: number;
      /**
       * Its length in seconds.
       */
      duration_s: number;
    }[];
    /**
     * Users of a closed model, on each side.
     */
    users?: number;
    /**
     * Iterations of each user of a closed model.
     */
    iterations?: number;
    /**
     * Seconds that a user of a closed model waits between two iterations.
     */
    think_s?: number;
    /**
     * Seconds after which a request has failed.
     */
    timeout_s?: number;
    /**
     * Threads of the load generator that send.
     */
    workers?: number;
    /**
     * Hash of the load script, of everything that it imports from the benchmark's folder, and of its data files. Absent where there is no script, and in runs of before it was known.
     */
    workload?: string;
  };
  /**
   * Disjoint sets of CPUs, in the syntax of `cpuset.cpus`; null where the host has too few.
   */
  cpusets: {
    /**
     * CPUs of the services under test.
     */
    services: string | null;
    /**
     * CPUs of the load generator.
     */
    loadgen: string | null;
    /**
     * CPUs of Prometheus and the exporter.
     */
    metrics: string | null;
  };
  /**
   * Valid rounds that were asked for; of a comparison the greatest number.
   */
  rounds_asked: number;
  comparison?: Comparison;
  /**
   * It belongs to the master set: the history of the default branch, or of `branch`. Absent: it does not.
   */
  master?: boolean;
  /**
   * The branch that its commit is for (`--branch`): the one that it goes into, or whose master set it belongs to. Absent: the default one.
   */
  branch?: string;
  /**
   * Id of the interrupted run whose rounds it has taken over (`--resume`). Absent for other runs.
   */
  continues?: string;
  /**
   * What has to be said of how it came about, one sentence each: that its anchor was removed by a force push, or is that of another host. Absent where there is nothing.
   */
  notes?: string[];
  /**
   * What was measured, built in, by PromQL or of telemetry.
   */
  metrics: Metric[];
  /**
   * Names of requests whose answers the benchmark lets differ between the sides (`allow.answers_differ`). Absent where it names none.
   */
  answers_differ?: string[];
  /**
   * Profiles of its services, from a round of their own after the last one that counts: the files, by side, service and process. Absent where none was asked for, or none came.
   */
  profiles?: Profile[];
  /**
   * Functions whose share of the CPU differs most between the sides, by their profiles: of each service at most five that grew, the one that grew most first, then at most five that shrank. They never count for the verdict. Absent without profiles of both sides.
   */
  profile_changes?: ProfileChange[];
  /**
   * One entry for each side of each round, in the order in which they were measured, invalid ones too.
   */
  rounds: Round[];
  /**
   * What a comparison decided: a document of its own, [mayfly.verdict/v1](verdict-document.md). Absent until there is one.
   */
  verdict?: {
    /**
     * Its name and version.
     */
    schema: 'mayfly.verdict/v1';
  };
  capacity?: Capacity;
  archive?: Archive;
  /**
   * The images of the stack itself.
   *
   * Items: An image.
   */
  stack_images: {
    /**
     * Its name.
     */
    ref: string;
    /**
     * Its content's id.
     */
    id: string;
    /**
     * Where it came from: already here, pulled or built.
     */
    source: string;
  }[];
  /**
   * The Compose configurations as they were started, by project.
   */
  compose: {};
}
/**
 * The side of `--commit`.
 */
export interface Side {
  /**
   * The commit as the user wrote it: HEAD, a tag, worktree.
   */
  ref: string;
  /**
   * Full hash; the version itself where nothing is built from git; `worktree-` and the hash of the tree for an uncommitted state.
   */
  commit: string;
  /**
   * First line of the commit message, where there is one.
   */
  subject?: string;
  /**
   * The images of the services under test.
   *
   * Items: An image.
   */
  images: {
    /**
     * Its name in `build` of benchmark.yaml.
     */
    name: string;
    /**
     * Under which it is found again.
     */
    tag: string;
    /**
     * Its content's id.
     */
    id: string;
    /**
     * What it was built from: the images of `FROM`, with their ids at the time. Absent of an image that was not built from git, and of runs before this was recorded.
     */
    bases?: {
      /**
       * As the Dockerfile names it.
       */
      ref: string;
      /**
       * Its content's id.
       */
      id: string;
    }[];
    /**
     * `cached`: found from an earlier run.
     */
    source: 'built' | 'cached' | 'pulled';
  }[];
}
/**
 * The side of `--against`.
 */
export interface Side1 {
  /**
   * The commit as the user wrote it: HEAD, a tag, worktree.
   */
  ref: string;
  /**
   * Full hash; the version itself where nothing is built from git; `worktree-` and the hash of the tree for an uncommitted state.
   */
  commit: string;
  /**
   * First line of the commit message, where there is one.
   */
  subject?: string;
  /**
   * The images of the services under test.
   *
   * Items: An image.
   */
  images: {
    /**
     * Its name in `build` of benchmark.yaml.
     */
    name: string;
    /**
     * Under which it is found again.
     */
    tag: string;
    /**
     * Its content's id.
     */
    id: string;
    /**
     * What it was built from: the images of `FROM`, with their ids at the time. Absent of an image that was not built from git, and of runs before this was recorded.
     */
    bases?: {
      /**
       * As the Dockerfile names it.
       */
      ref: string;
      /**
       * Its content's id.
       */
      id: string;
    }[];
    /**
     * `cached`: found from an earlier run.
     */
    source: 'built' | 'cached' | 'pulled';
  }[];
}
/**
 * The machine, for telling which runs may be compared.
 */
export interface Host {
  /**
   * Hash of the fields below.
   */
  id: string;
  /**
   * Model of the CPU.
   */
  cpu_model: string;
  /**
   * Number of cores.
   */
  cores: number;
  /**
   * Memory in bytes.
   */
  memory_bytes: number;
  /**
   * Version of the kernel.
   */
  kernel: string;
  /**
   * Name of the system.
   */
  os: string;
  /**
   * Version of the Docker engine.
   */
  engine: string;
}
/**
 * The design of a comparison. Absent for one side.
 */
export interface Comparison {
  /**
   * `sequential`: rounds are added while the verdict is open; `fixed`: judged once, at the end.
   */
  design: 'sequential' | 'fixed';
  /**
   * Observations before the first look.
   */
  min: number;
  /**
   * Greatest number of observations; the same as `min` for a fixed design.
   */
  max: number;
  /**
   * No round is begun after so many minutes. Absent: no limit.
   */
  max_minutes?: number;
}
/**
 * A metric: what it is called, how it is read, and how it is judged.
 */
export interface Metric {
  /**
   * Key in `samples`.
   */
  name: string;
  /**
   * `s`, `bytes`, `ratio` (0 to 1), `1/s`, `count` or a word of the benchmark.
   */
  unit: string;
  /**
   * Which direction is an improvement; `neither`: a change either way is what is looked for.
   */
  better: 'lower' | 'higher' | 'neither';
  /**
   * Gates the verdict; the others are only shown.
   */
  primary: boolean;
  /**
   * Smallest relative change worth calling a change: 0.01 is 1 %.
   */
  margin: number;
  /**
   * Where the margin is from: said by the benchmark, the default, or raised to what the host's calibration can see.
   */
  margin_from?: 'benchmark' | 'default' | 'calibration';
  /**
   * The query, with $window and $selector; absent for a metric that is built in or of telemetry.
   */
  promql?: string;
  /**
   * Which label of a service's telemetry it is, and which value of it; absent for other metrics.
   */
  telemetry?: {
    /**
     * The service of the Compose file.
     */
    service: string;
    /**
     * The kind of file.
     */
    prefix: 'duration' | 'runtime' | 'profiler' | 'other';
    /**
     * The label.
     */
    label: string;
    /**
     * The field of `telemetry/labels` of a round.
     */
    value: 'count' | 'rate' | 'sum' | 'mean' | 'min' | 'p50' | 'p90' | 'p95' | 'p99' | 'max';
  };
  /**
   * Why the values of the two sides of this run cannot be compared: no verdict is made of them. Absent where they can.
   */
  incomparable?: string;
}
/**
 * A file of a profiler.
 */
export interface Profile {
  /**
   * The side that was profiled.
   */
  side: 'candidate' | 'baseline';
  /**
   * Its service.
   */
  service: string;
  /**
   * The process and thread, or the replica, as the profiler names it.
   */
  instance: string;
  /**
   * What has made it: the telemetry library in the service (`cpu`), `perf` from outside, or an endpoint of the service (`pprof`).
   */
  kind: 'cpu' | 'perf' | 'pprof';
  /**
   * Samples at which the CPU was at work; 0 of a file that cannot be read.
   */
  samples: number;
  /**
   * How long it was profiled; 0 of a file that cannot be read.
   */
  seconds: number;
  /**
   * Name of the file, beside the chunks of the run's newest block.
   */
  file: string;
  /**
   * Why the file cannot be read; it is kept as it is. Absent where it can.
   */
  fault?: string;
}
/**
 * A function, and how much of the CPU it took on each side, with what it calls in Node.js and V8.
 */
export interface ProfileChange {
  /**
   * The service that it is of.
   */
  service: string;
  /**
   * Its name, as the profiler gives it.
   */
  name: string;
  /**
   * The file or module; empty of what is in no function.
   */
  url: string;
  /**
   * The line in it, of the candidate; 0: not known.
   */
  line: number;
  candidate: ProfileSamples;
  baseline: ProfileSamples;
  /**
   * Share of the candidate less that of the baseline: 0.05 is 5 points more.
   */
  change: number;
  /**
   * Lower bound of its 95 % interval, as far as the numbers of samples tell.
   */
  low: number;
  /**
   * Upper bound.
   */
  high: number;
  /**
   * Whether it is more than so many samples make by chance, though so many functions are looked at.
   */
  sure: boolean;
}
/**
 * Samples that were in it, of all at which the CPU was at work.
 */
export interface ProfileSamples {
  /**
   * Samples in it.
   */
  samples: number;
  /**
   * All of its side.
   */
  of: number;
}
/**
 * One side of one round: one observation.
 */
export interface Round {
  /**
   * Which side.
   */
  side: 'candidate' | 'baseline';
  /**
   * 1 for the first round; a round that is measured again has a number of its own.
   */
  round: number;
  /**
   * Alternating: number of the block of four rounds that it belongs to, from 1.
   */
  block?: number;
  /**
   * The run that measured it, where it was taken over from an interrupted one.
   */
  from_run?: string;
  /**
   * Requests per second that were asked for, where it is not the run's: a probe of `npm run capacity`.
   */
  rate?: number;
  /**
   * Whether it counts.
   */
  valid: boolean;
  /**
   * Why it is INVALID; empty for a valid round.
   *
   * Items: A reason.
   */
  reasons: {
    /**
     * For machines.
     */
    code:
      | 'dropped-iterations'
      | 'rate-missed'
      | 'start-lag'
      | 'out-of-memory'
      | 'restarted'
      | 'throttled'
      | 'failed-requests'
      | 'host-steal'
      | 'host-load'
      | 'generator-failed'
      | 'no-samples'
      | 'saturated'
      | 'clock-set';
    /**
     * A sentence for people.
     */
    message: string;
  }[];
  /**
   * Start of the measured window; ISO 8601, UTC, with milliseconds.
   */
  started_at: string;
  /**
   * Length of the measured window in seconds.
   */
  window_s: number;
  /**
   * Metric name to its value over the window. A metric that gave no value is absent.
   */
  samples: {
    [k: string]: Sample;
  };
  /**
   * What failed in the window, by kind, most often first. Absent where nothing did, and in rounds of before it was kept.
   *
   * Items: Requests that failed in one way. The texts come from the service and from the load script.
   */
  failures?: {
    /**
     * `refused`, `reset`, `timeout`, `dns`, `unreachable`, `tls`, `protocol`, `too-large`, `status`, `check`, `grpc`, `script`, `error`.
     */
    kind: string;
    /**
     * What tells it apart within its kind: the status, the check, the code. Empty where nothing does.
     */
    detail: string;
    /**
     * How often.
     */
    count: number;
    /**
     * The first of them. `name`: of the request, empty where it was none; `request`: its method and path, where the name does not say them; `message`: what was seen.
     */
    example: {
      name: string;
      request?: string;
      message: string;
    };
  }[];
  /**
   * What came back in the window. Where it is there, latency and response times are of requests and iterations that did not fail; in rounds of before it was kept they are of all.
   */
  answers?: {
    /**
     * Requests that ended.
     */
    requests: number;
    /**
     * Those of them that failed, and iterations that threw.
     */
    failed: number;
    /**
     * By name of request. Empty where another load generator made the load.
     *
     * Items: Requests of one name.
     */
    names: {
      /**
       * Their name.
       */
      name: string;
      /**
       * How many ended.
       */
      requests: number;
      /**
       * Those of them that failed.
       */
      failed: number;
      /**
       * Answers by status, most frequent first; those without a body apart from those with one.
       *
       * Items: Answers that are alike.
       */
      answers: {
        /**
         * HTTP status; of gRPC its code; 0: no answer, or one of another client.
         */
        status: number;
        /**
         * Kind of the failure; null where it is none.
         */
        failure: string | null;
        /**
         * How many.
         */
        count: number;
        /**
         * Mean size of their bodies, as they came over the wire.
         */
        bytes: number;
        /**
         * Standard deviation of the size.
         */
        deviation: number;
        /**
         * Their media types, most frequent first. Absent in rounds of before they were kept.
         *
         * Items: Those of one media type.
         */
        types?: {
          /**
           * As text/html, without what may follow it; empty where no Content-Type was given.
           */
          type: string;
          /**
           * How many.
           */
          count: number;
        }[];
      }[];
    }[];
  };
  /**
   * Scrape targets whose metrics have a hole in the window. Absent where none has.
   *
   * Items: A scrape target.
   */
  holes?: {
    /**
     * Its service.
     */
    service: string;
    /**
     * Its replica.
     */
    instance: string;
    /**
     * Scrapes of the window that went well.
     */
    scraped: number;
    /**
     * Scrapes that the window has time for.
     */
    of: number;
    /**
     * What Prometheus said of it last; absent where it said nothing.
     */
    error?: string;
  }[];
  /**
   * What the services wrote into their telemetry folders, in the window. Absent where the benchmark names none, and in rounds of before there was telemetry.
   */
  telemetry?: {
    /**
     * At most 200 of each service, the most frequent first.
     *
     * Items: One label of one service.
     */
    labels: {
      /**
       * The service that wrote it.
       */
      service: string;
      /**
       * The kind of file.
       */
      prefix: 'duration' | 'runtime' | 'profiler' | 'other';
      /**
       * What was measured.
       */
      label: string;
      /**
       * `s`, `bytes`, `ratio`, `count`; empty where the file does not say.
       */
      unit: string;
      /**
       * Samples in the window.
       */
      count: number;
      /**
       * Samples per second of the window.
       */
      rate: number;
      /**
       * All values together.
       */
      sum: number;
      /**
       * Their mean.
       */
      mean: number;
      /**
       * The least.
       */
      min: number;
      /**
       * The median.
       */
      p50: number;
      /**
       * The 90th percentile.
       */
      p90: number;
      /**
       * The 95th percentile.
       */
      p95: number;
      /**
       * The 99th percentile.
       */
      p99: number;
      /**
       * The greatest.
       */
      max: number;
    }[];
    /**
     * What has to be said of the files, one sentence each: lines that are none, and from when on telemetry is missing. Absent where there is nothing.
     */
    notes?: string[];
  };
}
/**
 * One value of one metric for one side of one round.
 */
export interface Sample {
  /**
   * The value.
   */
  value: number;
  /**
   * Its unit.
   */
  unit: string;
}
/**
 * What `npm run capacity` found. Absent for other runs.
 */
export interface Capacity {
  /**
   * Its name and version.
   */
  schema: 'mayfly.capacity/v1';
  /**
   * Requests per second; null where not even the lowest rate met them.
   */
  capacity: number | null;
  /**
   * The lowest rate that was seen to fail; null where the search ended at its cap.
   */
  fails_at: number | null;
  /**
   * `objectives`: the service's own limit. `generator`: the load generator could not go on. `cap`: `--max-rate` was reached.
   */
  limited_by: 'objectives' | 'generator' | 'cap';
  /**
   * What had to hold: metric to its limit, in the metric's unit.
   */
  objectives: {
    [k: string]: number;
  };
  /**
   * Every rate that was tried, in order.
   */
  probes: Probe[];
}
/**
 * One round at one rate.
 */
export interface Probe {
  /**
   * Requests per second.
   */
  rate: number;
  /**
   * The objectives held.
   */
  met: boolean;
  /**
   * What did not hold.
   */
  why?: string;
  /**
   * The round in `rounds`.
   */
  round: number;
}
/**
 * Where the raw metrics are. Absent where there are none.
 */
export interface Archive {
  /**
   * Folder, or type and name of the bucket.
   */
  bucket: string;
  /**
   * ULIDs of the blocks.
   */
  blocks: string[];
  /**
   * Every block was seen whole in the bucket.
   */
  verified: boolean;
  /**
   * The snapshot waits on this host for `npm run archive:push`.
   */
  pending: boolean;
  /**
   * Why it waits.
   */
  error?: string;
  /**
   * When its blocks were marked for removal: the record of the run stays, its raw metrics go. ISO 8601, UTC, with milliseconds.
   */
  removed_at?: string;
  requests?: Requests;
}
/**
 * Its requests one by one, in its newest block (docs/requests.md). Absent where none were kept, and in runs of before they were.
 */
export interface Requests {
  /**
   * Paths in the bucket, a Parquet file for each round.
   */
  files: string[];
  /**
   * Requests that were kept.
   */
  rows: number;
  /**
   * Size of the files.
   */
  bytes: number;
  /**
   * They went to the bucket with their block, whose meta.json was seen there.
   */
  verified: boolean;
}
