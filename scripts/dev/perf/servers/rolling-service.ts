/**
 * A small service for rolling updates, as a benchmark in a repository of its own: /work takes 20 ms, four at a time; /wait
 * is a long poll, answered after ten seconds (`waitS`), or at SIGTERM. It ends as a good service does, or not.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { ROOT } from '../../../app/open.ts';
import { makeBenchmark } from '../../../config/template.ts';
import { gitIn } from '../shop-run.ts';

/** Each replica: at once, and how long one takes. */
const [AT_ONCE, WORK_MS] = [4, 20];

/** good: it answers what is under way, then ends. ignoring: SIGTERM is nothing to it. shell: a shell before it gets it. */
export type Ending = 'good' | 'ignoring' | 'shell';

const server = (ending: Ending, waitS: number) => `import { createServer, type ServerResponse } from 'node:http';

const waiting = new Set<ServerResponse>();
const queue: ServerResponse[] = [];
let busy = 0;
function next() {
  if (busy >= ${AT_ONCE} || queue.length === 0) return;
  busy++;
  const response = queue.shift()!;
  setTimeout(() => (response.end('done'), busy--, next()), ${WORK_MS});
}
const server = createServer((request, response) => {
  if (request.url === '/work') return void (queue.push(response), next());
  if (request.url !== '/wait') return void response.end('well');
  waiting.add(response);
  setTimeout(() => (response.end('nothing new'), waiting.delete(response)), ${waitS * 1000});
});
server.keepAliveTimeout = 60_000;
server.listen(8080, '0.0.0.0');
process.on('SIGTERM', () => {
  ${
    ending === 'ignoring'
      ? ''
      : `for (const response of waiting) response.end('come again');
  server.close(() => process.exit(0));
  setInterval(() => server.closeIdleConnections(), 20);`
  }
});
`;

export interface RollingService {
  /** Its folder. */
  benchmark: string;
  /** Commits the service with this ending. */
  commit(ending: Ending): Promise<string>;
  /** Lays this over benchmark.yaml. */
  lay(change: Record<string, unknown>): Promise<void>;
}

/** `path`: what is requested. */
export async function makeRollingService(
  folder: string,
  {
    path,
    init = true,
    graceS = 2,
    waitS = 10,
  }: { path: '/work' | '/wait'; init?: boolean; graceS?: number; waitS?: number },
): Promise<RollingService> {
  const git = gitIn(folder, 'perf');
  await git('init', '--quiet', '--initial-branch=main');
  const { dir } = makeBenchmark({ name: 'api', template: 'http', folder }, { root: ROOT, cwd: folder });
  const file = join(dir, 'benchmark.yaml');
  const dockerfile = join(dir, 'service', 'Dockerfile');
  const plain = await readFile(dockerfile, 'utf8');
  const compose = join(dir, 'compose.yaml');
  const { services } = parse(await readFile(compose, 'utf8'));
  await writeFile(
    compose,
    stringify({ services: { api: { ...services.api, init, stop_grace_period: `${graceS}s`, mem_limit: '256m' } } }),
  );
  await writeFile(
    join(dir, 'load.ts'),
    `import { defineLoad } from 'mayfly/load';\n\nexport default defineLoad(({ http }) => http.get('${path}', { name: '${path.slice(1)}' }));\n`,
  );
  return {
    benchmark: dir,
    async commit(ending) {
      await writeFile(join(dir, 'service', 'server.ts'), server(ending, waitS));
      const command = /^CMD .*$/m;
      if (!command.test(plain)) throw new Error('the Dockerfile of the template http is another one');
      await writeFile(
        dockerfile,
        ending === 'shell' ? plain.replace(command, 'CMD ["sh", "-c", "node server.ts; true"]') : plain,
      );
      await git('add', '--all');
      await git('commit', '--quiet', '--allow-empty', '-m', ending);
      return git('rev-parse', 'HEAD');
    },
    async lay(change) {
      const { scrape: _, metrics: __, ...spec } = parse(await readFile(file, 'utf8'));
      const { load, allow, ...rest } = change as Record<string, object>;
      await writeFile(
        file,
        stringify({
          ...spec,
          ...rest,
          load: { script: 'load.ts', target: 'http://api:8080', ...load },
          allow: { ...spec.allow, ...allow },
        }),
      );
    },
  };
}
