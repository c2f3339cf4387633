/** HAProxy before the replicas of a service: its configuration, and the services of a side around it. */
import t from 'tap';
import type { BalancerConfig, Deployment } from '../../scripts/config/types.ts';
import { balancerConfig, slotNames, withDeployment } from '../../scripts/stack/balancer.ts';
import { type ComposeDocument, sideCompose } from '../../scripts/stack/compose-file.ts';
import { aPlan } from '../fixtures/plan.ts';

const BALANCER: BalancerConfig = { service: 'api', port: 8080, sticky: 'cookie', health: '/healthz', drainS: 10 };
const deployment = (changes: Partial<Deployment> = {}): Deployment => ({
  variant: 'scaled',
  replicas: { api: 2 },
  compose: null,
  balancer: BALANCER,
  autoscale: null,
  ...changes,
});

function aDeployedPlan(own: Deployment) {
  const plan = aPlan(['candidate'], { ownImages: { haproxy: 'haproxy:2.6' } });
  return { ...plan, sides: plan.sides.map((side) => ({ ...side, deployment: own })) };
}

const SERVICES: ComposeDocument = {
  services: {
    db: { image: 'db' },
    api: {
      image: 'api',
      scale: 1,
      healthcheck: { test: ['CMD', 'true'] },
      depends_on: { db: { condition: 'service_started', required: true } },
    },
    web: { image: 'web', depends_on: { api: { condition: 'service_healthy', required: true } } },
    cron: { image: 'cron' },
  },
};

t.test('the configuration: replicas in the first slots, the others empty', async (t) => {
  const text = balancerConfig(BALANCER, ['r1', 'r2', 'r3'], ['p-api-1', 'p-api-2']);
  t.match(text, /\n {2}bind :8080\n {2}default_backend replicas\n/);
  t.match(text, /\n {2}server r1 p-api-1:8080 cookie r1\n {2}server r2 p-api-2:8080 cookie r2\n/);
  t.match(text, /\n {2}server r3 127\.0\.0\.1:1 cookie r3 disabled\n/);
  t.match(text, /\n {2}cookie MAYFLY insert indirect nocache\n/);
  t.match(text, /\n {2}http-check send meth GET uri '\/healthz' ver HTTP\/1\.1 hdr Host balancer\n/);
  t.match(text, /\n {2}default-server check inter 250ms fall 2 rise 1 init-addr libc\n/);
  t.match(
    text,
    /\n {2}option redispatch 1\n {2}retries 3\n {2}retry-on conn-failure\n/,
    'what was sent is not sent again',
  );
  t.match(text, /\n {2}stats socket \/tmp\/haproxy\.sock mode 600 level admin\n/);
  t.same(text.match(/^ +bind .*/gm), ['  bind :8080', '  bind :8404'], 'no port for orders');
});

t.test('without stickiness there is no cookie; a path cannot say anything to HAProxy', async (t) => {
  const text = balancerConfig({ ...BALANCER, sticky: 'none', health: "/a'b #c" }, ['r1'], ['p-api-1']);
  t.notMatch(text, /cookie/);
  t.match(text, `uri '/a'\\''b #c' ver`);
});

t.test('slots: more than there are ever replicas at once', async (t) => {
  t.same(slotNames(deployment(), 2), ['r1', 'r2', 'r3', 'r4', 'r5', 'r6']);
  const autoscale = { service: 'api', metric: 'memory', target: 0.5, min: 2, max: 4, cooldownS: 15 } as const;
  t.equal(slotNames(deployment({ autoscale }), 2).length, 10);
  t.equal(slotNames(deployment({ autoscale: { ...autoscale, service: 'web' } }), 2).length, 6, 'of another service');
});

t.test('who has no deployment is started as the file says', async (t) => {
  const plain = { variant: null, replicas: {}, compose: null, balancer: null, autoscale: null };
  t.equal(withDeployment(SERVICES, aDeployedPlan(plain), 'candidate', 1), SERVICES);
});

t.test('replicas without a balancer', async (t) => {
  const { services } = withDeployment(SERVICES, aDeployedPlan(deployment({ balancer: null })), 'candidate', 1);
  t.match(services.api, { deploy: { replicas: 2 } });
  t.notHas(services.api, 'scale');
  t.equal(services.balancer, undefined);
});

t.test('the balancer stands before its service', async (t) => {
  const plan = aDeployedPlan(deployment());
  const document = withDeployment(SERVICES, plan, 'candidate', 1);
  const { services, configs } = sideCompose(document, plan, 'candidate', 1);
  const aliases = (name: string) => services[name].networks.side.aliases;
  t.same(aliases('balancer'), ['api', 'api.candidate'], 'it has the names of the service');
  t.same(aliases('api'), [], 'whose replicas have those of their containers');
  t.same(aliases('web'), ['web', 'web.candidate']);

  t.match(services.balancer, {
    image: 'haproxy:2.6',
    user: 'haproxy',
    depends_on: { api: { condition: 'service_healthy' } },
    cpus: 1,
    mem_limit: '268435456',
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
    init: true,
    labels: { 'dev.mayfly.side': 'candidate' },
  });
  t.match(services.web.depends_on, {
    api: { condition: 'service_healthy' },
    balancer: { condition: 'service_healthy' },
  });
  t.same(
    Object.keys(services).filter((name) => services[name].links?.[0] === 'balancer:api'),
    ['web', 'cron'],
    'but who comes before the service cannot wait for its balancer',
  );
  t.equal(services.api.links, undefined);
  t.match(configs['mayfly-balancer'].content, /server r1 mayfly-01testrun-candidate-1-api-1:8080 cookie r1/);
  t.match(services.balancer.healthcheck.test.at(-1), /\$\$\(cut/, 'Compose fills in what begins with a $');
});

t.test('a service without a health check is waited for until it has started', async (t) => {
  const { healthcheck: _, ...api } = SERVICES.services.api;
  const plan = aDeployedPlan(deployment());
  const { services } = withDeployment({ services: { ...SERVICES.services, api } }, plan, 'candidate', 1);
  t.match(services.balancer.depends_on, { api: { condition: 'service_started' } });
});
