/**
 * Spans as Zipkin gives them (v2 JSON), read as what they are: text of others. What is no span is left out and counted;
 * what is kept is bounded. Pure. Source: zipkin.io/zipkin-api/zipkin2-api.yaml.
 */

/** A span. Times are whole microseconds. */
export interface Span {
  traceId: string;
  id: string;
  parentId: string | null;
  /** The server's half of a call whose client has the same id (B3). */
  shared: boolean;
  kind: string | null;
  name: string;
  service: string;
  /** Unix time; null: it has none. */
  start: number | null;
  /** Null: it has no end. */
  duration: number | null;
  tags: Record<string, string>;
}

/** Under this tag a span says which hop it is a part of, where that is not its service. */
export const HOP_TAG = 'mayfly.hop';

const TRACE_ID = /^([0-9a-f]{16}|[0-9a-f]{32})$/;
const SPAN_ID = /^[0-9a-f]{16}$/;
const KINDS = ['CLIENT', 'SERVER', 'PRODUCER', 'CONSUMER'];
const MOST_TAGS = 40;
const MOST_TEXT = 400;
/** Unix time in microseconds, or a duration: a whole number that a double holds. */
const isTime = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;

/** Traces of an answer, each a list of spans. `faults`: entries that are no span. TypeError where it is no such list. */
export function readTraces(answer: unknown): { traces: Span[][]; faults: number } {
  if (!Array.isArray(answer)) throw new TypeError('it is no list of traces');
  let faults = 0;
  const traces = answer.map((list) => {
    if (!Array.isArray(list)) throw new TypeError('it is no list of lists of spans');
    const spans = list.map(readSpan).filter((span) => span !== null);
    faults += list.length - spans.length;
    return spans;
  });
  return { traces: traces.filter(({ length }) => length > 0), faults };
}

function readSpan(value: unknown): Span | null {
  if (value === null || typeof value !== 'object') return null;
  const { traceId, id, parentId, shared, kind, name, timestamp, duration, localEndpoint, tags } = value as Record<
    string,
    unknown
  >;
  if (typeof traceId !== 'string' || !TRACE_ID.test(traceId) || typeof id !== 'string' || !SPAN_ID.test(id))
    return null;
  const hasParent = parentId !== undefined && parentId !== null;
  if (hasParent && (typeof parentId !== 'string' || !SPAN_ID.test(parentId))) return null;
  const service = (localEndpoint as { serviceName?: unknown } | null | undefined)?.serviceName;
  return {
    traceId,
    id,
    parentId: hasParent ? (parentId as string) : null,
    shared: shared === true,
    kind: KINDS.includes(kind as string) ? (kind as string) : null,
    name: textOf(name),
    service: textOf(service) || 'unknown',
    start: isTime(timestamp) ? timestamp : null,
    duration: isTime(duration) ? duration : null,
    tags: tagsOf(tags),
  };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value.slice(0, MOST_TEXT) : '');

function tagsOf(value: unknown): Record<string, string> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return {};
  const texts = Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  // the hop stays, however many tags come before it
  const first = texts.filter(([name]) => name === HOP_TAG);
  const others = texts.filter(([name]) => name !== HOP_TAG).slice(0, MOST_TAGS - first.length);
  return Object.fromEntries([...first, ...others].map(([name, text]) => [textOf(name), textOf(text)]));
}

/** The hop that a span is a part of. */
export const hopOf = ({ tags, service }: Span): string => tags[HOP_TAG] || service;

/** As Zipkin takes it. */
export function toZipkin(span: Span): Record<string, unknown> {
  const { traceId, id, parentId, shared, kind, name, service, start, duration, tags } = span;
  return {
    traceId,
    id,
    ...(parentId === null ? {} : { parentId }),
    ...(kind === null ? {} : { kind }),
    ...(shared ? { shared } : {}),
    name,
    ...(start === null ? {} : { timestamp: start }),
    ...(duration === null ? {} : { duration }),
    localEndpoint: { serviceName: service },
    ...(Object.keys(tags).length > 0 ? { tags } : {}),
  };
}
