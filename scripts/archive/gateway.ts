/** The S3 gateway of a data folder: versitygw over its bucket, and the object-store configuration with its keys. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { Context } from '../app/context.ts';
import { UsageError } from '../core/errors.ts';
import type { Paths } from '../core/paths.ts';
import { inStep } from '../core/step.ts';
import { isFree } from './archives.ts';
import { GATEWAY_BUCKET, gatewayConfig } from './bucket.ts';
import { endLongRunning, partsOf, startLongRunning } from './long-running.ts';

const TIMEOUT_S = 60;
const DEFAULT_PORT = 9580;

export interface Gateway {
  /** Host and port. */
  endpoint: string;
  /**
   * Absolute path of the Thanos object-store configuration: it holds the keys, and nobody but its owner may read it.
   */
  configFile: string;
  /** Folder of this host that the gateway serves as its bucket. */
  folder: string;
}

/** Starts the gateway, or finds it up. Its keys are made once and stay; a port stays until another is given. */
export async function gatewayUp(port: number | undefined, ctx: Context): Promise<Gateway> {
  const configFile = gatewayConfig(ctx.paths);
  const { config, before } = await readConfig(configFile, port);
  const isUp = (await partsOf(projectOf(ctx.paths), ctx)).size > 0;
  const asBefore = isUp && before?.endpoint === config.endpoint;
  if (!asBefore && !(await isFree(Number(config.endpoint.split(':')[1]))))
    throw new UsageError(`the port of ${config.endpoint} is taken`, {
      hint: 'Choose another with --port=N; nothing was changed.',
    });
  const dir = join(ctx.paths.data, 's3');
  await mkdir(dir, { recursive: true });
  await mkdir(ctx.paths.bucket, { recursive: true });
  await inStep(ctx.progress, `start the S3 gateway on ${config.endpoint}`, (step) =>
    startLongRunning(
      {
        project: projectOf(ctx.paths),
        title: 'the S3 gateway',
        dir,
        files: [join(ctx.paths.root, 'compose', 's3.yaml')],
        profiles: [],
        variables: {
          MAYFLY_S3_ADDRESS: config.endpoint,
          MAYFLY_S3_ACCESS_KEY: config.access_key,
          MAYFLY_S3_SECRET_KEY: config.secret_key,
          MAYFLY_BUCKET: ctx.paths.bucket,
        },
        services: { s3: {} },
        ready: { s3: `http://${config.endpoint}/health` },
      },
      TIMEOUT_S,
      step,
      ctx,
    ),
  );
  if (JSON.stringify(before) !== JSON.stringify(config)) await writeConfig(configFile, config);
  return { endpoint: config.endpoint, configFile, folder: ctx.paths.bucket };
}

/** Stops the gateway; the bucket, the keys and the configuration stay. */
export const gatewayDown = (ctx: Context) => endLongRunning(projectOf(ctx.paths), ctx);

const projectOf = (paths: Paths) => `mayfly-s3-${createHash('sha256').update(paths.data).digest('hex').slice(0, 8)}`;

interface S3Config {
  bucket: string;
  endpoint: string;
  access_key: string;
  secret_key: string;
  insecure: boolean;
  region: string;
}

async function readConfig(
  file: string,
  port: number | undefined,
): Promise<{ config: S3Config; before: S3Config | undefined }> {
  const text = await readFile(file, 'utf8').catch(() => null);
  const before = text === null ? undefined : parseConfig(file, text);
  if (text !== null && !(before?.endpoint && before.access_key && before.secret_key))
    throw new UsageError(`${file} has no endpoint or no keys`, {
      hint: 'Remove it: s3:up writes it anew, with new keys.',
    });
  const config: S3Config = {
    bucket: GATEWAY_BUCKET,
    endpoint: port === undefined ? (before?.endpoint ?? `127.0.0.1:${DEFAULT_PORT}`) : `127.0.0.1:${port}`,
    access_key: before?.access_key ?? randomBytes(10).toString('hex'),
    secret_key: before?.secret_key ?? randomBytes(24).toString('base64url'),
    insecure: true,
    region: 'us-east-1',
  };
  return { config, before };
}

function parseConfig(file: string, text: string): S3Config {
  try {
    return parse(text).config;
  } catch (error) {
    throw new UsageError(`${file} is not YAML: ${(error as Error).message.split('\n')[0]}`, {
      hint: 'Remove it: s3:up writes it anew, with new keys.',
    });
  }
}

/** Whole or not at all, and readable by its owner only. */
async function writeConfig(file: string, config: S3Config): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  await writeFile(temporary, `# Written by npm run s3:up. It holds keys.\n${stringify({ type: 'S3', config })}`, {
    mode: 0o600,
    flush: true,
  });
  await rename(temporary, file);
}
