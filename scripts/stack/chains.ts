/**
 * What the harness adds to a side where its benchmark names a broker or traces: the broker and the trigger service, and
 * what services find in their environment (docs/events.md, docs/traces.md). Pure.
 */
import { ZIPKIN } from '../config/broker.ts';
import type { SideName } from '../documents/run.ts';
import type { Plan } from '../plan/plan.ts';
import type { ComposeDocument } from './compose-file.ts';

/** The services that are added, by their names on the side's network. */
export const BROKER = 'broker';
export const TRIGGER = 'trigger';
/** Where the trigger service takes events, and where it shows its metrics. */
const INGRESS_PORT = 8080;
export const METRICS_PORT = 9090;
export const ZIPKIN_PORT = 9411;

type Services = ComposeDocument['services'];
type Entries = Record<string, any>;

/**
 * The services of a side with the broker and the trigger service beside them. `broker`: the broker's own Compose file,
 * as Compose reads it. Its volumes, configs and secrets are no service's but its own.
 */
export function withBroker(document: ComposeDocument, broker: ComposeDocument, plan: Plan): ComposeDocument {
  const own = (part: 'volumes' | 'configs' | 'secrets') =>
    Object.fromEntries(Object.entries((broker[part] as Entries) ?? {}).map(([key, value]) => [ownName(key), value]));
  const parts = (['volumes', 'configs', 'secrets'] as const).flatMap((part) => {
    const all = { ...(document[part] as Entries | undefined), ...own(part) };
    return Object.keys(all).length > 0 ? [[part, all] as const] : [];
  });
  return {
    ...document,
    services: {
      ...document.services,
      [BROKER]: withOwnNames(broker.services[BROKER]),
      [TRIGGER]: triggerService(plan),
    },
    ...Object.fromEntries(parts),
  };
}

const ownName = (key: string) => `mayfly-broker-${key}`;

function withOwnNames(service: Services[string]): Services[string] {
  const named = (uses: Entries[] | undefined, isOne: (use: Entries) => boolean) =>
    uses?.map((use) => (isOne(use) && use.source !== undefined ? { ...use, source: ownName(use.source) } : use));
  const { volumes, configs, secrets, ...rest } = service;
  return {
    ...rest,
    ...(volumes ? { volumes: named(volumes, ({ type }) => type === 'volume') } : {}),
    ...(configs ? { configs: named(configs, () => true) } : {}),
    ...(secrets ? { secrets: named(secrets, () => true) } : {}),
  };
}

/** Compose fills in what begins with a $. */
const plain = (text: string) => text.replaceAll('$', '$$$$');

/**
 * Its first probe waits until it answers that it is ready, which is when the broker is; the second one sleeps for as long
 * as it lives: a probe while the load runs would be measured.
 */
const PROBE = `started=$(cut -d' ' -f22 /proc/1/stat)
if [ "$(cat /tmp/healthy 2>/dev/null)" = "$started" ]; then exec sleep infinity; fi
until { exec 3<>/dev/tcp/127.0.0.1/${INGRESS_PORT} && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ "$status" = 200 ]; } 2>/dev/null; do sleep 0.1; done
echo "$started" > /tmp/healthy`;

function triggerService({ config: { broker }, ownImages }: Plan): Services[string] {
  return {
    image: ownImages.trigger!,
    environment: { MAYFLY_TRIGGERS: plain(JSON.stringify(broker!.triggers)), MAYFLY_BROKER: plain(broker!.url) },
    healthcheck: { test: ['CMD', 'bash', '-c', plain(PROBE)], interval: '100ms', timeout: '24h', retries: 1 },
    cpus: 1,
    mem_limit: '268435456',
    stop_grace_period: '2s',
  };
}

/** The same document, in which every service finds its sink, its log format and how it traces, but what it sets itself. */
export function withSurroundings(
  document: ComposeDocument,
  plan: Plan,
  side: SideName,
  round: number,
): ComposeDocument {
  if (plan.config.broker === null && plan.config.traces === null && plan.config.logFormat === undefined)
    return document;
  const services = Object.entries(document.services).map(([name, service]) => {
    const surroundings = surroundingsOf(name, plan, side, round);
    const own = service.environment ?? {};
    const ofSide = surroundings[ATTRIBUTES];
    return [
      name,
      {
        ...service,
        environment: {
          ...surroundings,
          ...own,
          // by these the spans of a side are found: a service may add to them
          ...(ofSide !== undefined && own[ATTRIBUTES] ? { [ATTRIBUTES]: `${own[ATTRIBUTES]},${ofSide}` } : {}),
        },
      },
    ];
  });
  return { ...document, services: Object.fromEntries(services) };
}

const ATTRIBUTES = 'OTEL_RESOURCE_ATTRIBUTES';

function surroundingsOf(
  name: string,
  { config: { broker, traces, logFormat } }: Plan,
  side: SideName,
  round: number,
): Record<string, string> {
  if (name === BROKER && broker) return {};
  return {
    ...(broker && name !== TRIGGER ? { K_SINK: `http://${TRIGGER}:${INGRESS_PORT}/` } : {}),
    LOG_FORMAT: logFormat ?? 'logfmt',
    ...(traces
      ? {
          OTEL_SERVICE_NAME: name,
          OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
          OTEL_TRACES_SAMPLER_ARG: String(traces.sampling),
          OTEL_EXPORTER_ZIPKIN_ENDPOINT: `http://${ZIPKIN}:${ZIPKIN_PORT}/api/v2/spans`,
          [ATTRIBUTES]: `mayfly.side=${side},mayfly.round=${round}`,
        }
      : {}),
  };
}
