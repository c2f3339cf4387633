/** The gate and the load generator of what is deployed already, as containers; and whether somebody answers there. */
import { createServer } from 'node:net';
import t from 'tap';
import { gateContainer, mustAnswer } from '../../../scripts/measure/load/gate.ts';
import { loadPlan, ownContainer } from '../../../scripts/measure/load/own-generator.ts';
import { aConfig, aPlan } from '../../fixtures/plan.ts';
import { listening } from '../../loadgen/generator.ts';

const deployedAt = (url: string) => {
  const config = aConfig();
  return aPlan(['candidate'], {
    config: { ...config, deployed: { url, notes: [] }, load: { ...config.load, target: url } },
  });
};
const PLAN = deployedAt('https://staging.example.org');

t.test('the load generator has no way out but the folder of the gate, to read', async (t) => {
  const { networks, binds, dns } = ownContainer(PLAN, 3, 'node:24', { root: '/src' });
  t.strictSame(networks, [{ name: 'mayfly-01testrun-load', aliases: ['load-3.metrics'] }]);
  t.strictSame(dns, ['127.0.0.1']);
  t.strictSame(
    binds!.filter((bind) => !bind.endsWith(':ro')),
    [],
  );
  t.ok(binds!.includes('/data/runs/01TESTRUN/gate/3:/gate:ro'));
  const plan = loadPlan(PLAN, 3);
  t.equal(plan.via, '/gate/target.sock');
  t.match(plan.sides, [{ name: 'candidate', url: 'https://staging.example.org' }]);
  const started = loadPlan(aPlan(), 3);
  t.notOk('via' in started, 'a service of the run is reached directly');
  t.equal(started.sides[0]!.url, 'http://probe.candidate:8080');
  t.notOk(ownContainer(aPlan(), 3, 'node:24', { root: '/src' }).binds!.some((bind) => bind.includes('gate')));
});

t.test('the gate is on the network of the host, and holds nothing of the benchmark', async (t) => {
  const { networks, binds, env, cmd, labels, capAdd, memoryBytes, scratchBytes } = gateContainer(PLAN, 3, 'node:24', {
    root: '/src',
  });
  t.strictSame(networks, ['host']);
  t.strictSame(binds, [
    '/src/loadgen:/mayfly/loadgen:ro',
    '/src/package.json:/mayfly/package.json:ro',
    '/data/runs/01TESTRUN/gate/3:/gate',
  ]);
  t.strictSame(JSON.parse(env!.MAYFLY_GATE!), {
    host: 'staging.example.org',
    port: 443,
    socket: '/gate/target.sock',
    connections: 500,
  });
  t.strictSame(Object.keys(env!), ['MAYFLY_GATE']);
  t.equal(cmd.at(-1), '/mayfly/loadgen/gate.ts');
  t.match(labels, { 'dev.mayfly.run': '01TESTRUN', 'dev.mayfly.service': 'gate', 'dev.mayfly.round': '3' });
  t.equal(capAdd, undefined);
  t.match(
    { memoryBytes, scratchBytes },
    { memoryBytes: 256 * 1024 ** 2, scratchBytes: 1024 ** 2 },
    'it writes nothing',
  );
  const told = (url: string) =>
    JSON.parse(gateContainer(deployedAt(url), 1, 'node:24', { root: '/src' }).env!.MAYFLY_GATE!);
  t.match(told('http://[::1]:8080'), { host: '::1', port: 8080 });
  t.match(told('http://shop'), { host: 'shop', port: 80 });
});

t.test('whether somebody answers is asked before anything is started', async (t) => {
  const server = createServer((socket) => socket.destroy());
  const url = await listening(t, server);
  await mustAnswer(url, new AbortController().signal);
  await mustAnswer(url.replace('127.0.0.1', 'localhost'), new AbortController().signal);
  await new Promise((resolve) => server.close(resolve));
  await t.rejects(mustAnswer(url, new AbortController().signal), {
    message: `nobody answers at ${url}: connect ECONNREFUSED ${url.slice('http://'.length)}`,
    hint: 'Is it up, and does this host reach it? No request was sent.',
    exitCode: 4,
  });
  await t.rejects(mustAnswer('http://nobody.invalid', new AbortController().signal), {
    message: /^nobody answers at http:\/\/nobody\.invalid: getaddrinfo \w+ nobody\.invalid$/,
  });
  await t.rejects(mustAnswer(url, AbortSignal.abort(new Error('enough'))), { message: 'enough' });
});
