/**
 * Which folder may import which: docs/where-is-what.md says what is in each. `npm run lint` checks it.
 * A type of app/context.ts may be imported anywhere: it is what everything is handed.
 */
const CORE = ['core', 'documents'];
const MAY_IMPORT = {
  core: [],
  documents: [],
  config: CORE,
  images: [...CORE, 'engine'],
  engine: CORE,
  setup: [...CORE, 'engine', 'images'],
  plan: [...CORE, 'config', 'engine'],
  stack: [...CORE, 'config', 'plan', 'engine', 'logs', 'telemetry/sidecar-state.ts', 'traces/zipkin.ts'],
  requests: CORE,
  logs: CORE,
  telemetry: CORE,
  traces: CORE,
  events: [...CORE, 'judge/statistics.ts'],
  store: CORE,
  judge: [...CORE, 'config', 'store', 'report/units.ts'],
  report: [...CORE, 'config', 'plan', 'engine', 'requests', 'telemetry', 'traces', 'store', 'measure', 'judge'],
  measure: [
    ...CORE,
    'config',
    'plan',
    'engine',
    'stack',
    'requests',
    'telemetry',
    'traces',
    'events',
    'judge',
    'report',
  ],
  archive: [
    ...CORE,
    'config',
    'plan',
    'engine',
    'stack',
    'logs',
    'requests',
    'telemetry',
    'traces',
    'store',
    'measure',
    'judge',
    'report',
  ],
  studies: [
    ...CORE,
    'config',
    'plan',
    'engine',
    'stack',
    'telemetry',
    'store',
    'measure',
    'judge',
    'report',
    'archive',
    'app',
    'pipeline.ts',
  ],
  service: [
    ...CORE,
    'config',
    'engine',
    'images',
    'logs',
    'requests',
    'telemetry',
    'traces',
    'store',
    'measure',
    'judge',
    'report',
    'archive',
    'studies',
    'pipeline.ts',
  ],
  'far-engine': [...CORE, 'config', 'plan', 'engine', 'images', 'setup', 'archive'],
  app: [...CORE, 'config', 'engine', 'images', 'setup', 'store', 'measure', 'judge', 'report'],
  'pipeline.ts': [...CORE, 'config', 'plan', 'engine', 'logs', 'stack', 'measure', 'judge', 'archive'],
};
/** Imported by nothing of the other folders. */
const ABOVE_ALL = ['commands', 'dev'];
/** What the harness takes of the load generator: what both speak of, and pure helpers. The rest runs in its container. */
const OF_LOADGEN = '^loadgen/(plan|result|version|schedule|requests-file)\\.ts$';

/** The only file of the product that may import a package. What measures in scripts/dev may bring servers of its own. */
const ONE_FILE = {
  'docker-compose': 'scripts/engine/compose.ts',
  'log-update': 'scripts/report/progress.ts',
  'cli-table3': 'scripts/report/columns.ts',
  ajv: 'scripts/config/schema.ts',
  '@node-rs/crc32': 'scripts/archive/block-check.ts',
  fastify: 'scripts/service/server/http.ts',
  '@fastify/[^/]+': 'scripts/service/server/http.ts',
  '@octokit/(rest|auth-app)': 'scripts/service/tell/github.ts',
  '@octokit/webhooks': 'scripts/service/server/webhook.ts',
  nodemailer: 'scripts/service/tell/email.ts',
  'prom-client': 'scripts/service/server/server-metrics.ts',
  hyparquet: 'scripts/requests/read-file.ts',
  'hyparquet-writer': 'loadgen/requests-file.ts',
  '@grpc/(grpc-js|proto-loader)': 'loadgen/grpc.ts',
  protobufjs: 'scripts/config/proto-check.ts',
  'tough-cookie': 'loadgen/cookies.ts',
  'pprof-format': 'scripts/telemetry/pprof.ts',
  '@datadog/sketches-js': 'scripts/telemetry/summary.ts',
  tar: ['scripts/archive/maintenance/bundle.ts', 'scripts/engine/tar.ts'],
};
/** The same within the load generator, of packages that the harness uses in several places. */
const ONE_FILE_OF_LOADGEN = { undici: 'loadgen/http.ts', 'csv-parse': ['loadgen/load.ts', 'loadgen/rows.ts'] };
const exactly = (files) =>
  `^(${[files]
    .flat()
    .map((file) => file.replaceAll('.', '\\.'))
    .join('|')})$`;

const folders = Object.entries(MAY_IMPORT).map(([folder, allowed]) => ({
  name: `${folder} imports only ${allowed.join(', ') || 'packages'}`,
  severity: 'error',
  from: { path: `^scripts/${folder}(/|$)` },
  to: { path: '^scripts/', pathNot: `^scripts/(${[folder, ...allowed].join('|')})(/|$)|^scripts/app/context\\.ts$` },
}));
/** A rule for each package of the table, for the files under `within`. */
const knownByOne = (table, within) =>
  Object.entries(table).map(([name, file]) => ({
    name: `${name} is known by ${[file].flat().join(' and ')} alone`,
    severity: 'error',
    from: { path: within, pathNot: `${exactly(file)}|^scripts/dev/` },
    to: { path: `^node_modules/${name}/` },
  }));

export default {
  forbidden: [
    ...folders,
    ...knownByOne(ONE_FILE, '^(scripts|loadgen)/'),
    ...knownByOne(ONE_FILE_OF_LOADGEN, '^loadgen/'),
    {
      name: 'no circle of imports',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'commands and dev stand above all',
      severity: 'error',
      from: { path: '^(scripts|loadgen)/', pathNot: `^scripts/(${ABOVE_ALL.join('|')})/` },
      to: { path: `^scripts/(${ABOVE_ALL.join('|')})/` },
    },
    {
      name: 'of app/context.ts only the type is handed on',
      severity: 'error',
      from: { path: '^scripts/', pathNot: '^scripts/(app|commands|dev)/' },
      to: { path: '^scripts/app/context\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'the load generator imports nothing of the harness',
      severity: 'error',
      from: { path: '^loadgen/' },
      to: { path: '^(scripts|test|grafana|benchmarks)/' },
    },
    {
      name: 'the telemetry library imports Node.js alone',
      severity: 'error',
      from: { path: '^telemetry/' },
      to: { pathNot: '^telemetry/src/', dependencyTypesNot: ['core'] },
    },
    {
      name: 'the harness does not import the telemetry library',
      severity: 'error',
      from: { path: '^(scripts|loadgen)/', pathNot: '^scripts/dev/' },
      to: { path: '^telemetry/' },
    },
    {
      name: 'the library for functions knows nothing of the harness',
      severity: 'error',
      from: { path: '^functions/' },
      to: { path: '^(scripts|loadgen|telemetry|test|grafana|benchmarks|compose)/' },
    },
    {
      name: 'the harness does not import the library for functions',
      severity: 'error',
      from: { path: '^(scripts|loadgen)/', pathNot: '^scripts/dev/' },
      to: { path: '^functions/|^node_modules/mayfly-functions/' },
    },
    {
      name: 'the harness imports of the load generator only what both speak of',
      severity: 'error',
      from: { path: '^scripts/', pathNot: '^scripts/dev/perf/servers/' },
      to: { path: '^loadgen/', pathNot: OF_LOADGEN },
    },
    {
      name: 'the database is known by store/sqlite.ts, and by the lock of the host, alone',
      severity: 'error',
      from: { path: '^scripts/', pathNot: '^scripts/(store/sqlite|core/lock)\\.ts$' },
      to: { path: '^node:sqlite$|^sqlite$' },
    },
    { name: 'what is imported is there', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    preserveSymlinks: true,
    tsConfig: { fileName: 'tsconfig.json' },
    combinedDependencies: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
