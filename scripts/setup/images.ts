/**
 * Every image that Mayfly starts, by name: its tag, and how the same tag is built from packages where it cannot be
 * pulled. compose/images/<name>/ holds the Dockerfile and the file that pins the packages.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type ImageName = 'prometheus' | 'k6' | 'node' | 'thanos' | 'exporter' | 'vegeta' | 'versitygw';

/** Programs of Go modules; go.mod in the image's folder pins the modules. */
export interface GoMake {
  kind: 'go';
  /** File name -> package. */
  programs: Record<string, string>;
  tags: string[];
  /** Package variable -> value, set by the linker, so that the program knows its version. */
  variables: Record<string, string>;
}

/** A Debian root file system with the Node.js and npm that package.json in the image's folder pins. */
export interface NodeMake {
  kind: 'node';
  suite: string;
}

/** The image's folder as it is. */
export interface FolderMake {
  kind: 'folder';
}

export interface ImageSpec {
  ref: string;
  /** Whether a registry may have it. */
  pull: boolean;
  /** Absolute path of the folder with its Dockerfile. */
  folder: string;
  make: GoMake | NodeMake | FolderMake;
  /** Images that the build starts from. */
  needs: ImageName[];
}

/** Label of an image that was built here, with the value `packages`. */
export const BUILT_LABEL = 'dev.mayfly.built-from';
export const BUILT_VALUE = 'packages';

export const IMAGES_FOLDER = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'compose', 'images');

const NODE_REF = 'node:24.21.0-bookworm-slim';
const COMMON_VERSION = 'github.com/prometheus/common/version';

export const IMAGES: Record<ImageName, ImageSpec> = {
  prometheus: {
    ref: 'prom/prometheus:v3.15.0',
    pull: true,
    folder: join(IMAGES_FOLDER, 'prometheus'),
    make: {
      kind: 'go',
      programs: { prometheus: 'github.com/prometheus/prometheus/cmd/prometheus', promtool: 'github.com/prometheus/prometheus/cmd/promtool' },
      // Service discovery by file and HTTP always stays; with that of every cloud the build takes twice as long.
      tags: ['netgo', 'remove_all_sd', 'enable_dns_sd'],
      variables: { [`${COMMON_VERSION}.Version`]: '3.15.0', [`${COMMON_VERSION}.Revision`]: 'v0.315.0' },
    },
    needs: [],
  },
  k6: {
    ref: 'grafana/k6:1.8.1',
    pull: true,
    folder: join(IMAGES_FOLDER, 'k6'),
    make: { kind: 'go', programs: { k6: 'go.k6.io/k6' }, tags: [], variables: {} },
    needs: [],
  },
  node: { ref: NODE_REF, pull: true, folder: join(IMAGES_FOLDER, 'node'), make: { kind: 'node', suite: 'bookworm' }, needs: [] },
  thanos: {
    ref: 'thanosio/thanos:v0.42.4',
    pull: true,
    folder: join(IMAGES_FOLDER, 'thanos'),
    make: {
      kind: 'go',
      programs: { thanos: 'github.com/thanos-io/thanos/cmd/thanos' },
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
    make: { kind: 'go', programs: { vegeta: 'github.com/tsenart/vegeta/v12' }, tags: [], variables: { 'main.Version': '12.12.0' } },
    needs: [],
  },
  versitygw: {
    ref: 'mayfly/versitygw:1.8.0',
    pull: false,
    folder: join(IMAGES_FOLDER, 'versitygw'),
    make: { kind: 'go', programs: { versitygw: 'github.com/versity/versitygw/cmd/versitygw' }, tags: [], variables: { 'main.Version': '1.8.0' } },
    needs: [],
  },
};

export const IMAGE_NAMES = Object.keys(IMAGES) as ImageName[];

/** Names with all that they are built from, each after what it needs. */
export function withNeeds(names: ImageName[]): ImageName[] {
  return [...new Set(names.flatMap((name) => [...withNeeds(IMAGES[name].needs), name]))];
}

/** 12 hexadecimal digits over the names and contents of a folder's files and one more text. */
export function folderHash(folder: string, more: string): string {
  const hash = createHash('sha256').update(more);
  for (const file of readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).sort()) {
    hash.update(`\0${file.slice(folder.length)}\0`).update(readFileSync(file));
  }
  return hash.digest('hex').slice(0, 12);
}
