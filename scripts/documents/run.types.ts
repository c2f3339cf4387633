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
   * Of a run with `--target`: the service was deployed already, at this address, and nothing of it was started or seen but its answers. The candidate's commit is a label. Absent: it was built and started.
   */
  deployed?: {
    /**
     * Scheme, host and port.
     */
    url: string;
  };
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
     * Iterations per second for each side, over the window: of stages and of a file of requests the mean, of a closed model 0, of scenarios that of the open ones together.
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
     * `open`: iterations start when they are due. `closed`: each user starts its next one when the one before has ended. `scenarios`: several of these side by side. Absent in runs of before there was a choice: `open`.
     */
    model?: 'open' | 'closed' | 'scenarios';
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
     * Several models side by side in one window, in the order of benchmark.yaml. Absent of a load without any.
     *
     * Items: One scenario.
     */
    scenarios?: {
      /**
       * Its name, that of its function in the script, and of its metrics.
       */
      name: string;
      /**
       * Its own: `open` or `closed`.
       */
      model: 'open' | 'closed';
      /**
       * Seconds from the start of the window to its own.
       */
      start_s: number;
      /**
       * Its iterations of a side that may be under way at once.
       */
      max_in_flight?: number;
      /**
       * Of an open model: iterations per second for each side, with stages those at its start.
       */
      rate?: number;
      /**
       * Of an open model: its length in seconds.
       */
      duration_s?: number;
      /**
       * Of an open model: when its iterations are due.
       */
      arrivals?: 'constant' | 'poisson';
      /**
       * Of an open model: its stages, as `load/stages`.
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
       * Of a closed model: its users, on each side.
       */
      users?: number;
      /**
       * Of a closed model: iterations of each user.
       */
      iterations?: number;
      /**
       * Of a closed model: seconds that a user waits between two iterations.
       */
      think_s?: number;
    }[];
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
   * What was measured: built in, by PromQL, of telemetry, of the CPU time of a service or of traces.
   */
  metrics: Metric[];
  /**
   * Of which share of the requests spans were asked for, and how many traces of each side and round are kept at most: the slowest, and as many of a fair sample. Absent where none were.
   */
  traces?: {
    /**
     * The share, 0 to 1.
     */
    sampling: number;
    /**
     * So many.
     */
    keep: number;
  };
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
   * What the containers of the run and Mayfly itself have logged, as far as it is kept: `npm run logs` reads it (docs/logs.md). Absent of a run that goes on, and where nothing was logged.
   */
  logs?: {
    /**
     * Their names: one for each round, `logs-stack.gz` of the run stack, `logs-harness.gz` of Mayfly.
     */
    files: string[];
    /**
     * The size of all of them.
     */
    bytes: number;
  };
  /**
   * How the memory that services hold grows with the requests, over the rounds that count (docs/resources.md). It never counts for the verdict. Absent where nothing is known of it.
   */
  growth?: Growth[];
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
  /**
   * The variant of the benchmark's deployment; absent where none was named.
   */
  variant?: string;
  /**
   * How its services were started, where the benchmark says more than its Compose file.
   */
  deployment?: {
    /**
     * Service to its number of replicas.
     */
    replicas?: {
      [k: string]: number;
    };
    /**
     * HAProxy in front of a service.
     */
    balancer?: {
      /**
       * In front of which.
       */
      service: string;
      /**
       * `cookie`: a session stays at one replica.
       */
      sticky: 'cookie' | 'none';
    };
    /**
     * How many replicas a service had while the load went on.
     */
    autoscale?: {
      /**
       * Of which.
       */
      service: string;
      /**
       * What its utilisation is of.
       */
      metric: 'memory' | 'cpu';
      /**
       * Utilisation that is aimed at: use / request.
       */
      target: number;
      /**
       * Fewest replicas.
       */
      min: number;
      /**
       * Most replicas.
       */
      max: number;
      /**
       * Seconds in which the greatest count wanted decides before there may be fewer.
       */
      cooldown_s: number;
    };
  };
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
  /**
   * The variant of the benchmark's deployment; absent where none was named.
   */
  variant?: string;
  /**
   * How its services were started, where the benchmark says more than its Compose file.
   */
  deployment?: {
    /**
     * Service to its number of replicas.
     */
    replicas?: {
      [k: string]: number;
    };
    /**
     * HAProxy in front of a service.
     */
    balancer?: {
      /**
       * In front of which.
       */
      service: string;
      /**
       * `cookie`: a session stays at one replica.
       */
      sticky: 'cookie' | 'none';
    };
    /**
     * How many replicas a service had while the load went on.
     */
    autoscale?: {
      /**
       * Of which.
       */
      service: string;
      /**
       * What its utilisation is of.
       */
      metric: 'memory' | 'cpu';
      /**
       * Utilisation that is aimed at: use / request.
       */
      target: number;
      /**
       * Fewest replicas.
       */
      min: number;
      /**
       * Most replicas.
       */
      max: number;
      /**
       * Seconds in which the greatest count wanted decides before there may be fewer.
       */
      cooldown_s: number;
    };
  };
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
   * The query, with $window and $selector; absent for a metric that is built in, of telemetry, of a service's CPU time or of traces.
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
   * Of which service it is the CPU time per request; absent for other metrics.
   */
  cpu?: {
    /**
     * The service of the Compose file, `broker` or `trigger`.
     */
    service: string;
  };
  /**
   * Which hop of the traces it is of, and which value of it; absent for other metrics.
   */
  trace?: {
    /**
     * The hop.
     */
    hop: string;
    /**
     * The field of `traces/hops` of a round.
     */
    value: 'self_avg' | 'self_p95' | 'path_avg' | 'share';
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
 * Growth of one service.
 */
export interface Growth {
  /**
   * Of which service, all of its replicas together.
   */
  service: string;
  /**
   * `candidate`, `baseline`: of that side. `difference`: how much more the candidate grows, round by round.
   */
  of: 'candidate' | 'baseline' | 'difference';
  /**
   * `grows`: a leak is likely. `levels-off`: it grew, and hardly any more towards the end. `steady`: no growth that could be told from none. `unknown`: `why` says what was missing.
   */
  verdict: 'grows' | 'levels-off' | 'steady' | 'unknown';
  /**
   * Bytes that it grows with each request; null where it is not known.
   */
  bytes_per_request: number | null;
  /**
   * Lower end of its 95 % interval.
   */
  low: number | null;
  /**
   * Upper end.
   */
  high: number | null;
  /**
   * Rounds that it rests on.
   */
  rounds: number;
  /**
   * Why nothing can be said.
   */
  why?: string;
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
      | 'clock-set'
      | 'not-drained'
      | 'events-lost'
      | 'dead-lettered'
      | 'records-missing'
      | 'disturbance-failed'
      | 'autoscale-failed';
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
  traces?: Traces;
  events?: Events;
  /**
   * CPU time of each service. Absent of one service, and in rounds of before it was kept.
   *
   * Items: A service of the side: of the Compose file, `broker` or `trigger`.
   */
  services?: {
    /**
     * Its name.
     */
    service: string;
    /**
     * CPU time of all its containers over the window, per request.
     */
    cpu_seconds_per_request: number;
  }[];
  /**
   * Memory and CPU of each container of the services over the window. Absent in rounds of before it was kept.
   */
  resources?: Resource[];
  /**
   * Of services behind a balancer: what each replica did in the window. Absent where there is no balancer.
   */
  replicas?: Replica[];
  /**
   * What was done to the services in the window, and what came of it. Absent where the benchmark names none.
   */
  disturbances?: Disturbed[];
  autoscale?: Autoscaled;
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
 * Traces that began in the window, as Zipkin had them: where the time of a request went, hop by hop. Absent where the benchmark names no `traces`, and in rounds of before there were any. [traces.md](traces.md)
 */
export interface Traces {
  /**
   * Share of the requests that were traced.
   */
  sampling: number;
  /**
   * Traces that began in the window.
   */
  traces: number;
  /**
   * Those of them without a hole and without an unfinished span: all other figures are of these.
   */
  complete: number;
  /**
   * Traces that lack a span which another of their spans names as its parent.
   */
  holes: number;
  /**
   * Traces with a span that has no end.
   */
  unfinished: number;
  /**
   * Spans of all of them.
   */
  spans: number;
  /**
   * Mean time from the begin of a trace to the end of its last span, in seconds; null where no trace is complete.
   */
  total_avg: number | null;
  /**
   * By hop, the greatest `path_avg` first.
   *
   * Items: A hop: what the spans carry as `mayfly.hop`, or else their service.
   */
  hops: {
    /**
     * Its name.
     */
    hop: string;
    /**
     * Mean number of times that a trace enters it.
     */
    calls: number;
    /**
     * Mean self time in a trace, in seconds: the time of its spans less that of the spans that they wait for.
     */
    self_avg: number;
    /**
     * 95th percentile of the same over the traces.
     */
    self_p95: number;
    /**
     * Mean time on the critical path of a trace, in seconds: all hops together make `total_avg`.
     */
    path_avg: number;
    /**
     * `path_avg` of `total_avg`.
     */
    share: number;
  }[];
  /**
   * What is kept of them whole, for `npm run traces` and the page of the run. Absent where nothing is.
   */
  kept?: {
    /**
     * Name of the file in `traces/` of the run's folder, and beside the chunks of its newest block: Zipkin v2 JSON, compressed with gzip.
     */
    file: string;
    /**
     * The slowest traces in it.
     */
    slowest: number;
    /**
     * Those of a fair sample: each trace was as likely to be in it as any other. A trace may be in both.
     */
    sample: number;
  };
  /**
   * What Zipkin used in the window: a part of what tracing costs. Absent where it is not known.
   */
  zipkin?: {
    /**
     * CPU time in seconds, for all sides of the round.
     */
    cpu_seconds: number;
    /**
     * Of the CPU time of all containers of the run, the load generator's too.
     */
    share: number;
  };
  /**
   * The same of all that measures in the run stack: Prometheus, exporter and Zipkin. Absent where it is not known.
   */
  measuring?: {
    /**
     * CPU time in seconds, for all sides of the round.
     */
    cpu_seconds: number;
    /**
     * Of that and the CPU time of the services of all sides: the load generator is not in it.
     */
    share: number;
  };
  /**
   * What has to be said of them, one sentence each: that spans may be missing, and why. Absent where there is nothing.
   */
  notes?: string[];
}
/**
 * What became of the events that were due in the window, by the records of the services ([events.md](events.md)). Absent where the benchmark names no `broker`, and in rounds of before there were events.
 */
export interface Events {
  /**
   * Events that the producers had for their sink. `sent + unrouted + refused + rejected + unsent`, but for events that no producer has recorded.
   */
  offered: number;
  /**
   * Events that the broker has taken, and that a trigger wants.
   */
  sent: number;
  /**
   * Events that were taken, and that no trigger wants.
   */
  unrouted: number;
  /**
   * Events that were none of CloudEvents: a required attribute was missing.
   */
  refused: number;
  /**
   * Other events that the producer has given up, because the sink did not take them.
   */
  rejected: number;
  /**
   * Events that were offered, and of which nobody says more: the producer ended before its sink had answered.
   */
  unsent: number;
  /**
   * Deliveries that were due: one for each event and each trigger that wants it. `delivered + dead_lettered + lost + pending`; with one trigger for each event it is `sent`.
   */
  deliveries: number;
  /**
   * Those of them that a consumer has ended at least once, and that were not dead-lettered.
   */
  delivered: number;
  /**
   * Those that were given up after all their attempts.
   */
  dead_lettered: number;
  /**
   * Those that were neither, though the backlog was drained, or though the trigger service says that they were delivered.
   */
  lost: number;
  /**
   * Those that were neither when the round ended, before the backlog was drained.
   */
  pending: number;
  /**
   * Consumptions beyond the first of each delivery: at least once is not once.
   */
  duplicated: number;
  /**
   * Deliveries whose `sequence` is below the greatest that was consumed before of the same source at the same trigger: reordered as in RFC 4737.
   */
  out_of_order: number;
  /**
   * Whether the backlog was empty within the allowance (`broker/drain`).
   */
  drained: boolean;
  /**
   * Seconds from the end of the window to the last settled delivery, 0 where that was before; null where the backlog was not drained.
   */
  drain_s: number | null;
  /**
   * Deliveries that were taken and not settled, those of the warm-up too, from the start of the window on until all were settled.
   */
  backlog: {
    /**
     * The greatest backlog.
     */
    peak: number;
    /**
     * At most 60, evenly spaced: the greatest backlog of each slice of time. `at_s`: where it begins, in seconds from the start of the window.
     *
     * Items: A slice.
     */
    points: {
      /**
       * Its begin.
       */
      at_s: number;
      /**
       * Its greatest backlog.
       */
      backlog: number;
    }[];
  };
  /**
   * Seconds from the scheduled time of an event to the end of its consumer; of an event without a scheduled time from when it was offered. Of the first consumption of each delivered event and trigger. Absent where none was delivered.
   */
  delivery?: {
    /**
     * Deliveries that it is of.
     */
    count: number;
    /**
     * Their mean.
     */
    avg: number;
    /**
     * Their median.
     */
    med: number;
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
  };
  /**
   * The same time, cut into hops, in their order. Those of one delivery add up to the whole.
   *
   * Items: A hop.
   */
  hops: {
    /**
     * `client`: scheduled to received by the producer; `producer`: to offered to the sink; `ingress`: to stored by the broker; `broker`: to the begin of the first attempt; `trigger`: to the begin of the consumer; `consumer`: to its end.
     */
    hop: 'client' | 'producer' | 'ingress' | 'broker' | 'trigger' | 'consumer';
    /**
     * Deliveries of which it is known.
     */
    count: number;
    /**
     * Mean of its seconds.
     */
    avg: number;
    /**
     * 95th percentile.
     */
    p95: number;
  }[];
  /**
   * The same figures for each trigger.
   *
   * Items: A trigger.
   */
  triggers: {
    /**
     * Its name. Empty: deliveries of which nothing says the trigger.
     */
    trigger: string;
    /**
     * Deliveries that were due: one for each event and each trigger that wants it. `delivered + dead_lettered + lost + pending`; with one trigger for each event it is `sent`.
     */
    deliveries: number;
    /**
     * Those of them that a consumer has ended at least once, and that were not dead-lettered.
     */
    delivered: number;
    /**
     * Those that were given up after all their attempts.
     */
    dead_lettered: number;
    /**
     * Those that were neither, though the backlog was drained, or though the trigger service says that they were delivered.
     */
    lost: number;
    /**
     * Those that were neither when the round ended, before the backlog was drained.
     */
    pending: number;
    /**
     * Consumptions beyond the first of each delivery: at least once is not once.
     */
    duplicated: number;
    /**
     * Deliveries whose `sequence` is below the greatest that was consumed before of the same source at the same trigger: reordered as in RFC 4737.
     */
    out_of_order: number;
    /**
     * Attempts that the trigger service has made.
     */
    attempts: number;
    /**
     * Why events were dead-lettered: after how many attempts, and how often for what. Absent where none was.
     */
    dead_letters?: string;
  }[];
  /**
   * Records that were read, those of the warm-up too.
   */
  records: number;
  /**
   * Records that could not be read: where there are any, the figures are not exact, and the round is INVALID.
   */
  unreadable: number;
  /**
   * What has to be said of them, one sentence each: why events were dead-lettered, and what went wrong in the warm-up. Absent where there is nothing.
   */
  notes?: string[];
}
/**
 * What one container of a service used in the window.
 */
export interface Resource {
  /**
   * Of which service: of the Compose file, or `balancer`, `broker`, `trigger`.
   */
  service: string;
  /**
   * Its number.
   */
  replica: number;
  /**
   * Greatest working set, bytes.
   */
  memory_peak: number;
  /**
   * Greatest CPU use, cores: the rate over 10 seconds, of a shorter window over all of it. 0 where it ran for less.
   */
  cpu_peak: number;
  /**
   * Least working set in each of up to twelve equal parts of the window, bytes, the first part first. Absent of a container that did not run for the whole window, and of a window under 8 seconds.
   */
  memory_floor?: number[];
}
/**
 * A replica over the window, as the balancer saw it.
 */
export interface Replica {
  /**
   * Of which service.
   */
  service: string;
  /**
   * Its number; a new one has a number of its own.
   */
  replica: number;
  /**
   * The commit that it is of, where that is not its side's.
   */
  commit?: string;
  /**
   * Answers that came through the balancer.
   */
  requests: number;
  /**
   * Those of them with a status of 500 or above, connections that failed, and answers that were cut off.
   */
  failed: number;
  /**
   * Requests that were sent to it once more.
   */
  retried: number;
  /**
   * Requests of its sessions that went to another replica.
   */
  redispatched: number;
  /**
   * Its share of the requests of all replicas, 0 to 1.
   */
  share: number;
  /**
   * CPU time that it used in the window.
   */
  cpu_seconds: number;
}
/**
 * A disturbance, and what came of it.
 */
export interface Disturbed {
  /**
   * What was done.
   */
  kind: 'rolling-update' | 'kill-replica' | 'restart' | 'pause' | 'memory-pressure' | 'network-delay' | 'network-loss';
  /**
   * To which service.
   */
  service: string;
  /**
   * When it began, seconds from the start of the window.
   */
  at_s: number;
  /**
   * When it was over, in the same count.
   */
  ended_s: number;
  /**
   * Requests that were due from its begin until the service had recovered, or to the end of the window.
   */
  requests: number;
  /**
   * Those of them that failed.
   */
  failed_requests: number;
  /**
   * Seconds from its begin until latency and failures were as before; null where that did not come in the window.
   */
  recovery_s: number | null;
  /**
   * 99th percentile of the latency of those requests, seconds.
   */
  p99_inside: number | null;
  /**
   * The same of all other requests of the window.
   */
  p99_outside: number | null;
  /**
   * What was done, step by step.
   *
   * Items: A step.
   */
  actions: {
    /**
     * Seconds from the start of the window.
     */
    at_s: number;
    /**
     * A sentence.
     */
    what: string;
  }[];
  /**
   * Why requests failed, where that is known; or why it could not be carried out.
   */
  why?: string;
}
/**
 * What the autoscaler decided in the window.
 */
export interface Autoscaled {
  /**
   * Of which service.
   */
  service: string;
  /**
   * Evaluations: the first one, each that changed the count, and of the others so many that there are some 120.
   *
   * Items: A decision.
   */
  decisions: {
    /**
     * Seconds from the start of the window.
     */
    at_s: number;
    /**
     * Replicas that there were.
     */
    replicas: number;
    /**
     * Sum of use / sum of requests.
     */
    utilisation: number;
    /**
     * Replicas that there are to be.
     */
    desired: number;
    /**
     * A sentence: formula, tolerance, window.
     */
    why: string;
  }[];
  /**
   * Mean number of replicas over the window.
   */
  replicas_avg: number;
  /**
   * Seconds after which the count did not change any more; null where it still changed in the last tenth of the window.
   */
  settled_s: number | null;
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
