/**
 * A run: schema mayfly.run/v1, what --json prints and what the store keeps. Its one description is
 * docs/schemas/mayfly.run.v1.json; here its parts get their names.
 */
import type { RunDocument as Run } from './run.types.ts';
import type { VerdictDocument } from './verdict.types.ts';

/** The schema names the verdict only: it is a document of its own. */
export type RunDocument = Omit<Run, 'verdict'> & { verdict?: VerdictDocument };

export type RunStatus = Run['status'];
/** How two sides meet; 'solo' for one side. */
export type Pairing = Run['pairing'];
export type SideName = keyof Run['sides'];
export type SideDocument = Run['sides']['candidate'];
/** An image of a side after the build. */
export type BuiltImage = SideDocument['images'][number];
export type Host = Run['host'];
/** Disjoint CPU sets in the syntax of cpuset.cpus, or null where the host has too few cores. */
export type CpuSets = Run['cpusets'];
/** The load of a run. */
export type LoadDocument = Run['load'];
/** The design of a comparison, fixed before its first round. */
export type Comparison = NonNullable<Run['comparison']>;
/** A metric of a run: what it is called, how it is read, and how it is judged. */
export type Metric = Run['metrics'][number];
export type Better = Metric['better'];
/** s: seconds. bytes. ratio: 0 to 1. 1/s: per second. count: a number of things. */
export type Unit = Metric['unit'];
/** One side of one round: one observation. */
export type RoundDocument = Run['rounds'][number];
/** One value of one metric for one side of one round. */
export type Sample = RoundDocument['samples'][string];
/** Why a round is INVALID: a code for machines, a sentence for people. */
export type InvalidReason = RoundDocument['reasons'][number];
export type InvalidCode = InvalidReason['code'];
/** What became of the events of a round (docs/events.md). */
export type EventsDocument = NonNullable<RoundDocument['events']>;
export type ArchiveDocument = NonNullable<Run['archive']>;
/** The requests of a run one by one, in its newest block (docs/requests.md). */
export type RequestsDocument = NonNullable<ArchiveDocument['requests']>;
/** What the traces of a round say (docs/traces.md). */
export type TracesDocument = NonNullable<RoundDocument['traces']>;
/** A file of a profiler (docs/telemetry.md). */
export type ProfileDocument = NonNullable<Run['profiles']>[number];
/** What is kept of its logs (docs/logs.md). */
export type LogsDocument = NonNullable<Run['logs']>;
/** A function whose share of the CPU differs between the sides. */
export type ProfileChange = NonNullable<Run['profile_changes']>[number];
