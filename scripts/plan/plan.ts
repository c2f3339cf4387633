/** Config -> Plan: commits found, names, labels and CPU sets fixed. Nothing is built or started yet. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Context } from '../app/context.ts';
import { chainImages } from '../config/broker.ts';
import { type BuildRecipe, type Config, type Deployment, MOST } from '../config/types.ts';
import { NothingToCompare, UsageError } from '../core/errors.ts';
import type { Comparison, CpuSets, Host, Pairing, SideName } from '../documents/run.ts';
import { imageTag, LABEL, networkName, projectName, shortCommit } from '../engine/names.ts';
import { ownerLabels } from '../engine/owner.ts';
import { findAnchor, lastMeasured } from './anchor.ts';
import { type BuildContext, readContext } from './build-context.ts';
import { type Commit, describeVersion, findCommit } from './commit.ts';
import { planCpuSets } from './cpusets.ts';
import { mustBeAbleToDisturb } from './disturbances.ts';
import { fingerprint } from './host.ts';
import { hasCommits, isDefaultBranch, isShallow, mergeBase } from './merge-base.ts';
import { idleText, pathsText, touched } from './touched.ts';

/** One image of one side: how it is built and the tag under which it is found again. */
export interface BuildPlan {
  name: string;
  recipe: BuildRecipe;
  tag: string;
  /** Hash of the recipe: another recipe is another image. */
  recipeHash: string;
  /** Where the commit's files are, for a git build; what the build sees of them, and the arguments it gets. */
  source?: Commit;
  context?: BuildContext;
  args?: Record<string, string>;
}

export interface SidePlan {
  name: SideName;
  ref: string;
  commit: string;
  subject?: string;
  builds: BuildPlan[];
  deployment: Deployment;
}

export interface Plan {
  config: Config;
  runId: string;
  project: string;
  /** Folder of the run on this host: Prometheus' data, targets, what waits to be shipped. */
  dir: string;
  startedAt: Date;
  sides: SidePlan[];
  pairing: Pairing;
  /** Of two sides: how many observations there may be. */
  comparison?: Comparison;
  /**
   * Rounds that may be up at once: 2 where one round follows another, whose services then start while those of the one
   * before settle.
   */
  lanes: number;
  /**
   * `control`: Prometheus and the exporter. `load`: Prometheus and the load generator. Those of the sides by lane;
   * there are none where the service is deployed already.
   * `traces`: Zipkin alone, which is on those of the sides too.
   */
  networks: { control: string; load: string; sides: Partial<Record<SideName, string[]>>; traces?: string };
  /** Hash of all that decides what the load generator sends; once it is known. */
  workload?: string;
  /** Labels of every object of the run on the engine. */
  labels: Record<string, string>;
  host: Host;
  cpusets: CpuSets;
  stackVersion: string;
  stackImages: { ref: string; id: string; source: string }[];
  /** Of those the ones that not every benchmark needs: name -> its tag. */
  ownImages: Record<string, string>;
  /** What has to be said of how it came about, a sentence each. */
  notes?: string[];
}

export async function makePlan(asked: Config, ctx: Context): Promise<Plan> {
  await mustBeAbleToDisturb(asked, ctx);
  const runId = ctx.newRunId();
  const candidate = await planSide('candidate', asked.commit, asked, ctx);
  const config = await withoutDefault(asked, candidate, ctx);
  const notes: string[] = [...(config.deployed?.notes ?? [])];
  const other = await planBaseline(candidate, config, notes, ctx);
  const baseline = other && sharingBuilds(candidate, other);
  if (baseline) await mustTouchPaths(candidate, baseline, { config, notes }, ctx);
  if (baseline) mustDiffer(candidate, baseline);
  const sides = baseline ? [candidate, baseline] : [candidate];
  const pairing = baseline ? (config.comparison.pairing === 'alternating' ? 'alternating' : 'interleaved') : 'solo';

  const lanes = pairing === 'solo' && config.rounds === 1 ? 1 : 2;
  const host = fingerprint(ctx.machine.engine);
  const wanted = chainImages(config);
  const own = wanted.length > 0 ? await ctx.obtainImages(wanted) : {};
  const stackImages = [...Object.values(ctx.machine.images), ...Object.values(own)];
  const stackVersion = await stackHash(
    ctx.paths.root,
    stackImages.map((image) => `${image.ref} ${image.source === 'built' ? 'built' : 'pulled'}`),
    config,
  );
  return {
    config,
    runId,
    project: projectName(runId),
    dir: join(ctx.paths.runs, runId),
    startedAt: new Date(ctx.now()),
    sides,
    pairing,
    ...(pairing === 'solo' ? {} : { comparison: designComparison(config, pairing) }),
    lanes,
    networks: {
      control: networkName(runId, 'control'),
      load: networkName(runId, 'load'),
      ...(config.traces ? { traces: networkName(runId, 'traces') } : {}),
      sides: Object.fromEntries(
        (config.deployed ? [] : sides).map(({ name }) => [
          name,
          Array.from({ length: lanes }, (_, lane) => networkName(runId, lanes > 1 ? `${name}-${lane}` : name)),
        ]),
      ),
    },
    labels: { ...ownerLabels(runId), [LABEL.stackVersion]: stackVersion, [LABEL.keep]: String(config.keep) },
    host,
    cpusets: planCpuSets(host.cores),
    stackVersion,
    stackImages,
    ownImages: Object.fromEntries(Object.entries(own).map(([name, { ref }]) => [name, ref])),
    ...(notes.length > 0 ? { notes } : {}),
  };
}

/** Whether two sides are started in the same way, whatever their variants are called. */
export function isDeployedAlike(one: SidePlan, other: SidePlan): boolean {
  const text = ({ deployment }: SidePlan) => deploymentText(deployment);
  return text(one) === text(other);
}

/** What a deployment comes to: neither its name nor the order in which its file names services matters. */
function deploymentText({ replicas, compose, balancer, autoscale }: Deployment): string {
  const counts = Object.entries(replicas).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([counts, compose, balancer, autoscale]);
}

/** What is built at one commit is built once: where both sides are of it they have the same builds. */
function sharingBuilds(candidate: SidePlan, baseline: SidePlan): SidePlan {
  const isSame =
    candidate.commit === baseline.commit && candidate.builds.every(({ tag }, i) => tag === baseline.builds[i]?.tag);
  return isSame ? { ...baseline, builds: candidate.builds } : baseline;
}

/**
 * Two commits whose builds see the same files are the same service. A commit against itself is asked for on purpose,
 * and so are two deployments; what a command builds is known to nobody.
 */
function mustDiffer(candidate: SidePlan, baseline: SidePlan): void {
  if (candidate.commit === baseline.commit || !isDeployedAlike(candidate, baseline)) return;
  const others = new Map(baseline.builds.map((build) => [build.name, build]));
  const same = candidate.builds.every(({ name, recipe, context, tag }) =>
    recipe.kind === 'git'
      ? context!.hash === others.get(name)?.context?.hash
      : recipe.kind === 'image' && tag === others.get(name)?.tag,
  );
  if (!same) return;
  throw new NothingToCompare(
    `nothing to compare: ${shortCommit(candidate.commit)} and ${shortCommit(baseline.commit)} have the same build context, file by file`,
  );
}

/**
 * With `paths` a comparison needs a file that counts and differs. A commit of a branch is held against the last one of it
 * that was measured, not against the anchor: what came before was measured then.
 */
async function mustTouchPaths(
  candidate: SidePlan,
  baseline: SidePlan,
  { config: { benchmark, branch, master, paths }, notes }: { config: Config; notes: string[] },
  ctx: Context,
): Promise<void> {
  if (!paths || candidate.commit === baseline.commit || !isDeployedAlike(candidate, baseline)) return;
  const sources = new Map(
    candidate.builds.flatMap(({ name, recipe, source }) =>
      recipe.kind === 'git' ? [[recipe.repository, { name, source: source! }] as const] : [],
    ),
  );
  const [first] = sources.values();
  const variant = candidate.deployment.variant ?? undefined;
  const last = master ? await lastMeasured({ benchmark, branch, variant }, first!.source, ctx) : undefined;
  const pairs = [...sources.values()].map(({ name, source }) => ({
    candidate: source,
    other: last
      ? { ...last, repository: source.repository }
      : baseline.builds.find((build) => build.name === name)!.source!,
  }));
  const other = last?.commit ?? baseline.commit;
  const found = await touched(paths, pairs, ctx);
  const idle = idleText(found, paths, candidate.commit, other);
  if (found.any || found.none) {
    if (idle === undefined) return;
    notes.push(idle);
    return ctx.progress.warn(idle);
  }
  const on = branch === undefined ? 'the default branch' : `the branch ${branch}`;
  throw new NothingToCompare(
    `nothing to compare: nothing under ${pathsText(paths)} differs between ${shortCommit(candidate.commit)} and ${shortCommit(other)}${last ? `, the last commit of ${on} that was measured` : ''}${idle === undefined ? '' : ` (${idle})`}`,
  );
}

/** How many observations a comparison may have, decided before the first. */
export function designComparison(
  { comparison: { fixed, min, max, maxMinutes } }: Config,
  pairing: 'interleaved' | 'alternating',
): Comparison {
  const limit = maxMinutes === undefined ? {} : { max_minutes: maxMinutes };
  if (fixed !== undefined) return { design: 'fixed', min: fixed, max: fixed, ...limit };
  return { design: 'sequential', min, max: max ?? Math.max(min, MOST[pairing]), ...limit };
}

/** The default branch has one history, whether it is named or not. */
async function withoutDefault(config: Config, { builds }: SidePlan, ctx: Context): Promise<Config> {
  const { branch, ...rest } = config;
  const source = builds.find((build) => build.source)?.source;
  return branch !== undefined && source && (await isDefaultBranch(source.repository, branch, ctx)) ? rest : config;
}

/**
 * The other side: what was named, or where the candidate left the default branch; null where it is measured alone.
 * `notes`: what has to be said of it is added there.
 */
async function planBaseline(
  candidate: SidePlan,
  config: Config,
  notes: string[],
  ctx: Context,
): Promise<SidePlan | null> {
  const { against } = config;
  if (against === 'none' || against === 'master-set') return null;
  if (against === 'anchor') return planAnchor(candidate, config, notes, ctx);
  if (against !== undefined && against !== 'merge-base')
    return against === candidate.ref
      ? { ...candidate, name: 'baseline', deployment: config.deployments.baseline }
      : planSide('baseline', against, config, ctx);
  if (against === undefined && config.master) return null;
  const sources = new Map(
    candidate.builds.flatMap(({ recipe, source }) =>
      recipe.kind === 'git' ? [[recipe.repository, source!] as const] : [],
    ),
  );
  const bases = new Map<string, Commit>();
  for (const [repository, source] of sources) {
    const found = await mergeBase(source, ctx, config.branch);
    const branch =
      config.branch === undefined ? `the default branch (${found?.branch})` : `the branch ${config.branch}`;
    if (found && !found.onBranch) bases.set(repository, found.base);
    else if (!found && (against !== undefined || (await hasCommits(source, ctx))))
      throw await noBase(candidate, source, config.branch, ctx);
    else if (against !== undefined) throw onBranch(candidate, branch);
    else {
      if (found) ctx.progress.info(`measured alone: ${candidate.ref} is on ${branch} itself`);
      return null;
    }
  }
  if (bases.size === 0) return null;
  if (against === undefined)
    ctx.progress.info(
      `compared with the merge-base, ${[...bases.values()][0]!.commit.slice(0, 12)}; --against=none measures ${candidate.ref} alone`,
    );
  return sideOf('baseline', 'merge-base', bases, config, ctx);
}

/** The anchor of its branch; null where it would be the candidate itself, or there is none yet. */
async function planAnchor(
  candidate: SidePlan,
  config: Config,
  notes: string[],
  ctx: Context,
): Promise<SidePlan | null> {
  const { benchmark, branch } = config;
  const source = candidate.builds.find((build) => build.source)?.source;
  const variant = candidate.deployment.variant ?? undefined;
  const line = { benchmark, branch, variant, host_id: fingerprint(ctx.machine.engine).id };
  const { commit, note } = await findAnchor(line, candidate.commit, source, ctx);
  if (note !== undefined) {
    notes.push(note);
    ctx.progress.warn(note);
  }
  if (commit !== undefined && commit !== candidate.commit) return planSide('baseline', commit, config, ctx);
  const words = branch === undefined ? 'the default branch' : `the branch ${branch}`;
  const why = commit === undefined ? `there is no run of ${words} yet` : `it is the anchor of ${words} itself`;
  ctx.progress.info(
    `measured alone: ${commit === undefined && note !== undefined ? 'it is the first one of the new history' : why}`,
  );
  return null;
}

const onBranch = ({ ref }: SidePlan, branch: string) =>
  new UsageError(`there is no merge-base to compare with: ${ref} is on ${branch} itself`, {
    hint: 'Name a commit, for example --against=HEAD~1.',
  });

/** A comparison was wanted and cannot be made: what keeps it, and the ways out. */
async function noBase(
  { ref }: SidePlan,
  { repository }: Commit,
  branch: string | undefined,
  ctx: Context,
): Promise<UsageError> {
  const alone = '--against=none measures it alone.';
  if (await isShallow(repository, ctx))
    return new UsageError(
      `${repository} is a shallow clone: where ${ref} left ${branch === undefined ? 'the default branch' : `the branch ${branch}`} is not in it, so there is nothing to compare with`,
      {
        hint: `\`git fetch --unshallow\` brings the rest of its history (actions/checkout: fetch-depth: 0), \`git fetch origin ${branch ?? 'main'}:refs/remotes/origin/${branch ?? 'main'}\` a branch that it lacks. ${alone}`,
      },
    );
  if (branch !== undefined)
    return new UsageError(
      `there is nothing to compare ${ref} with: it has nothing in common with the branch ${branch} of ${repository}`,
      { hint: `--against=REF names a commit. ${alone}` },
    );
  return new UsageError(
    `there is nothing to compare ${ref} with: ${repository} has no default branch that is known here (origin/HEAD, main or master), or none in common with it`,
    {
      hint: `\`git remote set-head origin --auto\` asks the remote for it; --against=REF names a commit. ${alone}`,
    },
  );
}

async function planSide(name: SideName, ref: string, config: Config, ctx: Context): Promise<SidePlan> {
  const found = new Map<string, Commit>();
  for (const recipe of Object.values(config.builds)) {
    if (recipe.kind === 'git' && !found.has(recipe.repository))
      found.set(recipe.repository, await findCommit(recipe.repository, ref, ctx));
  }
  return sideOf(name, ref, found, config, ctx);
}

/** `found`: repository -> its commit. */
async function sideOf(
  name: SideName,
  ref: string,
  found: Map<string, Commit>,
  config: Config,
  ctx: Context,
): Promise<SidePlan> {
  const first = found.values().next().value;
  if (!first && (ref === 'HEAD' || ref === 'worktree')) {
    throw new UsageError(`${config.file}: nothing is built from git here, so --commit=${ref} means nothing`, {
      hint: 'Name a version, for example --commit=v2.10.0.',
    });
  }
  const commit = first?.commit ?? ref;
  const folder = await buildInputs(config);
  const builds = Object.entries(config.builds).map(async ([image, recipe]): Promise<BuildPlan> => {
    const source = recipe.kind === 'git' ? found.get(recipe.repository)! : undefined;
    const git = recipe.kind === 'git' ? await gitBuild(recipe, source!, ctx) : {};
    const recipeHash = hash(
      JSON.stringify({
        recipe,
        commit: source?.commit ?? ref,
        ...(recipe.kind === 'command' ? { folder } : {}),
        ...(recipe.kind === 'git' && isStamped(recipe) ? { args: git.args } : {}),
      }),
    ).slice(0, 8);
    const tag =
      recipe.kind === 'image'
        ? recipe.image.replaceAll('${commit}', ref)
        : imageTag(config.benchmark, image, source?.commit ?? ref, recipeHash);
    return { name: image, recipe, tag, recipeHash, ...(source ? { source } : {}), ...git };
  });
  return {
    name,
    ref,
    commit,
    ...(first?.subject ? { subject: first.subject } : {}),
    builds: await Promise.all(builds),
    deployment: config.deployments[name],
  };
}

type GitRecipe = Extract<BuildRecipe, { kind: 'git' }>;

/** Whether a build argument says which commit it is: it differs between any two. */
const isStamped = ({ args }: GitRecipe) => Object.values(args).some((value) => /\$\{(commit|version)\}/.test(value));

/** What a build sees of its commit, and its arguments with `${commit}` and `${version}` filled in. */
async function gitBuild(recipe: GitRecipe, source: Commit, ctx: Context): Promise<Pick<BuildPlan, 'context' | 'args'>> {
  const context = await readContext(recipe, source, ctx);
  const wanted = Object.values(recipe.args).some((value) => value.includes('${version}'));
  const version = wanted ? await describeVersion(source, ctx) : '';
  const args = Object.fromEntries(
    Object.entries(recipe.args).map(([name, value]) => [
      name,
      value.replaceAll('${commit}', source.commit).replaceAll('${version}', version),
    ]),
  );
  return { context, args };
}

/**
 * Hash of everything that could change a measurement but the services under test and the load script: images (their
 * versions and whether they were built here: an image id changes with every build of the same program), Compose file,
 * Prometheus' configuration, the load generator with the packages that it sends by, and the code that starts it and
 * limits the services. What only some benchmarks have in their stack counts for those alone.
 */
async function stackHash(root: string, imageRefs: string[], config: Config): Promise<string> {
  const { telemetry, broker, traces, logFormat } = config;
  const ours = (await readdir(join(root, 'loadgen')))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `loadgen/${file}`);
  const files = [
    'compose/run.yaml',
    'prometheus/prometheus.yml',
    'scripts/measure/load/own-generator.ts',
    'scripts/measure/load/image-generator.ts',
    'scripts/plan/cpusets.ts',
    'scripts/stack/compose-file.ts',
    ...(telemetry.length > 0 || broker ? ['scripts/stack/telemetry.ts', 'scripts/telemetry/sidecar.ts'] : []),
    ...(broker || traces ? ['scripts/stack/chains.ts'] : []),
    ...ours,
    ...SENT_BY.map((name) => `node_modules/${name}/package.json`),
  ].sort();
  const contents = await Promise.all(files.map(async (file) => `${file}\n${await readFile(join(root, file), 'utf8')}`));
  // What writes telemetry is measured while it does.
  const folders = telemetry.map(({ service, folder, bytes }) => `telemetry ${service} ${folder} ${bytes}`);
  const chain = [
    ...(broker ? [`broker ${JSON.stringify({ ...broker, file: await readFile(broker.file, 'utf8') })}`] : []),
    ...(traces ? [`traces ${traces.sampling}`] : []),
    ...(config.deployed ? ['deployed', await readFile(join(root, 'scripts/measure/load/gate.ts'), 'utf8')] : []),
    ...(logFormat === undefined ? [] : [`log format ${logFormat}`]),
    ...(await deploymentParts(root, config)),
  ];
  return hash([...imageRefs.toSorted(), ...contents, ...folders, ...chain].join('\n')).slice(0, 12);
}

/** What counts of the deployments and disturbances: nothing where the benchmark names none. */
async function deploymentParts(root: string, { deployments, disturbances }: Config): Promise<string[]> {
  const both = Object.values(deployments);
  const code = [
    ...(both.some(({ balancer }) => balancer) ? ['scripts/stack/balancer.ts'] : []),
    ...(both.some(({ autoscale }) => autoscale) ? ['scripts/measure/autoscale.ts'] : []),
  ];
  const overlays = [...new Set(both.flatMap(({ compose }) => (compose === null ? [] : [compose])))];
  const texts = new Map(await Promise.all(overlays.map(async (file) => [file, await readFile(file, 'utf8')] as const)));
  const isPlain = (text: string) => text === deploymentText(NOTHING_NAMED);
  const named = both
    .map(({ compose, ...rest }) => deploymentText({ ...rest, compose: compose === null ? null : texts.get(compose)! }))
    .filter((text) => !isPlain(text));
  return [
    ...(await Promise.all(code.map((file) => readFile(join(root, file), 'utf8')))),
    ...[...new Set(named)].sort().map((text) => `deployment ${text}`),
    ...(disturbances.length > 0 ? [`disturbances ${JSON.stringify(disturbances)}`] : []),
  ];
}

const NOTHING_NAMED: Deployment = { variant: null, replicas: {}, compose: null, balancer: null, autoscale: null };

/** Packages that the load generator sends by. */
const SENT_BY = ['undici', '@grpc/grpc-js', '@grpc/proto-loader', 'tough-cookie'];

/** Hash of what a build command may read beside the commit: the benchmark's folder less what is not part of a build. */
async function buildInputs({ dir, file, services, overlays = [], load }: Config): Promise<string> {
  const others = [
    file,
    services,
    ...overlays,
    ...(load.generator.kind === 'mayfly' && load.generator.script !== null ? [load.generator.script] : []),
  ];
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !others.includes(path));
  const contents = await Promise.all(
    files.sort().map(async (path) => `${relative(dir, path)}\n${hash(await readFile(path, 'utf8'))}`),
  );
  return hash(contents.join('\n'));
}

const hash = (text: string) => createHash('sha256').update(text).digest('hex');
