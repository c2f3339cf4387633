/**
 * npm run load, as the user calls it: a script tried in a container, the table, exit codes, and nothing left in any
 * case.
 */
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import schema from '../../docs/schemas/mayfly.load.v1.json' with { type: 'json' };
import { compile } from '../../scripts/config/schema.ts';
import { readRequests } from '../../scripts/requests/read-file.ts';
import { dataFolder, mayfly, nothingLeft } from '../e2e/helpers.ts';

const data = dataFolder(t);
const folder = mkdtempSync(join(tmpdir(), 'mayfly-load-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const asked: IncomingMessage['headers'][] = [];
const server = createServer((request, response) => {
  asked.push(request.headers);
  request.resume();
  response.writeHead(request.url === '/search' ? 503 : request.method === 'POST' ? 201 : 200).end('ok');
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
t.teardown(() => (server.close(), server.closeAllConnections()));
const TARGET = `--target=http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const script = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const BUY = script(
  'buy.ts',
  `
  import { defineLoad } from 'mayfly/load';
  import { hostname } from 'node:os';
  export default defineLoad(({ http, journey }) => journey('buy', async () => {
    await http.get('/search', { name: 'search', headers: { 'x-env': Object.keys(process.env).join(), 'x-host': hostname() } });
    await http.post('/orders', { name: 'order', json: { product: 1 }, expect: { status: 201 } });
  }));`,
);
const load = (...args: string[]) => mayfly('load', args, data, { SECRET_OF_THE_HARNESS: 'x' });

t.test('the table, of the benchmark that comes with Mayfly', async (t) => {
  const { code, stdout, stderr } = await load(
    'benchmarks/shop/load.ts',
    TARGET,
    '--rate=50',
    '--duration=2s',
    '--max-in-flight=100',
  ).done;
  t.equal(code, 0, stderr);
  t.match(
    stdout,
    /^benchmarks\/shop\/load\.ts at http:\/\/127\.0\.0\.1:\d+\nopen model, 50\/s for 2\.0s, by mayfly [\d.]+\n100 of 100 iterations made: 100 requests, /,
  );
  for (const row of ['catalogue', 'product', 'search', 'order', 'all requests', 'response time', 'start lag'])
    t.match(stdout, new RegExp(`\n${row} +\\d+`), row);
  t.match(stderr, 'try benchmarks/shop/load.ts');
  await nothingLeft(t, data);
});

t.test(
  'a closed model with a journey, as JSON; failures are the business of the service; every request in a file',
  async (t) => {
    const out = join(folder, 'requests.parquet');
    const { code, stdout, stderr } = await load(
      BUY,
      TARGET,
      '--users=3',
      '--iterations=4',
      '--think=10ms',
      '--json',
      '--quiet',
      `--requests-out=${out}`,
    ).done;
    t.strictSame({ code, stderr }, { code: 0, stderr: '' });
    const result = JSON.parse(stdout);
    const validate = compile(schema);
    t.ok(validate(result), JSON.stringify(validate.errors));
    t.match(result, {
      schema: 'mayfly.load/v1',
      model: 'closed',
      kept: { rows: 24, of: 24 },
      sides: [
        {
          due: 12,
          iterations: 12,
          requests: 24,
          failed: 12,
          journeys: [{ name: 'buy', count: 12, failed: 12 }],
          failures: [{ kind: 'status', detail: '503', count: 12, example: { name: 'search', message: 'status 503' } }],
        },
      ],
    });
    t.equal((await readRequests(out)).rows.due.length, 24);
    const headers = asked.find((one) => one['x-env'] !== undefined)!;
    t.notMatch(headers['x-env'], 'SECRET_OF_THE_HARNESS', 'nothing of the harness is in the environment of the script');
  },
);

t.test('a load that was not made as asked', async (t) => {
  const slow = script(
    'slow.ts',
    `
    import { defineLoad } from 'mayfly/load';
    import { setTimeout as sleep } from 'node:timers/promises';
    export default defineLoad(({ time }) => time('sleep', () => sleep(300)));`,
  );
  const { code, stdout } = await load(slow, TARGET, '--rate=50', '--duration=1s', '--max-in-flight=2').done;
  t.equal(code, 3);
  t.match(
    stdout,
    /\nThe load was not made as asked: \d+ iterations dropped, since as many as may be were under way \(--max-in-flight=2\)/,
  );
});

t.test('a script at fault: file and line, what is allowed, exit code 2', async (t) => {
  const cases: [string, RegExp][] = [
    [
      script(
        'option.ts',
        `import { defineLoad } from 'mayfly/load';\nexport default defineLoad(({ http }) => http.get('/', { nam: 'x' }));`,
      ),
      /^mayfly: \S*\/option\.ts:2 http\.get has no option nam\nIt takes name, /m,
    ],
    [
      script(
        'set-up.ts',
        `import { defineLoad } from 'mayfly/load';\nexport default defineLoad({ setUp: () => {\n  throw new Error('no account \\u001b[2J');\n} }, ({ http }) => http.get('/'));`,
      ),
      /^mayfly: \S*: setUp for candidate failed: set-up\.ts:3 no account [^\u001b]*$/m,
    ],
  ];
  for (const [file, sentence] of cases) {
    const { code, stdout, stderr } = await load(file, TARGET, '--rate=10', '--duration=1s').done;
    t.match(stderr, sentence, file);
    t.strictSame({ code, stdout }, { code: 2, stdout: '' });
  }
  await nothingLeft(t, data);
});

t.test('refused before anything is started', async (t) => {
  const cases: [string[], RegExp][] = [
    [
      [BUY, '--target=http://192.0.2.1', '--rate=1'],
      /^mayfly: --target=http:\/\/192\.0\.2\.1 is not this machine\n[^\n]*--i-own-this-target\.\n$/,
    ],
    [['--rate=1'], /^mayfly: load needs one load script, got 0\nusage: npm run load -- SCRIPT \[flags\]/],
    [[BUY, TARGET, '--rat=1'], /^mayfly: --rat is not a flag \(did you mean --rate\?\)\nsee npm run load -- --help\n$/],
  ];
  for (const [args, sentence] of cases) t.match(await load(...args).done, { code: 2, stdout: '', stderr: sentence });
  t.match(await load('--help').done, {
    code: 0,
    stdout: /^usage: npm run load -- SCRIPT \[flags\]\n[^]*--i-own-this-target/,
  });
});

t.test('what a script writes and reads: nothing of the host but its folder, to read', async (t) => {
  const nosy = script(
    'nosy.ts',
    `
    import { defineLoad } from 'mayfly/load';
    import { readFileSync, rmSync, writeFileSync } from 'node:fs';
    const attempt = (work) => { try { work(); return 'done'; } catch (error) { return error.code; } };
    const tried = [() => writeFileSync('/benchmark/buy.ts', ''), () => writeFileSync('/mayfly/loadgen/load.ts', ''), () => writeFileSync('/usr/x', ''), () => readFileSync('/var/run/docker.sock'), () => readFileSync(${JSON.stringify(join(data, 'mayfly.db'))}), () => writeFileSync('/tmp/fill', Buffer.alloc(100 * 1024 ** 2))].map(attempt);
    rmSync('/tmp/fill', { force: true });
    export default defineLoad(({ http }) => http.get('/', { headers: { 'x-tried': tried.join() } }));`,
  );
  const { code, stderr } = await load(nosy, TARGET, '--rate=5', '--duration=1s').done;
  t.equal(code, 0, stderr);
  t.same(asked.findLast((one) => one['x-tried'] !== undefined)!['x-tried'], 'EROFS,EROFS,EROFS,ENOENT,ENOENT,ENOSPC');
  t.match(readFileSync(BUY, 'utf8'), 'defineLoad');
});

t.test('interrupted, and killed: nothing is left', async (t) => {
  const long = () => load(BUY, TARGET, '--rate=5', '--duration=10m', `--requests-out=${join(folder, 'never')}`);
  const interrupted = long();
  await once(server, 'request');
  interrupted.child.kill('SIGINT');
  t.match(await interrupted.done, {
    code: 130,
    stdout: '',
    stderr: /mayfly: interrupted by SIGINT; everything was taken down\n$/,
  });
  await nothingLeft(t, data);

  const { child, done } = long();
  await once(server, 'request');
  child.kill('SIGKILL');
  await done;
  // unless another process on this host has swept before
  const { code, stderr } = await load(BUY, TARGET, '--rate=5', '--duration=1s').done;
  t.equal(code, 0, stderr);
  await nothingLeft(t, data);
  t.notOk(existsSync(join(folder, 'never')));
});
