/** A repository with the functions of chain-sync, and a benchmark that builds from it: commits that differ in one thing. */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { Context } from '../../../app/context.ts';
import { ROOT } from '../../../app/open.ts';
import { type BenchOptions, loadConfig } from '../../../config/config.ts';
import { InfrastructureError } from '../../../core/errors.ts';
import type { RunDocument } from '../../../documents/run.ts';
import { bench } from '../../../pipeline.ts';
import { gitIn } from '../shop-run.ts';

const FROM = join(ROOT, 'benchmarks', 'chain-sync');
/** The hop that a commit changes. */
export const CHANGED = 'consumer';

/** What a commit does beside the first one: in seconds of each call of the changed hop, or without any span. */
export interface Extra {
  waitS?: number;
  computeS?: number;
  untraced?: true;
}

export interface Chain {
  commit(name: string, extra: Extra): Promise<string>;
  compare(commit: string, against: string, more?: BenchOptions): Promise<RunDocument>;
}

/** `lay`: what is changed of benchmark.yaml. */
export async function makeChain(
  folder: string,
  lay: (spec: Record<string, any>) => Record<string, any>,
  ctx: Context,
): Promise<Chain> {
  const repository = join(folder, 'repository');
  const benchmark = join(folder, 'chain');
  await mkdir(repository, { recursive: true });
  await cp(join(FROM, 'functions'), repository, {
    recursive: true,
    filter: (path) => !path.includes('functions/node_modules'),
  });
  await cp(FROM, benchmark, { recursive: true, filter: (path) => path !== join(FROM, 'functions') });
  const spec = parse(await readFile(join(FROM, 'benchmark.yaml'), 'utf8'), { merge: true });
  const build = Object.fromEntries(
    Object.entries(spec.build as Record<string, { git: object }>).map(([name, { git }]) => [
      name,
      { git: { ...git, repository, context: '.' } },
    ]),
  );
  const own = { ...spec, build, retries: 10 };
  await writeFile(join(benchmark, 'benchmark.yaml'), stringify(lay(own)));
  // the load script reads the contract of the first function
  await cp(join(FROM, 'functions', 'protos'), join(benchmark, 'functions', 'protos'), { recursive: true });
  const git = gitIn(repository, 'perf');
  await git('init', '--quiet', '--initial-branch=main');
  const file = (name: string) => join(repository, `${name}.ts`);
  const text = {
    consumer: await readFile(file('consumer'), 'utf8'),
    producer: await readFile(file('producer'), 'utf8'),
  };
  return {
    async commit(name, extra) {
      await writeFile(file('consumer'), withExtra(text.consumer, extra));
      await writeFile(file('producer'), extra.untraced ? untraced(text.producer) : text.producer);
      await git('add', '--all');
      await git('commit', '--quiet', '--allow-empty', '-m', name);
      return git('rev-parse', 'HEAD');
    },
    async compare(commit, against, more = {}) {
      const labels = { purpose: 'perf-chain' };
      const options = { benchmark, commit, against, labels, pairing: 'interleaved' as const, ...more };
      const run = await bench(await loadConfig(options, { root: ROOT, cwd: ROOT }), ctx);
      if (!run.verdict || run.verdict.observations === 0)
        throw new InfrastructureError(
          `run ${run.run_id} has no round that counts: ${run.status_reason ?? run.status}`,
          {
            hint: 'Do nothing else on the machine meanwhile.',
          },
        );
      return run;
    },
  };
}

/** The message of the log line in which a call that has waited says for how long, in its field `ms`. */
export const WAITED = 'has waited';

/** The consumer with what is asked of it at the beginning of every call: it sleeps, or it computes. */
function withExtra(consumer: string, { waitS = 0, computeS = 0, untraced: isOff }: Extra): string {
  const method = 'function Consume({ payload }: { payload: Buffer }) {\n';
  const slower =
    waitS > 0
      ? `import { setTimeout as sleep } from 'node:timers/promises';\nimport { log } from 'mayfly-functions/log';\n${consumer.replace(
          method,
          `async ${method}  const began = performance.now();\n  await sleep(${waitS * 1000});\n  log.info('${WAITED}', { ms: performance.now() - began });\n`,
        )}`
      : consumer.replace(
          method,
          `${method}  const began = performance.now();\n  while (performance.now() - began < ${computeS * 1000});\n`,
        );
  if (!slower.includes('const began')) throw new TypeError('the place for the extra cost is not found in consumer.ts');
  return isOff ? untraced(slower) : slower;
}

/** Without the address of Zipkin the library makes no span; it looks for it when the function starts. */
function untraced(text: string): string {
  const first = text.indexOf('\nimport ');
  if (first < 0) throw new TypeError('a function without an import');
  const off = "import 'data:text/javascript,delete process.env.OTEL_EXPORTER_ZIPKIN_ENDPOINT';";
  return `${text.slice(0, first + 1)}${off}\n${text.slice(first + 1)}`;
}
