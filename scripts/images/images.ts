/**
 * Every image that Mayfly starts, by name: its tag, and how the same tag is built from packages where it cannot be
 * pulled. compose/images/<name>/ holds the Dockerfile and the file that pins the packages.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type ImageName =
  | 'prometheus'
  | 'node'
  | 'thanos'
  | 'exporter'
  | 'vegeta'
  | 'versitygw'
  | 'memcached'
  | 'grafana'
  | 'blocks'
  | 'chromium'
  | 'perf'
  | 'postgresql'
  | 'service'
  | 'nats'
  | 'rabbitmq'
  | 'trigger'
  | 'zipkin'
  | 'haproxy';

/** Programs of Go modules; go.mod in the image's folder pins the modules. */
export interface GoMake {
  kind: 'go';
  /** File name -> package. */
  programs: Record<string, string>;
  tags: string[];
  /** Package variable -> value, set by the linker, so that the program knows its version. */
  variables: Record<string, string>;
}

/** A Debian root file system of the essential packages and these. */
export interface DebianMake {
  kind: 'debian';
  suite: string;
  packages: string[];
  /** With the Node.js and npm that package.json in the image's folder pins. */
  node?: boolean;
  /** With what pom.xml in the image's folder takes out of the artifact that it names. */
  maven?: {
    /** SHA-256 of the artifact. */
    sha256: string;
  };
}

/** The image's folder as it is. */
export interface FolderMake {
  kind: 'folder';
}

/** The image's folder, with the npm packages that package-lock.json in it pins in its node_modules. */
export interface NpmMake {
  kind: 'npm';
}

/** No packages to build it from: it is pulled, or it is not there. */
export interface NoMake {
  kind: 'none';
}

export interface ImageSpec {
  ref: string;
  /** Whether a registry may have it. */
  pull: boolean;
  /** Absolute path of the folder with its Dockerfile. */
  folder: string;
  make: GoMake | DebianMake | FolderMake | NpmMake | NoMake;
  /** Images that the build starts from. */
  needs: ImageName[];
}

/** Label of an image that was built here, with the value `packages`. */
export const BUILT_LABEL = 'dev.mayfly.built-from';
export const BUILT_VALUE = 'packages';
/** Label of an image that was built here: the recipe that it was built by. */
export const RECIPE_LABEL = 'dev.mayfly.recipe';

export const IMAGES_FOLDER = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'compose', 'images');

const NODE_REF = 'node:24.21.0-bookworm-slim';
/** What a health check asks with, as upstream's images do: it takes `wget -O FILE URL` and no other flag. */
const WGET = 'github.com/u-root/u-root/cmds/core/wget';
const COMMON_VERSION = 'github.com/prometheus/common/version';

export const IMAGES: Record<ImageName, ImageSpec> = {
  prometheus: {
    ref: 'prom/prometheus:v3.15.0',
    pull: true,
    folder: join(IMAGES_FOLDER, 'prometheus'),
    make: {
      kind: 'go',
      programs: {
        prometheus: 'github.com/prometheus/prometheus/cmd/prometheus',
        promtool: 'github.com/prometheus/prometheus/cmd/promtool',
      },
      // Service discovery by file and HTTP always stays; with that of every cloud the build takes twice as long.
      tags: ['netgo', 'remove_all_sd', 'enable_dns_sd'],
      variables: { [`${COMMON_VERSION}.Version`]: '3.15.0', [`${COMMON_VERSION}.Revision`]: 'v0.315.0' },
    },
    needs: [],
  },
  node: {
    ref: NODE_REF,
    pull: true,
    folder: join(IMAGES_FOLDER, 'node'),
    make: { kind: 'debian', suite: 'bookworm', packages: [], node: true },
    needs: [],
  },
  thanos: {
    ref: 'thanosio/thanos:v0.42.4',
    pull: true,
    folder: join(IMAGES_FOLDER, 'thanos'),
    make: {
      kind: 'go',
      programs: { thanos: 'github.com/thanos-io/thanos/cmd/thanos', wget: WGET },
      // Without slicelabels the Store panics at its first Info call.
      tags: ['netgo', 'slicelabels'],
      variables: { [`${COMMON_VERSION}.Version`]: '0.42.4', [`${COMMON_VERSION}.Revision`]: 'v0.42.4' },
    },
    needs: [],
  },
  exporter: {
    ref: `mayfly/exporter:${folderHash(join(IMAGES_FOLDER, 'exporter'), NODE_REF)}`,
    pull: false,
    folder: join(IMAGES_FOLDER, 'exporter'),
    make: { kind: 'folder' },
    needs: ['node'],
  },
  vegeta: {
    ref: 'mayfly/vegeta:12.12.0',
    pull: false,
    folder: join(IMAGES_FOLDER, 'vegeta'),
    make: {
      kind: 'go',
      programs: { vegeta: 'github.com/tsenart/vegeta/v12' },
      tags: [],
      variables: { 'main.Version': '12.12.0' },
    },
    needs: [],
  },
  versitygw: {
    ref: 'mayfly/versitygw:1.8.0',
    pull: false,
    folder: join(IMAGES_FOLDER, 'versitygw'),
    make: {
      kind: 'go',
      programs: { versitygw: 'github.com/versity/versitygw/cmd/versitygw', wget: WGET },
      tags: [],
      variables: { 'main.Version': '1.8.0' },
    },
    needs: [],
  },
  memcached: {
    ref: 'memcached:1.6.18',
    pull: true,
    folder: join(IMAGES_FOLDER, 'memcached'),
    make: { kind: 'debian', suite: 'bookworm', packages: ['memcached'] },
    needs: [],
  },
  blocks: {
    ref: `mayfly/blocks:${folderHash(join(IMAGES_FOLDER, 'blocks'), '')}`,
    pull: false,
    folder: join(IMAGES_FOLDER, 'blocks'),
    make: { kind: 'go', programs: { blocks: 'dev.mayfly/images/blocks' }, tags: [], variables: {} },
    needs: [],
  },
  service: {
    ref: `mayfly/service:${folderHash(join(IMAGES_FOLDER, 'service'), '')}`,
    pull: false,
    folder: join(IMAGES_FOLDER, 'service'),
    make: {
      kind: 'debian',
      suite: 'bookworm',
      packages: ['ca-certificates', 'docker.io', 'git', 'libstdc++6', 'openssh-client'],
    },
    needs: [],
  },
  chromium: {
    ref: `mayfly/chromium:${folderHash(join(IMAGES_FOLDER, 'chromium'), '')}`,
    pull: false,
    folder: join(IMAGES_FOLDER, 'chromium'),
    make: { kind: 'debian', suite: 'bookworm', packages: ['chromium', 'fonts-dejavu-core'] },
    needs: [],
  },
  postgresql: {
    ref: `mayfly/postgresql:${folderHash(join(IMAGES_FOLDER, 'postgresql'), '')}`,
    pull: false,
    folder: join(IMAGES_FOLDER, 'postgresql'),
    make: { kind: 'debian', suite: 'bookworm', packages: ['postgresql-15'] },
    needs: [],
  },
  perf: {
    ref: `mayfly/perf:${folderHash(join(IMAGES_FOLDER, 'perf'), '')}`,
    pull: false,
    folder: join(IMAGES_FOLDER, 'perf'),
    make: { kind: 'debian', suite: 'bookworm', packages: ['linux-perf'] },
    needs: [],
  },
  nats: {
    ref: 'nats:2.15.2',
    pull: true,
    folder: join(IMAGES_FOLDER, 'nats'),
    make: {
      kind: 'go',
      programs: { 'nats-server': 'github.com/nats-io/nats-server/v2' },
      tags: [],
      variables: {},
    },
    needs: [],
  },
  rabbitmq: {
    ref: 'rabbitmq:3.10.8',
    pull: true,
    folder: join(IMAGES_FOLDER, 'rabbitmq'),
    make: { kind: 'debian', suite: 'bookworm', packages: ['rabbitmq-server'] },
    needs: [],
  },
  haproxy: {
    ref: 'haproxy:2.6',
    pull: true,
    folder: join(IMAGES_FOLDER, 'haproxy'),
    make: { kind: 'debian', suite: 'bookworm', packages: ['haproxy'] },
    needs: [],
  },
  trigger: {
    ref: `mayfly/trigger:${folderHash(join(IMAGES_FOLDER, 'trigger'), NODE_REF)}`,
    pull: false,
    folder: join(IMAGES_FOLDER, 'trigger'),
    make: { kind: 'npm' },
    needs: ['node'],
  },
  zipkin: {
    ref: 'openzipkin/zipkin:3.5.1',
    pull: true,
    folder: join(IMAGES_FOLDER, 'zipkin'),
    make: {
      kind: 'debian',
      suite: 'bookworm',
      packages: ['openjdk-17-jre-headless'],
      maven: { sha256: '7ac633a6832647e71e50012a5e3e91fbc7054414955261724526030faf271d8d' },
    },
    needs: [],
  },
  grafana: {
    ref: 'grafana/grafana:13.2.3',
    pull: true,
    folder: join(IMAGES_FOLDER, 'grafana'),
    make: { kind: 'none' },
    needs: [],
  },
};

const ALL_NAMES = Object.keys(IMAGES) as ImageName[];
/** Mayfly does without these, and says so. */
export const OPTIONAL_NAMES = ALL_NAMES.filter((name) => IMAGES[name].make.kind === 'none');
/** What a run needs. */
export const RUN_IMAGES: ImageName[] = ['prometheus', 'thanos', 'node', 'exporter'];
/** Only the overlays in compose/fleet/ need these. */
export const FLEET_NAMES: ImageName[] = ['memcached'];
/** Only `npm run service:up` needs these. */
export const SERVICE_NAMES: ImageName[] = ['service'];
/** Only a run of a benchmark that wants a profile by perf needs these. */
export const PROFILE_NAMES: ImageName[] = ['perf'];
/** Only a run of a benchmark that names a broker needs these: `trigger` and the one of its kind. */
export const BROKER_NAMES: ImageName[] = ['nats', 'rabbitmq', 'trigger'];
/** Only a run of a benchmark that names traces needs these. */
export const TRACES_NAMES: ImageName[] = ['zipkin'];
/** Only a run of a benchmark whose deployment names a balancer needs these. */
export const BALANCER_NAMES: ImageName[] = ['haproxy'];
/** Only the tests need these; a perf script uses vegeta, too. */
export const TEST_NAMES: ImageName[] = ['chromium', 'postgresql', 'vegeta'];
/** Only a perf script needs these. */
export const PERF_NAMES: ImageName[] = ['blocks'];
/** What Mayfly needs on every machine. */
export const IMAGE_NAMES = ALL_NAMES.filter(
  (name) =>
    ![
      ...OPTIONAL_NAMES,
      ...FLEET_NAMES,
      ...SERVICE_NAMES,
      ...PROFILE_NAMES,
      ...BROKER_NAMES,
      ...TRACES_NAMES,
      ...BALANCER_NAMES,
      ...TEST_NAMES,
      ...PERF_NAMES,
    ].includes(name),
);

/** Names with all that they are built from, each after what it needs. */
export function withNeeds(names: ImageName[]): ImageName[] {
  return [...new Set(names.flatMap((name) => [...withNeeds(IMAGES[name].needs), name]))];
}

/**
 * What an image is built by: 12 hexadecimal digits over its folder, its entry here and the recipes of what it is built
 * from.
 */
export function recipeOf(spec: ImageSpec): string {
  return folderHash(spec.folder, JSON.stringify([spec.make, ...spec.needs.map((name) => recipeOf(IMAGES[name]))]));
}

/**
 * Whether an image that carries these labels may be taken: one that was built here by another recipe may not, one from
 * elsewhere always may.
 */
export function isCurrent(spec: ImageSpec, labels: Record<string, string>): boolean {
  return labels[BUILT_LABEL] !== BUILT_VALUE || labels[RECIPE_LABEL] === recipeOf(spec);
}

/**
 * 12 hexadecimal digits over the names and contents of a folder's files and one more text. Packages that somebody has
 * installed in it do not count: no image takes them.
 */
export function folderHash(folder: string, more: string): string {
  const hash = createHash('sha256').update(more);
  for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !isInstalled(file.slice(folder.length)))
    .sort()) {
    hash.update(`\0${file.slice(folder.length)}\0`).update(readFileSync(file));
  }
  return hash.digest('hex').slice(0, 12);
}

/** Whether a path lies in a folder that `npm ci` makes. */
export function isInstalled(path: string): boolean {
  return path.split('/').includes('node_modules');
}
