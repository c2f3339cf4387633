/** The S3 gateway of a data folder: versitygw over its bucket, and the object-store configuration with its keys. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { Context } from '../context.ts';
import { UsageError } from '../errors.ts';
import type { Paths } from '../paths.ts';
import { inStep } from '../step.ts';
import { endLasting, startLasting } from './lasting.ts';

const TIMEOUT_S = 60;
const BUCKET = 'mayfly';
const DEFAULT_PORT = 9580;

export interface Gateway {
  /** Host and port. */
  endpoint: string;
  /** Absolute path of the Thanos object-store configuration: it holds the keys, and nobody but its owner may read it. */
  configFile: string;
  /** Folder of this host that the gateway serves as its bucket. */
  folder: string;
}

/** Starts the gateway, or finds it up. Its keys are made once and stay; a port stays until another is given. */
export async function gatewayUp(port: number | undefined, ctx: Context): Promise<Gateway> {
  const configFile = join(ctx.paths.data, 's3.yaml');
  const config = await gatewayConfig(configFile, port);
  const dir = join(ctx.paths.data, 's3');
  await mkdir(dir, { recursive: true });
  await mkdir(ctx.paths.bucket, { recursive: true });
  await inStep(ctx.progress, `start the S3 gateway on ${config.endpoint}`, (step) => startLasting({
    project: projectOf(ctx.paths),
    title: 'the S3 gateway',
    dir,
    files: [join(ctx.paths.root, 'compose', 's3.yaml')],
    profiles: [],
    variables: { MAYFLY_S3_ADDRESS: config.endpoint, MAYFLY_S3_ACCESS_KEY: config.access_key, MAYFLY_S3_SECRET_KEY: config.secret_key, MAYFLY_BUCKET: ctx.paths.bucket },
    services: { s3: {} },
    ready: { s3: `http://${config.endpoint}/health` },
  }, TIMEOUT_S, step, ctx));
  return { endpoint: config.endpoint, configFile, folder: ctx.paths.bucket };
}

/** Stops the gateway; the bucket, the keys and the configuration stay. */
export const gatewayDown = (ctx: Context) => endLasting(projectOf(ctx.paths), ctx);

const projectOf = (paths: Paths) => `mayfly-s3-${createHash('sha256').update(paths.data).digest('hex').slice(0, 8)}`;

interface S3Config {
  bucket: string;
  endpoint: string;
  access_key: string;
  secret_key: string;
  insecure: boolean;
  region: string;
}

async function gatewayConfig(file: string, port: number | undefined): Promise<S3Config> {
  const before = await readFile(file, 'utf8').then((text) => parse(text)?.config as S3Config, () => undefined);
  if (before && !(before.endpoint && before.access_key && before.secret_key)) throw new UsageError(`${file} has no endpoint or no keys`, { hint: 'Remove it: s3:up writes it anew, with new keys.' });
  const config: S3Config = {
    bucket: BUCKET,
    endpoint: port === undefined ? (before?.endpoint ?? `127.0.0.1:${DEFAULT_PORT}`) : `127.0.0.1:${port}`,
    access_key: before?.access_key ?? randomBytes(10).toString('hex'),
    secret_key: before?.secret_key ?? randomBytes(24).toString('base64url'),
    insecure: true,
    region: 'us-east-1',
  };
  await writeFile(file, `# Written by npm run s3:up. It holds keys.\n${stringify({ type: 'S3', config })}`, { mode: 0o600 });
  return config;
}
