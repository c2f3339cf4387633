import t from 'tap';
import { parse, parseAllDocuments } from 'yaml';
import type { Exceeded, ResourcesDocument } from '../../scripts/documents/resources.ts';
import { checkLines, composeYaml, kubernetesYaml, resourcesTable } from '../../scripts/report/resources-text.ts';

const MIB = 1024 ** 2;

const aDocument = (laid: Partial<ResourcesDocument> = {}): ResourcesDocument => ({
  schema: 'mayfly.resources/v1',
  benchmark: 'uploads',
  variant: 'scaled',
  days: { asked: 90, counted: 3, first: '2026-01-02T03:04:05.000Z', last: '2026-01-09T03:04:05.000Z' },
  runs: { counted: 12, read_from_archive: 2, unknown: [] },
  formula: 'request = all of it',
  services: [
    {
      service: 'api',
      runs: 12,
      replicas: 3,
      memory: { p90: 100.5 * MIB, max: 120 * MIB, request: 116 * MIB, limit: 138 * MIB },
      cpu: { p90: 0.4, max: 0.5, request: 0.46, limit: 0.58 },
      out_of_memory: 0,
      set: { memory: { request: 64 * MIB, limit: 128 * MIB }, cpu: { request: null, limit: 2 } },
    },
    {
      service: 'data_base',
      runs: 12,
      replicas: 1,
      memory: { p90: 20 * MIB, max: 20 * MIB, request: 23 * MIB, limit: 23 * MIB },
      cpu: { p90: 0.04, max: 0.05, request: 0.05, limit: 0.06 },
      out_of_memory: 2,
      set: { memory: { request: null, limit: null }, cpu: { request: null, limit: null } },
    },
  ],
  set_by: '01A',
  autoscale: { service: 'api', metric: 'memory', target: 0.5, min: 2, max: 6, cooldown_s: 15 },
  replicated: ['api'],
  ...laid,
});

t.test('the table has what was used, what is proposed and what is set, and what it rests on', async (t) => {
  const unknown = ['01B', '01C', '01D', '01E'].map((run_id) => ({
    run_id,
    why: 'its blocks were pruned on 2026-01-01',
  }));
  const text = resourcesTable(aDocument({ runs: { counted: 12, read_from_archive: 2, unknown } }), false);
  t.match(text, /api +memory +12 +100\.5 MiB +120 MiB +116 MiB +64 MiB +138 MiB +128 MiB/);
  t.match(text, /api +CPU, cores +12 +0\.4 +0\.5 +0\.46 +- +0\.58 +2\n/);
  for (const line of [
    'uploads (scaled): 12 runs on 3 days of the last 90, 2026-01-02 to 2026-01-09; 2 of them read from the archive',
    '4 runs not known: its blocks were pruned on 2026-01-01 (01B, 01C, 01D, ...)',
    'request = all of it',
    'set: by the Compose file, as run 01A was started; a service that sets no memory limit had one of 1024 MiB',
    'data_base was killed for its memory in 2 runs: what it would have used is taken as 20 % or 100 MiB more',
  ])
    t.ok(text.split('\n').includes(line), line);
});

t.test('as Compose it is deploy.resources of each service', async (t) => {
  const text = composeYaml(aDocument());
  t.match(text, /^# uploads \(scaled\): 12 runs/);
  t.strictSame(parse(text), {
    services: {
      api: {
        deploy: {
          resources: { reservations: { cpus: '0.46', memory: '116M' }, limits: { cpus: '0.58', memory: '138M' } },
        },
      },
      data_base: {
        deploy: {
          resources: { reservations: { cpus: '0.05', memory: '23M' }, limits: { cpus: '0.06', memory: '23M' } },
        },
      },
    },
  });
});

/** Fields as Kubernetes publishes them: kubernetes.io/docs/reference/kubernetes-api, of these kinds. */
const FIELDS: Record<string, string[]> = {
  'apps/v1 Deployment': [
    'metadata.name',
    'spec.strategy.type',
    'spec.strategy.rollingUpdate.maxUnavailable',
    'spec.strategy.rollingUpdate.maxSurge',
    'spec.template.spec.containers.name',
    'spec.template.spec.containers.resources.requests.cpu',
    'spec.template.spec.containers.resources.requests.memory',
    'spec.template.spec.containers.resources.limits.cpu',
    'spec.template.spec.containers.resources.limits.memory',
  ],
  'autoscaling/v2 HorizontalPodAutoscaler': [
    'metadata.name',
    'spec.scaleTargetRef.apiVersion',
    'spec.scaleTargetRef.kind',
    'spec.scaleTargetRef.name',
    'spec.minReplicas',
    'spec.maxReplicas',
    'spec.metrics.type',
    'spec.metrics.resource.name',
    'spec.metrics.resource.target.type',
    'spec.metrics.resource.target.averageUtilization',
    'spec.behavior.scaleDown.stabilizationWindowSeconds',
  ],
  'policy/v1 PodDisruptionBudget': ['metadata.name', 'spec.maxUnavailable', 'spec.selector.matchLabels.app'],
};

const leaves = (value: unknown, path: string): string[] => {
  if (Array.isArray(value)) return value.flatMap((one) => leaves(one, path));
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([key, one]) => leaves(one, path === '' ? key : `${path}.${key}`));
};
const objects = (text: string) =>
  parseAllDocuments(text).map((one) => {
    t.strictSame((one as { errors: unknown[] }).errors, []);
    return (one as { toJS(): any }).toJS();
  });

t.test('as Kubernetes: a Deployment of each, an autoscaler and a budget of what is replicated', async (t) => {
  const all = objects(kubernetesYaml(aDocument()));
  t.strictSame(
    all.map(({ kind, metadata }) => [kind, metadata.name]),
    [
      ['Deployment', 'api'],
      ['HorizontalPodAutoscaler', 'api'],
      ['PodDisruptionBudget', 'api'],
      ['Deployment', 'data-base'],
    ],
  );
  for (const { apiVersion, kind, ...rest } of all) {
    const known = FIELDS[`${apiVersion} ${kind}`];
    t.ok(known, `${apiVersion} ${kind}`);
    t.strictSame(
      leaves(rest, '').filter((field) => !known?.includes(field)),
      [],
      kind,
    );
  }
  const [deployment, autoscaler, budget] = all;
  t.strictSame(deployment.spec, {
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
    template: {
      spec: {
        containers: [
          {
            name: 'api',
            resources: { requests: { cpu: '460m', memory: '116Mi' }, limits: { cpu: '580m', memory: '138Mi' } },
          },
        ],
      },
    },
  });
  t.strictSame(autoscaler.spec, {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'api' },
    minReplicas: 2,
    maxReplicas: 6,
    metrics: [
      { type: 'Resource', resource: { name: 'memory', target: { type: 'Utilization', averageUtilization: 50 } } },
    ],
    behavior: { scaleDown: { stabilizationWindowSeconds: 15 } },
  });
  t.strictSame(budget.spec, { maxUnavailable: 1, selector: { matchLabels: { app: 'api' } } });
});

t.test('without an autoscaler of its own CPU at 80 %; without replicas none, and it says so', async (t) => {
  const [, autoscaler] = objects(kubernetesYaml(aDocument({ autoscale: null })));
  t.match(autoscaler.spec, {
    minReplicas: 2,
    maxReplicas: 4,
    metrics: [{ resource: { name: 'cpu', target: { averageUtilization: 80 } } }],
  });
  const text = kubernetesYaml(aDocument({ autoscale: null, replicated: [] }));
  t.strictSame(
    objects(text).map(({ kind }) => kind),
    ['Deployment', 'Deployment'],
  );
  t.match(
    text,
    /# No service ran in several replicas or behind a balancer: no HorizontalPodAutoscaler, no PodDisruptionBudget\.\n/,
  );
});

t.test('what exceeds is named with its run and by how much', async (t) => {
  const one: Exceeded = {
    run_id: '01B',
    side: 'candidate',
    round: 4,
    service: 'api',
    replica: 2,
    what: 'memory request',
    used: 80 * MIB,
    set: 64 * MIB,
    killed: false,
  };
  const of = (laid: Partial<Exceeded>) => checkLines(aDocument({ exceeded: [{ ...one, ...laid }] }))[0];
  t.equal(
    of({}),
    'run 01B, round 4 of the candidate: api (replica 2) exceeds its memory request: 80 MiB of 64 MiB, 25.0 % more',
  );
  t.equal(
    of({ what: 'cpu limit', used: 1.98, set: 2 }),
    'run 01B, round 4 of the candidate: api (replica 2) reached its CPU limit: 1.98 of 2 cores, 99.0 %',
  );
  t.equal(
    of({ what: 'memory limit', killed: true, replica: null, set: 128 * MIB }),
    'run 01B, round 4 of the candidate: api went over its memory limit of 128 MiB: the kernel killed a process of it',
  );
  t.strictSame(checkLines(aDocument({ exceeded: [] })), [
    '12 runs within what the Compose file sets',
    'data_base sets no request (deploy.resources.reservations): only its limits are checked',
  ]);
});
