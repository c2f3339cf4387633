import t from 'tap';
import { uploadArgs } from '../../scripts/archive/upload.ts';
import { generatorContainer } from '../../scripts/load/image.ts';
import { k6Container, seedOf } from '../../scripts/load/k6.ts';
import { dockerBuildArgs, LastLines, withoutSecrets } from '../../scripts/stack/build.ts';
import { benchmarkSubnet, createBody, networkBody, readFrames } from '../../scripts/stack/engine.ts';
import { aConfig, aPlan } from '../fixtures/plan.ts';

t.test('docker build: a hostile value stays one argument', async (t) => {
  const plan = aPlan();
  const args = dockerBuildArgs(plan.sides[0]!.builds[0]!, plan);
  t.same(args, [
    'docker', 'build', '--force-rm', '--file', 'Dockerfile', '--tag', 'mayfly/probe-probe:aaaa', '--network', 'none', '--memory', '4g', '--memory-swap', '4g',
    '--label', 'dev.mayfly.benchmark=probe', '--label', `dev.mayfly.build=${'a'.repeat(40)}`, '--build-arg', 'MODE=a b; $(touch x)', '-',
  ]);
});

t.test('k6: open-model settings, both sides, networks and labels', async (t) => {
  const spec = k6Container(aPlan(['candidate', 'baseline']), 3, 'grafana/k6:1.8.1', { root: '/src' });
  t.equal(spec.name, 'mayfly-01testrun-k6-3');
  t.equal(spec.user, `${process.getuid!()}:${process.getgid!()}`);
  t.same(spec.cmd, ['run', '--quiet', '--no-color', '--no-usage-report', '--address', '', '--max-redirects', '0', '--out', 'experimental-prometheus-rw', '/benchmark/load.js']);
  t.match(spec.env, {
    RATE: '100', DURATION_S: '10', WARMUP_S: '2', GAP_S: '0.5', VUS: '25', SIDES: 'candidate,baseline', ROUND: '3', SEED: String(seedOf('01TESTRUN', 3)), COMMIT_BASELINE: 'a'.repeat(40),
    TARGET_CANDIDATE: 'http://probe.candidate:8080', TARGET_BASELINE: 'http://probe.baseline:8080',
    K6_PROMETHEUS_RW_TREND_AS_NATIVE_HISTOGRAM: 'true', K6_PROMETHEUS_RW_SERVER_URL: 'http://prometheus.control:9090/api/v1/write',
  });
  t.same(spec.networks, ['mayfly-01testrun-control', 'mayfly-01testrun-candidate', 'mayfly-01testrun-baseline']);
  t.same(spec.binds, ['/src/loadgen:/loadgen:ro', '/src/benchmarks/probe:/benchmark:ro']);
  t.match(spec.labels, { 'dev.mayfly.run': '01TESTRUN', 'dev.mayfly.service': 'k6', 'dev.mayfly.round': '3' });
});

t.test('another generator: its variables, in the environment and in the command', async (t) => {
  const load = { ...aConfig().load, generator: { kind: 'image' as const, image: 'gen', command: ['attack', '-rate=${RATE}', '-duration=${DURATION}', '${TARGET}', '${HOME}'], requests: 'x' } };
  const spec = generatorContainer(aPlan(['candidate'], { config: aConfig({ load }) }), 'candidate', 1, 'measure');
  t.same(spec.cmd, ['attack', '-rate=100', '-duration=10s', 'http://probe.candidate:8080', '${HOME}']);
  t.match(spec.env, { RATE: '100', DURATION: '10s', TARGET: 'http://probe.candidate:8080' });
});

t.test('thanos: the labels are quoted as it wants them', async (t) => {
  t.same(uploadArgs({ run_id: '01A', benchmark: 'shop', host: 'h"x' }), [
    'tools', 'bucket', 'upload-blocks', '--objstore.config-file=/etc/thanos/bucket.yaml', '--path=/snapshot', '--shipper.upload-compacted', '--log.level=info', '--log.format=json',
    '--label=run_id="01A"', '--label=benchmark="shop"', '--label=host="h\\"x"',
  ]);
});

t.test("the engine's containers and networks as values", async (t) => {
  const body = createBody({ name: 'n', image: 'i', cmd: ['c'], labels: { l: '1' }, networks: ['net'], env: { A: 'b' }, cpuset: '1' });
  t.match(body, { Image: 'i', Env: ['A=b'], HostConfig: { LogConfig: { Type: 'json-file', Config: { 'max-size': '32m', 'max-file': '2' } }, NetworkMode: 'net', Init: true, CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'], CpusetCpus: '1' } });
  t.match(networkBody('n', {}, { isolated: true }), { Internal: true, Options: { 'com.docker.network.bridge.inhibit_ipv4': 'true' } });
  t.match(networkBody('n', {}, { isolated: false }), { Internal: false, Options: {} });
});

t.test('subnets for more runs than the engine has networks for', async (t) => {
  t.equal(benchmarkSubnet(0), '198.18.0.0/26');
  t.equal(benchmarkSubnet(0.49999), '198.18.255.192/26');
  t.equal(benchmarkSubnet(0.5), '198.19.0.0/26');
  t.equal(benchmarkSubnet(0.99999), '198.19.255.192/26');
  t.equal(new Set(Array.from({ length: 2048 }, (_, i) => benchmarkSubnet(i / 2048))).size, 2048);
});

t.test('the log stream is split into frames, and a torn frame waits for its rest', async (t) => {
  const frame = (stream: number, text: string) => Buffer.concat([Buffer.from([stream, 0, 0, 0, 0, 0, 0, text.length]), Buffer.from(text)]);
  const bytes = Buffer.concat([frame(1, 'out'), frame(2, 'err'), frame(1, 'torn').subarray(0, 10)]);
  const { frames, tail } = readFrames(bytes);
  t.same(frames.map((f) => [f.stream, f.data.toString()]), [[1, 'out'], [2, 'err']]);
  t.equal(tail.length, 10);
});

t.test('of the output of a build the last lines are kept, and of a line without end its last part', async (t) => {
  const seen: string[] = [];
  const output = new LastLines(2, (line) => seen.push(line));
  output.also((line) => seen.push(`also ${line}`));
  output.add(Buffer.from('one\ntwo\r\n\nthr'));
  output.add(Buffer.from('ee\n'));
  t.equal(output.text(), '    two\n    three');
  t.same(seen, ['one', 'also one', 'two', 'also two', 'three', 'also three']);
  for (let i = 0; i < 100; i++) output.add(Buffer.alloc(1 << 20, 'x'));
  output.add(Buffer.from('\nend'));
  t.ok(output.text().length < 5000);
  t.match(output.text(), /end$/);
});

t.test('a build command gets no secret', async (t) => {
  const env = withoutSecrets({ PATH: '/bin', GITHUB_TOKEN: 'x', AWS_SECRET_ACCESS_KEY: 'x', MAYFLY_WEBHOOK_SECRET: 'x', DB_PASSWORD: 'x', SOME_API_KEY: 'x', GOCACHE: '/c' });
  t.same(env, { PATH: '/bin', GOCACHE: '/c' });
});
