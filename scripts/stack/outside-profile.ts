/**
 * Profiles of services whose runtime writes none itself, taken from outside while the load goes on: by the kernel's
 * profiler, or from an endpoint of the service in the format of pprof.
 */
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Context } from '../app/context.ts';
import { InfrastructureError } from '../core/errors.ts';
import { runTool, type Tool } from '../engine/tool.ts';

/** How a service is profiled from outside. */
export type OutsideProfiler = 'perf' | { pprof: { port: number; path: string } };

export interface OutsideProfile {
  profiler: OutsideProfiler;
  /** The container under test, and a network of it. */
  container: { id: string; name: string };
  network: string;
  seconds: number;
  /** Where the profile is written: it ends in fileEnding(profiler). Its folder is made. */
  file: string;
  /** Run id: the containers of the profiler are the run's. */
  owner: string;
}

/** Name of a profile's file by what makes it: which parser reads it. */
export const fileEnding = (profiler: OutsideProfiler): string => (profiler === 'perf' ? '.perf' : '.pprof');

/** Samples of a second. No divisor of 1000, so that what the service does each millisecond is not hit always or never. */
const HERTZ = 499;
/** Beyond the time of the profile: to start, and to write it. */
const SLACK_MS = 60_000;
/** A profile that is larger is cut off, and no profile. */
const MOST_BYTES = 128 * 2 ** 20;

/**
 * Needs a shell for a reason: which processes there are is known in there alone. $1: samples of a second, $2: seconds,
 * $3: the file. All processes but the first, which is the init, and this shell. What it records is read while they
 * live, since their binaries and symbols are in their file system.
 */
const PERF = `
set -eu
pids=
for process in /proc/[0-9]*; do
  pid=\${process#/proc/}
  if [ "$pid" != 1 ] && [ "$pid" != $$ ]; then pids="$pids\${pids:+,}$pid"; fi
done
[ -n "$pids" ] || { echo "there is no process in it" >&2; exit 1; }
perf record --quiet --event cpu-clock --freq "$1" -g --output /tmp/perf.data --pid "$pids" -- sleep "$2" >&2
perf script --force --input /tmp/perf.data --fields comm,tid,time,ip,sym,dso > "$3.part" 2>/tmp/errors || { cat /tmp/errors >&2; exit 1; }
mv "$3.part" "$3"
`;

/** Arguments: URL, file, most bytes. Follows no redirect; the service is not trusted. */
const FETCH = `
const { createWriteStream, renameSync } = require('node:fs');
const { Readable } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const [url, file, most] = process.argv.slice(1);
(async () => {
  const answer = await fetch(url, { redirect: 'error' });
  if (answer.status !== 200) throw new Error('it answers ' + answer.status);
  let bytes = 0;
  await pipeline(Readable.fromWeb(answer.body), async function* (chunks) {
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > Number(most)) throw new Error('its profile is larger than ' + most + ' bytes');
      yield chunk;
    }
  }, createWriteStream(file + '.part'));
  renameSync(file + '.part', file);
})().catch((error) => {
  console.error(error.cause?.code ?? error.cause?.message ?? error.message);
  process.exitCode = 1;
});
`;

/** Throws InfrastructureError that says why there is no profile. */
export async function profileFromOutside(profile: OutsideProfile, ctx: Context): Promise<void> {
  const { profiler, container, owner, seconds, file } = profile;
  await mkdir(dirname(file), { recursive: true });
  const out = join('/out', basename(file));
  const tool: Tool = {
    owner: `${owner}-profile`,
    purpose: 'profiler',
    timeoutMs: seconds * 1000 + SLACK_MS,
    binds: [`${dirname(file)}:/out`],
    ...(profiler === 'perf'
      ? {
          image: { ref: (await ctx.obtainImages(['perf'])).perf!.ref },
          entrypoint: ['/bin/sh', '-c', PERF, 'perf'],
          cmd: [String(HERTZ), String(seconds), out],
          network: 'none',
          // to look into processes, and into their file systems for symbols; to write what belongs to another user
          privileges: { capAdd: ['SYS_ADMIN', 'SYS_PTRACE', 'SYS_CHROOT', 'DAC_OVERRIDE'], pidOf: container.id },
        }
      : {
          image: 'node',
          entrypoint: ['node', '-e', FETCH],
          cmd: [pprofUrl(container.name, profiler.pprof, seconds), out, String(MOST_BYTES)],
          network: profile.network,
        }),
  };
  const { exitCode, error } = await runTool(tool, ctx);
  if (exitCode !== 0)
    throw new InfrastructureError(
      `${profiler === 'perf' ? 'perf' : `the pprof endpoint at port ${profiler.pprof.port}${profiler.pprof.path}`} gave no profile of ${container.name}: ${error}`,
    );
}

function pprofUrl(host: string, { port, path }: { port: number; path: string }, seconds: number): string {
  const url = new URL(path, `http://${host}:${port}`);
  url.searchParams.set('seconds', String(Math.ceil(seconds)));
  return url.href;
}
