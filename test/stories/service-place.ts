/** What the stories of the service share: a checkout of Mayfly of their own, its processes, and GitHub's deliveries. */
import { createHmac, randomUUID } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { stringify } from 'yaml';
import type { Job } from '../../scripts/documents/job.ts';
import { probeBenchmark, ROOT, type Running, run } from '../e2e/helpers.ts';

/** Of the webhook. */
export const SECRET = 'secret of the webhook';
const TIMEOUT_MS = 600_000;

/** A checkout of Mayfly with the probe as its only benchmark: mayfly.yaml names benchmarks of the checkout. */
export function checkout(t: Test, repository: string): string {
  const root = mkdtempSync(join(tmpdir(), 'mayfly-checkout-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  for (const name of [
    'scripts',
    'loadgen',
    'compose',
    'prometheus',
    'thanos',
    'grafana',
    'docs',
    'package.json',
    'package-lock.json',
  ])
    cpSync(join(ROOT, name), join(root, name), { recursive: true, preserveTimestamps: true });
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  const probe = probeBenchmark(t, {
    build: { git: { repository, context: '.', dockerfile: 'Dockerfile' } },
    load: { duration: '1s', warmup: '0s' },
    top: {
      retries: 10,
      comparison: { pairing: 'interleaved' },
      metrics: [{ name: 'latency_med', primary: true, margin: '5%' }],
      jobs: { cancel_running: true, deadline: '20m' },
    },
  });
  cpSync(probe, join(root, 'benchmarks', 'probe'), { recursive: true });
  writeFileSync(
    join(root, 'mayfly.yaml'),
    stringify({ repositories: { 'acme/probe': { benchmarks: ['probe'] } }, reconcile: '10s' }),
  );
  return root;
}

export interface Place {
  root: string;
  env: Record<string, string>;
}

export const start = ({ root, env }: Place, entry: string, ...args: string[]): Running =>
  run('sh', ['scripts/run.sh', entry, ...args], { cwd: root, env });

export async function queue(place: Place, ...args: string[]): Promise<Job[]> {
  const { code, stdout, stderr } = await start(place, 'queue', 'list', '--json', '--all', ...args).done;
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout).jobs;
}

/** What the server says first: where it listens. */
export function urlOf({ child, done }: Running): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout!.on('data', (chunk) => {
      const url = /listening on (http:\S+)/.exec((text += chunk))?.[1];
      if (url) resolve(url);
    });
    child.on('close', () => void done.then(({ stderr }) => reject(new Error(`the server ended: ${stderr}`))));
  });
}

export async function deliver(
  url: string,
  event: string,
  payload: unknown,
): Promise<{ status: number; queued: string[] }> {
  const body = JSON.stringify(payload);
  const signature = `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`;
  const answer = await fetch(`${url}/webhooks/github`, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'x-github-event': event,
      'x-github-delivery': randomUUID(),
      'x-hub-signature-256': signature,
    },
  });
  return { queued: [], ...((await answer.json()) as object), status: answer.status };
}

export async function until<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (const deadline = Date.now() + TIMEOUT_MS; ; await sleep(500)) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`it took more than ${TIMEOUT_MS / 1000} s until ${what}`);
  }
}
