/**
 * The Compose file of a benchmark, before it is started: only what describes the service itself may stand in it.
 * Whatever two runs could share, and every privilege, is refused. Keys are allowed by name, so that a new key of
 * Compose is refused until somebody has thought about it.
 */
import { realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { didYouMean } from './nearest.ts';
import { shown } from './schema.ts';
import type { Fault, YamlFile, YamlPath } from './yaml-file.ts';

const ALLOWED = {
  top: ['services', 'volumes', 'configs', 'secrets', 'name', 'version'],
  service: [
    'image',
    'command',
    'entrypoint',
    'environment',
    'env_file',
    'healthcheck',
    'depends_on',
    'volumes',
    'tmpfs',
    'configs',
    'secrets',
    'working_dir',
    'user',
    'group_add',
    'hostname',
    'expose',
    'labels',
    'annotations',
    'init',
    'read_only',
    'stop_signal',
    'stop_grace_period',
    'restart',
    'cpus',
    'cpu_shares',
    'cpuset',
    'mem_limit',
    'mem_reservation',
    'memswap_limit',
    'mem_swappiness',
    'pids_limit',
    'shm_size',
    'ulimits',
    'cap_add',
    'cap_drop',
    'deploy',
    'scale',
    'platform',
    'pull_policy',
    'logging',
    'stdin_open',
    'tty',
    'attach',
  ],
  volume: ['labels', 'driver'],
  file: ['file', 'content'],
};

const COMPLETED = 'service_completed_successfully';

const CAPABILITIES = ['CHOWN', 'SETUID', 'SETGID', 'NET_BIND_SERVICE', 'DAC_OVERRIDE', 'FOWNER', 'KILL'];

const OWN_NETWORK =
  'is not allowed: every side gets a network of its own, where each service is reached by its name; leave it out';
const NO_PRIVILEGE = 'is not allowed: a service under test gets no access to the host; leave it out';

/** What to do instead, for keys that people do write. */
const INSTEAD: Record<string, string> = {
  networks: OWN_NETWORK,
  network_mode: OWN_NETWORK,
  links: OWN_NETWORK,
  external_links: OWN_NETWORK,
  extra_hosts: OWN_NETWORK,
  dns: OWN_NETWORK,
  ports:
    "is not allowed: two runs side by side would share the port; the load and Prometheus reach the container port on the side's network; leave it out",
  container_name:
    'is not allowed: two runs side by side would share the name; leave it out, the service is reached by its own name',
  build: 'is not allowed: write the build into benchmark.yaml (build/<name>) and image: ${MAYFLY_IMAGE_<NAME>} here',
  privileged: NO_PRIVILEGE,
  pid: NO_PRIVILEGE,
  ipc: NO_PRIVILEGE,
  uts: NO_PRIVILEGE,
  cgroup: NO_PRIVILEGE,
  cgroup_parent: NO_PRIVILEGE,
  devices: NO_PRIVILEGE,
  device_cgroup_rules: NO_PRIVILEGE,
  gpus: NO_PRIVILEGE,
  security_opt: NO_PRIVILEGE,
  userns_mode: NO_PRIVILEGE,
  runtime: NO_PRIVILEGE,
  sysctls: NO_PRIVILEGE,
  use_api_socket: NO_PRIVILEGE,
  credential_spec: NO_PRIVILEGE,
  post_start: 'is not allowed: hooks can have privileges of their own; let the entrypoint do it',
  pre_stop: 'is not allowed: hooks can have privileges of their own; let the service do it at SIGTERM',
  volumes_from: 'is not allowed: name the volume in volumes of both services',
  extends: 'is not allowed: the whole service must stand in this file; write it out, or use a YAML anchor',
  include: 'is not allowed: all services must stand in this file; write them out',
  profiles: 'is not allowed: every service of the file is started; leave it out',
};

/** Names of the services, in the order of the file; null where there are none to name. */
export function composeServices(file: YamlFile): string[] | null {
  const services = (file.value as { services?: unknown } | null | undefined)?.services;
  return isMap(services) && Object.keys(services).length > 0 ? Object.keys(services) : null;
}

/**
 * Services that do their work and end before others start, each with one that waits for that: something depends on them
 * with `condition: service_completed_successfully`. `services`: as the file has them, or as Compose has read them.
 */
export function oneShotsOf(services: unknown): ReadonlyMap<string, string> {
  const waits = entries(services).flatMap(([name, service]) =>
    entries(isMap(service) ? service.depends_on : undefined).flatMap(([on, how]) =>
      isMap(how) && how.condition === COMPLETED ? [[on, name] as const] : [],
    ),
  );
  return new Map(waits.reverse()); // the first one is named
}

/** Where each service has something mounted; null where there are no services to name. */
export function composeMounts(file: YamlFile): Record<string, string[]> | null {
  const names = composeServices(file);
  if (names === null) return null;
  const services = (file.value as { services: Record<string, unknown> }).services;
  return Object.fromEntries(names.map((name) => [name, mountsOf(services[name])]));
}

function mountsOf(service: unknown): string[] {
  if (!isMap(service)) return [];
  const targets = (['volumes', 'tmpfs', 'configs', 'secrets'] as const).flatMap((kind) =>
    list(service[kind]).map((mount) => {
      if (isMap(mount)) return mount.target;
      const parts = String(mount).split(':');
      return kind === 'tmpfs' ? parts[0] : kind === 'volumes' ? (parts[1] ?? parts[0]) : undefined;
    }),
  );
  return targets.filter((target): target is string => typeof target === 'string' && target.startsWith('/'));
}

/**
 * Every fault of a Compose file.
 * `dir`: absolute path of the benchmark's folder. `images`: the names under `build` in benchmark.yaml. `needsHealth`:
 * whether each service must have a health check. `whole`: of a file that is laid over another one, both together.
 */
export function checkCompose(
  file: YamlFile,
  dir: string,
  images: string[],
  needsHealth = true,
  whole: unknown = file.value,
): Fault[] {
  if (file.faults.length > 0) return file.faults;
  const { value } = file;
  if (!isMap(value) || !isMap(value.services) || Object.keys(value.services).length === 0) {
    return [file.fault(['services'], 'must be a map with at least one service')];
  }
  const all = servicesOf(whole);
  const oneShots = oneShotsOf(all);
  return [
    ...keyFaults(file, value, [], ALLOWED.top),
    ...Object.entries(value.services).flatMap(([name, service]) =>
      checkService(file, ['services', name], service, all[name], dir, oneShots, needsHealth),
    ),
    ...entries(value.volumes).flatMap(([name, volume]) => checkVolume(file, ['volumes', name], volume)),
    ...(['configs', 'secrets'] as const).flatMap((kind) =>
      entries(value[kind]).flatMap(([name, source]) => checkFileSource(file, [kind, name], source, dir)),
    ),
    ...checkVariables(file, value, images, whole),
  ];
}

/**
 * A Compose file with another one laid over it, as far as it matters here: maps are one, lists one after the other, and
 * of all else the other file's counts. What is started is what Compose itself makes of both.
 */
export function layOver(below: unknown, above: unknown): unknown {
  if (above === undefined || above === null) return below;
  if (Array.isArray(below) && Array.isArray(above)) return [...below, ...above];
  if (!isMap(below) || !isMap(above)) return above;
  const names = [...new Set([...Object.keys(below), ...Object.keys(above)])];
  return Object.fromEntries(names.map((name) => [name, layOver(below[name], above[name])]));
}

/** The services of a Compose file's content by their names, as they are written. */
export const servicesOf = (value: unknown): Record<string, unknown> =>
  isMap(value) && isMap(value.services) ? value.services : {};

/** How many containers a service of a Compose file says that it has; undefined where it says nothing. */
export function countOf(service: unknown): number | undefined {
  if (!isMap(service)) return undefined;
  const count = (isMap(service.deploy) ? service.deploy.replicas : undefined) ?? service.scale;
  return count === undefined || count === null ? undefined : Number(count);
}

/** Whether a service of a Compose file says how much it needs, by which its utilisation is counted. */
export function hasRequest(service: unknown, metric: 'memory' | 'cpu'): boolean {
  if (!isMap(service)) return false;
  const resources = isMap(service.deploy) && isMap(service.deploy.resources) ? service.deploy.resources : {};
  const reservations = isMap(resources.reservations) ? resources.reservations : {};
  const request = metric === 'cpu' ? reservations.cpus : (reservations.memory ?? service.mem_reservation);
  return request !== undefined && request !== null && Number.parseFloat(String(request)) > 0;
}

function checkService(
  file: YamlFile,
  path: YamlPath,
  service: unknown,
  whole: unknown,
  dir: string,
  oneShots: ReadonlyMap<string, string>,
  needsHealth: boolean,
): Fault[] {
  if (!isMap(service) || !isMap(whole)) return [file.fault(path, 'must be a map that describes the service')];
  const waiting = oneShots.get(String(path.at(-1)));
  return [
    ...keyFaults(file, service, path, ALLOWED.service),
    ...checkImage(file, path, whole.image),
    ...(waiting === undefined
      ? needsHealth || whole.healthcheck !== undefined
        ? checkHealth(file, path, whole.healthcheck)
        : []
      : checkOneShot(file, path, service, waiting)),
    ...checkDependencies(file, [...path, 'depends_on'], service.depends_on, oneShots),
    ...list(service.cap_add).flatMap((name, i) => checkCapability(file, [...path, 'cap_add', i], name)),
    ...list(service.volumes).flatMap((mount, i) => checkMount(file, [...path, 'volumes', i], mount, dir)),
    ...checkEnvFiles(file, [...path, 'env_file'], service.env_file, dir),
    ...checkEnvironment(file, [...path, 'environment'], service.environment),
    ...checkDeploy(file, [...path, 'deploy'], service.deploy),
    ...(['mem_limit', 'mem_reservation'] as const).flatMap((key) => checkMemory(file, [...path, key], service[key])),
  ];
}

/** Keys that are not allowed, with what to do instead. Keys for the reader's own use (x-...) are left alone. */
function keyFaults(file: YamlFile, map: Record<string, unknown>, path: YamlPath, allowed: string[]): Fault[] {
  return Object.keys(map)
    .filter((key) => !allowed.includes(key) && !key.startsWith('x-'))
    .map((key) =>
      file.fault(
        [...path, key],
        INSTEAD[key] ?? `is not allowed here${didYouMean(key, allowed)}; allowed: ${allowed.join(', ')}`,
      ),
    );
}

function checkImage(file: YamlFile, path: YamlPath, image: unknown): Fault[] {
  if (typeof image === 'string' && image !== '') return [];
  return [
    file.fault(
      image === undefined ? path : [...path, 'image'],
      'needs an image: ${MAYFLY_IMAGE_<NAME>} for a build of benchmark.yaml, or a fixed one',
    ),
  ];
}

function checkHealth(file: YamlFile, path: YamlPath, health: unknown): Fault[] {
  const off =
    isMap(health) && (health.disable === true || list(health.test)[0] === 'NONE' || health.test === undefined);
  if (isMap(health) && !off) return [];
  return [
    file.fault(
      health === undefined ? path : [...path, 'healthcheck'],
      'needs a healthcheck with a test: the load starts when every service is healthy; one that does its work and ends before others start needs none where these depend on it with condition: service_completed_successfully',
    ),
  ];
}

/** It runs once: more of it would do the same work at the same time. */
function checkOneShot(file: YamlFile, path: YamlPath, service: Record<string, unknown>, waiting: string): Fault[] {
  const counts: [YamlPath, unknown][] = [
    [[...path, 'scale'], service.scale],
    [[...path, 'deploy', 'replicas'], isMap(service.deploy) ? service.deploy.replicas : undefined],
  ];
  return counts
    .filter(([, count]) => count !== undefined && count !== null)
    .map(([at, count]) =>
      file.fault(
        at,
        `must be left out: ${path.at(-1)} runs once and ends, since ${waiting} depends on it with condition: ${COMPLETED}; got ${shown(count)}`,
      ),
    );
}

/** Who waits for health of what ends waits in vain, and who needs it only perhaps would start without it. */
function checkDependencies(
  file: YamlFile,
  path: YamlPath,
  dependencies: unknown,
  oneShots: ReadonlyMap<string, string>,
): Fault[] {
  return entries(dependencies).flatMap(([on, how]) => {
    const first = oneShots.get(on);
    if (first === undefined || !isMap(how)) return [];
    const at = [...path, on];
    if (how.condition === 'service_healthy')
      return [
        file.fault(
          [...at, 'condition'],
          `must be ${COMPLETED}, as ${first} has it: ${on} ends, and what has ended is not healthy`,
        ),
      ];
    return how.required === false
      ? [file.fault([...at, 'required'], `must be left out: a side whose ${on} does not end with 0 does not start`)]
      : [];
  });
}

function checkCapability(file: YamlFile, path: YamlPath, name: unknown): Fault[] {
  const bare = String(name).toUpperCase().replace(/^CAP_/, '');
  return CAPABILITIES.includes(bare)
    ? []
    : [file.fault(path, `must be one of ${CAPABILITIES.join(', ')}, got ${shown(name)}`)];
}

function checkMount(file: YamlFile, path: YamlPath, mount: unknown, dir: string): Fault[] {
  const { type, source, readOnly } = readMount(mount);
  if (type === 'volume' || type === 'tmpfs') return [];
  if (type !== 'bind' || source === undefined)
    return [file.fault(path, `must be a volume, a tmpfs or a file of the benchmark's folder, got ${shown(mount)}`)];
  const outside = outsideFault(file, path, source, dir);
  if (outside) return [outside];
  return readOnly
    ? []
    : [
        file.fault(
          path,
          `must be read-only (${source}:...:ro), since rounds would share what a service writes; let it write to a volume or a tmpfs`,
        ),
      ];
}

/** Both ways to write a mount: "source:target:mode" and a map. */
function readMount(mount: unknown): { type: string; source?: string; readOnly: boolean } {
  if (typeof mount === 'string') {
    const [source, target, mode] = mount.split(':');
    const host = target !== undefined && /^[./~$]/.test(source!);
    return { type: host ? 'bind' : 'volume', source, readOnly: (mode ?? '').split(',').includes('ro') };
  }
  if (!isMap(mount)) return { type: 'unknown', readOnly: false };
  return {
    type: String(mount.type ?? 'unknown'),
    source: typeof mount.source === 'string' ? mount.source : undefined,
    readOnly: mount.read_only === true,
  };
}

function checkVolume(file: YamlFile, path: YamlPath, volume: unknown): Fault[] {
  if (volume === null || volume === undefined) return [];
  if (!isMap(volume)) return [file.fault(path, `must be empty or a map, got ${shown(volume)}`)];
  const shared = Object.keys(volume).filter((key) => !ALLOWED.volume.includes(key));
  const faults = shared.map((key) =>
    file.fault(
      [...path, key],
      'is not allowed: a volume belongs to one side of one round and goes with it; leave it out',
    ),
  );
  return volume.driver === undefined || volume.driver === 'local'
    ? faults
    : [...faults, file.fault([...path, 'driver'], `must be local, got ${shown(volume.driver)}`)];
}

/** A config or a secret comes from the benchmark's folder or stands in the file itself, never from the host. */
function checkFileSource(file: YamlFile, path: YamlPath, source: unknown, dir: string): Fault[] {
  if (!isMap(source)) return [file.fault(path, `must be a map, got ${shown(source)}`)];
  const keys = Object.keys(source).filter((key) => !ALLOWED.file.includes(key) && !key.startsWith('x-'));
  const faults = keys.map((key) =>
    file.fault(
      [...path, key],
      "is not allowed: take a file of the benchmark's folder (file) or write the content here (content)",
    ),
  );
  const outside = typeof source.file === 'string' ? outsideFault(file, [...path, 'file'], source.file, dir) : null;
  return outside ? [...faults, outside] : faults;
}

function checkEnvFiles(file: YamlFile, path: YamlPath, files: unknown, dir: string): Fault[] {
  const names = list(files).map((entry) => (isMap(entry) ? entry.path : entry));
  return names.flatMap((name) =>
    typeof name === 'string'
      ? (outsideFault(file, path, name, dir) ?? [])
      : file.fault(path, `must be a file name, got ${shown(name)}`),
  );
}

/** A variable without a value would be taken from the host. */
function checkEnvironment(file: YamlFile, path: YamlPath, environment: unknown): Fault[] {
  const bare = Array.isArray(environment)
    ? environment.map(String).filter((entry) => !entry.includes('='))
    : entries(environment)
        .filter(([, value]) => value === null)
        .map(([name]) => name);
  return bare.map((name) =>
    file.fault(
      isMap(environment) ? [...path, name] : path,
      `${name} must have a value: nothing is taken from the environment of the host (an empty text is "")`,
    ),
  );
}

function checkDeploy(file: YamlFile, path: YamlPath, deploy: unknown): Fault[] {
  if (!isMap(deploy)) return [];
  const resources = isMap(deploy.resources) ? deploy.resources : {};
  const keys = entries(resources.reservations).map(([key]) => key);
  const memory = (['reservations', 'limits'] as const).flatMap((kind) => {
    const one = resources[kind];
    return isMap(one) ? checkMemory(file, [...path, 'resources', kind, 'memory'], one.memory) : [];
  });
  return [
    ...memory,
    ...(keys.includes('devices') ? [file.fault([...path, 'resources', 'reservations', 'devices'], NO_PRIVILEGE)] : []),
  ];
}

/** Engines take no smaller limit and no smaller reservation (moby, daemon/daemon_unix.go: linuxMinMemory). */
const LEAST_MEMORY = 6 * 2 ** 20;
const UNITS: Record<string, number> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** One that is written out, in the units of Compose; what it does not understand is Compose's to refuse. */
function checkMemory(file: YamlFile, path: YamlPath, size: unknown): Fault[] {
  const [, number, unit] = /^(\d+(?:\.\d+)?) ?([kmgt]?)i?b?$/i.exec(String(size)) ?? [];
  if (number === undefined || Number(number) * UNITS[unit!.toLowerCase()]! >= LEAST_MEMORY || Number(number) === 0)
    return [];
  return [file.fault(path, `must be at least 6M: the engine takes no less, got ${shown(size)}`)];
}

/** A fault where a path of the host is not in the benchmark's folder, also by way of a symbolic link. */
function outsideFault(file: YamlFile, path: YamlPath, source: string, dir: string): Fault | null {
  if (source.includes('$')) return file.fault(path, `must be written out, without a variable, got ${shown(source)}`);
  if (/docker\.sock$|containerd\.sock$|podman\.sock$/.test(source))
    return file.fault(path, 'must not be the socket of the engine: a service under test gets no access to the host');
  const wanted = source.startsWith('~') ? source : real(resolve(dir, source));
  const folder = real(dir);
  if (wanted === folder || wanted.startsWith(`${folder}/`)) return null;
  return file.fault(
    path,
    `must be in the benchmark's folder, got ${shown(source)}; copy the file there, or build it into the image`,
  );
}

/** The path behind symbolic links, as far as it exists. */
function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(real(parent), path.slice(parent.length));
  }
}

/** Variables are the images of the builds and nothing else; each build is used. */
function checkVariables(file: YamlFile, value: unknown, images: string[], whole: unknown): Fault[] {
  const known = images.map(imageVariable);
  const used = new Set([...texts(whole, [])].flatMap(({ text }) => variables(text)));
  const faults = [...texts(value, [])].flatMap(({ path, text }) =>
    variables(text).flatMap((name) => {
      if (known.includes(name)) return [];
      return file.fault(
        path,
        `has the variable ${name}${didYouMean(name, known)}, but only ${known.map((k) => `\${${k}}`).join(', ')} can be used here; nothing is taken from the environment of the host; a $ itself is written $$`,
      );
    }),
  );
  const idle = images.filter((name) => !used.has(imageVariable(name)));
  return [
    ...faults,
    ...idle.map((name) =>
      file.fault(['services'], `must use \${${imageVariable(name)}}, the image of build/${name}, in a service`),
    ),
  ];
}

/** shop-api -> MAYFLY_IMAGE_SHOP_API */
export const imageVariable = (name: string): string => `MAYFLY_IMAGE_${name.toUpperCase().replaceAll('-', '_')}`;

/** Names in $NAME and ${NAME...}; $$ is a plain dollar sign. */
function variables(text: string): string[] {
  return [...text.replaceAll('$$', '').matchAll(/\$\{?([A-Za-z_]\w*)/g)].map(([, name]) => name!);
}

function* texts(value: unknown, path: YamlPath): Generator<{ path: YamlPath; text: string }> {
  if (typeof value === 'string') yield { path, text: value };
  else if (Array.isArray(value)) for (const [i, item] of value.entries()) yield* texts(item, [...path, i]);
  else if (isMap(value)) {
    for (const [key, item] of Object.entries(value)) {
      yield { path: [...path, key], text: key };
      yield* texts(item, [...path, key]);
    }
  }
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const list = (value: unknown): unknown[] => (value === undefined || value === null ? [] : [value].flat());
const entries = (value: unknown): [string, unknown][] => (isMap(value) ? Object.entries(value) : []);
