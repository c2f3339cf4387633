/** Which object store a run is shipped to, and how the uploader's container reaches it. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { UsageError } from '../core/errors.ts';
import type { Paths } from '../core/paths.ts';

export interface Bucket {
  /**
   * Folder; or type, address and name. Never a credential. One bucket has one name, also over the gateway of its own
   * data folder.
   */
  name: string;
  /** Thanos object-store configuration on this host. */
  configFile: string;
  /** Folder on this host that holds the blocks of a FILESYSTEM bucket, with the prefix of the configuration. */
  folder: string | null;
  binds: string[];
  /** Names of this process's environment variables that hold keys, which the container gets: never their values. */
  keys: string[];
  /** 'none' for a folder; the host's network for anything else, since an address is meant as this host sees it. */
  network: 'none' | 'host';
}

/** Path of the bucket's configuration in every container that reads it. */
export const BUCKET_CONFIG = '/etc/thanos/bucket.yaml';

/** Object-store configuration that `npm run s3:up` writes: the folder bucket of the data folder, over S3. */
export const GATEWAY_BUCKET = 'mayfly';
export const gatewayConfig = (paths: Paths) => join(paths.data, 's3.yaml');

/** What Thanos' S3 client reads where the configuration holds no keys (objstore, providers/s3). */
const KEYS = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'];

/** These environment variables with their values, for a container. */
export const keyValues = (names: string[], env: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, env[name] ?? '']));

/**
 * Reads a Thanos object-store configuration; without one the bucket is the data folder's. Throws UsageError for a file
 * that is none.
 */
export async function openBucket(objstore: string | undefined, paths: Paths): Promise<Bucket> {
  const configFile = objstore ?? join(paths.root, 'thanos', 'bucket.filesystem.yaml');
  const config = await readConfig(configFile);
  // Thanos takes the slashes around it away (objstore, prefixed_bucket.go)
  const prefix = String(config.prefix ?? '').replace(/^\/+|\/+$/g, '');
  const mounted = `${configFile}:${BUCKET_CONFIG}:ro`;
  if (config.type.toUpperCase() !== 'FILESYSTEM') {
    const { endpoint, bucket, container } = config.config;
    const place = [config.type.toUpperCase(), [endpoint, bucket ?? container, prefix].filter(Boolean).join('/')]
      .filter(Boolean)
      .join(' ');
    const own = configFile === gatewayConfig(paths) && bucket === GATEWAY_BUCKET && prefix === '';
    return {
      name: own ? paths.bucket : place,
      configFile,
      folder: null,
      binds: [mounted],
      keys: KEYS.filter((name) => process.env[name]),
      network: 'host',
    };
  }
  const directory = String(config.config.directory);
  const folder = objstore ? directory : paths.bucket;
  await mkdir(folder, { recursive: true });
  const blocks = join(folder, prefix);
  return {
    name: blocks,
    configFile,
    folder: blocks,
    binds: [mounted, `${folder}:${directory}`],
    keys: [],
    network: 'none',
  };
}

async function readConfig(file: string): Promise<{ type: string; prefix?: unknown; config: Record<string, unknown> }> {
  let config: any;
  try {
    config = parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new UsageError(
      `${file}: ${(error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : `not YAML: ${(error as Error).message.split('\n')[0]}`}`,
      { hint: '--objstore takes a Thanos object-store configuration.' },
    );
  }
  if (typeof config?.type !== 'string' || typeof config.config !== 'object' || config.config === null) {
    throw new UsageError(`${file} is not a Thanos object-store configuration: type and config are needed`, {
      hint: 'For example: type: S3, config: {bucket: runs, endpoint: host:port, access_key: …, secret_key: …}.',
    });
  }
  if (config.type.toUpperCase() === 'FILESYSTEM' && !String(config.config.directory ?? '').startsWith('/')) {
    throw new UsageError(
      `${file}: config/directory must be an absolute path, got ${JSON.stringify(config.config.directory)}`,
    );
  }
  return config;
}
