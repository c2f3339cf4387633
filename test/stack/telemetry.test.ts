/** The telemetry folders and the sidecar of a side, as they are started. */
import t from 'tap';
import { sideCompose } from '../../scripts/stack/compose-file.ts';
import { isTelemetryVolume, sidecarSpec, withTelemetry } from '../../scripts/stack/telemetry.ts';
import { SIDECAR_VARIABLE } from '../../scripts/telemetry/sidecar-state.ts';
import { aConfig, aPlan } from '../fixtures/plan.ts';

const probe = { image: 'probe', environment: { MODE: 'ok' }, volumes: [{ type: 'tmpfs', target: '/tmp' }] };
const other = { image: 'other' };
const plan = aPlan(['candidate', 'baseline'], {
  config: aConfig({ telemetry: [{ service: 'probe', folder: '/var/t', bytes: 2 ** 20 }] }),
});

t.test('a service that is listed has its folder, and knows where; the others are as they were', async (t) => {
  const resolved = { services: { probe, other }, volumes: { data: {} } };
  const plain = sideCompose(resolved, plan, 'baseline', 3);
  const { services, volumes } = withTelemetry(plain, plan, 'baseline', 3);
  t.match(services.probe, {
    environment: { MODE: 'ok', MAYFLY_TELEMETRY: '/var/t' },
    volumes: [
      { type: 'tmpfs', target: '/tmp' },
      { type: 'volume', source: 'mayfly-telemetry-probe', target: '/var/t', volume: { nocopy: true } },
    ],
  });
  t.same(services.other, plain.services.other);
  t.match(volumes, {
    data: {},
    'mayfly-telemetry-probe': { external: true, name: 'mayfly-01testrun-baseline-1-telemetry-probe' },
  });
  t.equal(withTelemetry(plain, aPlan(), 'candidate', 3), plain, 'without telemetry nothing is another');
});

t.test('what a service writes into its folder is no matter of the disk; its own volumes are', async (t) => {
  const { volumes } = withTelemetry({ services: { probe } }, plan, 'baseline', 3);
  t.ok(isTelemetryVolume(volumes!['mayfly-telemetry-probe'].name));
  t.notOk(isTelemetryVolume('mayfly-01testrun-baseline-1_a-telemetry-b'), 'whatever it is called');
});

t.test('the sidecar: no network, no capability, nothing of the host but the folder of the round', async (t) => {
  const spec = sidecarSpec(plan, 'baseline', 3, 'node:x', { root: '/src' });
  t.match(spec, {
    name: 'mayfly-01testrun-baseline-1-telemetry',
    image: 'node:x',
    networks: ['none'],
    pidsLimit: 32,
    memoryBytes: 256 * 2 ** 20,
    cpus: 0.5,
    scratchBytes: 2 ** 20,
  });
  t.same(spec.binds, [
    '/src/scripts/telemetry/sidecar.ts:/mayfly/sidecar.ts:ro',
    '/src/package.json:/mayfly/package.json:ro',
    '/data/runs/01TESTRUN/telemetry/round-3/baseline:/out',
    'mayfly-01testrun-baseline-1-telemetry-probe:/telemetry/probe:nocopy',
  ]);
  t.match(JSON.parse(spec.env![SIDECAR_VARIABLE]!), {
    services: [{ name: 'probe', folder: '/telemetry/probe', bytes: 2 ** 20 }],
    out: '/out',
  });
  t.notOk('dev.mayfly.side' in spec.labels, 'nothing that is asked of a side means it');
  t.notOk(
    Object.keys(spec.labels).some((name) => name.startsWith('com.docker.compose')),
    'nor Compose',
  );
  t.match(spec.labels, { 'dev.mayfly.run': '01TESTRUN', 'dev.mayfly.service': 'telemetry', 'dev.mayfly.round': '3' });
});
