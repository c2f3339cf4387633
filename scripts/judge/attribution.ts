/**
 * Where a change is: what each hop adds to the time of a request, and each service to its CPU time. The change of a part
 * is estimated as that of a metric is, over the differences within observations, so its interval holds whatever the
 * level of the part. It explains, it never decides. Pure.
 */
import type { RoundDocument } from '../documents/run.ts';
import type { Attribution } from '../documents/verdict.ts';
import type { Observation } from './observations.ts';
import { hodgesLehmann, lowerBound, upperBound, walshAverages } from './signed-rank.ts';
import { LEVEL } from './verdict.ts';

interface Change {
  change_s: number;
  low: number | null;
  high: number | null;
}

/** Of one round: the whole, and what each part has of it. Undefined: the round has no such values. */
type Parts = { total: number; parts: Map<string, number> } | undefined;

const latencyOf = ({ traces }: RoundDocument): Parts =>
  traces && traces.total_avg !== null
    ? { total: traces.total_avg, parts: new Map(traces.hops.map(({ hop, path_avg }) => [hop, path_avg])) }
    : undefined;

function cpuOf({ services }: RoundDocument): Parts {
  if (!services || services.length < 2) return undefined;
  const parts = new Map(services.map(({ service, cpu_seconds_per_request: cpu }) => [service, cpu]));
  return { total: sum([...parts.values()]), parts };
}

/** Undefined where no observation has values of both sides. */
export function attributionOf(observations: readonly Observation[]): Attribution | undefined {
  const latency = changesOf(observations, latencyOf);
  const cpu = changesOf(observations, cpuOf);
  if (!latency && !cpu) return undefined;
  const named = <Key extends string>(key: Key, { parts }: NonNullable<typeof cpu>) =>
    parts.map(({ name, change }) => ({ [key]: name, ...change }) as { [K in Key]: string } & Change);
  return {
    ...(latency
      ? { latency: { observations: latency.observations, total: latency.total, hops: named('hop', latency) } }
      : {}),
    ...(cpu ? { cpu: { observations: cpu.observations, total: cpu.total, services: named('service', cpu) } } : {}),
  };
}

function changesOf(observations: readonly Observation[], partsOf: (round: RoundDocument) => Parts) {
  const pairs = observations.flatMap(({ candidate, baseline }) => {
    const [own, other] = [meanOf(candidate.map(partsOf)), meanOf(baseline.map(partsOf))];
    return own && other ? [{ own, other }] : [];
  });
  if (pairs.length === 0) return undefined;
  const names = [...new Set(pairs.flatMap(({ own, other }) => [...own.parts.keys(), ...other.parts.keys()]))];
  return {
    observations: pairs.length,
    total: changeOf(pairs.map(({ own, other }) => own.total - other.total)),
    parts: names
      .map((name) => ({
        name,
        // a part that a side does not have takes no time there
        change: changeOf(pairs.map(({ own, other }) => (own.parts.get(name) ?? 0) - (other.parts.get(name) ?? 0))),
      }))
      .sort((a, b) => Math.abs(b.change.change_s) - Math.abs(a.change.change_s) || (a.name < b.name ? -1 : 1)),
  };
}

/** Of the rounds of a side in an observation; undefined where one of them has no values. */
function meanOf(rounds: readonly Parts[]): Parts {
  const found = rounds.filter((one) => one !== undefined);
  if (found.length < rounds.length) return undefined;
  const names = [...new Set(found.flatMap(({ parts }) => [...parts.keys()]))];
  const mean = (values: number[]) => sum(values) / values.length;
  return {
    total: mean(found.map(({ total }) => total)),
    parts: new Map(names.map((name) => [name, mean(found.map(({ parts }) => parts.get(name) ?? 0))])),
  };
}

function changeOf(differences: readonly number[]): Change {
  const walsh = walshAverages(differences);
  const n = differences.length;
  const finite = (bound: number) => (Number.isFinite(bound) ? bound : null);
  return {
    change_s: hodgesLehmann(walsh),
    low: finite(lowerBound(walsh, n, (1 - LEVEL) / 2)),
    high: finite(upperBound(walsh, n, (1 - LEVEL) / 2)),
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
