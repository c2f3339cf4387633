/** Chromium in a container, driven over its debugging protocol; removed whatever happens. */

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Browser, chromium } from 'playwright-core';
import type { Test } from 'tap';
import { ulid } from 'ulid';
import { freePort } from '../../scripts/archive/archives.ts';
import { ownerLabels } from '../../scripts/engine/owner.ts';
import { IMAGES } from '../../scripts/images/images.ts';
import { createProgress } from '../../scripts/report/progress.ts';
import { setUp } from '../../scripts/setup/machine.ts';
import { dataFolder } from '../e2e/helpers.ts';

/**
 * Without AF_NETLINK (16) Chromium does not hear of the networks that other tests make on this host meanwhile, over
 * each of which it would break off its requests (ERR_NETWORK_CHANGED). 97: EAFNOSUPPORT.
 */
const SECCOMP = {
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [
    { names: ['socket'], action: 'SCMP_ACT_ERRNO', errnoRet: 97, args: [{ index: 0, value: 16, op: 'SCMP_CMP_EQ' }] },
  ],
};
const docker = async (...args: string[]) => (await promisify(execFile)('docker', args)).stdout.trim();
/**
 * For the start, and for one try to connect: one that comes while Chromium opens its first window may hang for ever.
 */
const START_MS = 120_000;
const TRY_MS = 10_000;

/** A browser that sees this host's loopback and nothing else, until the end of the test. */
export async function startBrowser(t: Test): Promise<Browser> {
  await setUp({ images: ['chromium'], progress: createProgress({ stream: process.stderr, quiet: true }) });
  const port = await freePort();
  const labels = Object.entries(ownerLabels(ulid())).flatMap(([name, value]) => ['--label', `${name}=${value}`]);
  const seccomp = join(dataFolder(t), 'seccomp.json');
  writeFileSync(seccomp, JSON.stringify(SECCOMP));
  const limits = [
    `--security-opt=seccomp=${seccomp}`,
    '--memory=2g',
    '--pids-limit=1000',
    '--cap-drop=ALL',
    '--security-opt=no-new-privileges',
    '--read-only',
    '--tmpfs=/tmp:mode=1777,size=512m',
  ];
  const id = await docker(
    'run',
    '--detach',
    '--init',
    '--network=host',
    ...labels,
    ...limits,
    IMAGES.chromium.ref,
    `--remote-debugging-port=${port}`,
  );
  const remove = () => docker('rm', '--force', id);
  t.teardown(remove);
  const browser = await connected(`http://127.0.0.1:${port}`, id).catch(async (error) => {
    await remove(); // the test ends here, without its teardown
    throw error;
  });
  t.teardown(() => browser.close());
  return browser;
}

async function connected(url: string, container: string): Promise<Browser> {
  const deadline = Date.now() + START_MS;
  for (;;) {
    try {
      return await chromium.connectOverCDP(url, { timeout: TRY_MS });
    } catch (error) {
      if (Date.now() > deadline)
        throw new Error(`Chromium does not answer at ${url}: ${await docker('logs', '--tail=30', container)}`, {
          cause: error,
        });
      await sleep(200);
    }
  }
}
