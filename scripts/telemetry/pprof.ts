/**
 * Profiles in the format of pprof, as Go's net/http/pprof and many others write them (github.com/google/pprof,
 * proto/profile.proto). The only file that knows the package pprof-format.
 */
import { gunzipSync } from 'node:zlib';
import { Profile } from 'pprof-format';
import { plainText } from '../core/text.ts';
import { type Frame, ProfileFault, type StackTree, treeBuilder } from './stacks.ts';

const MOST_UNPACKED = 256 * 2 ** 20;

/** A CPU profile: gzipped or not. ProfileFault where it is none. */
export function parsePprof(content: Buffer): StackTree {
  const profile = decode(content);
  const text = (index: number | bigint) => profile.stringTable.strings[Number(index)] ?? '';
  const types = profile.sampleType.map(({ type, unit }) => `${text(type)}/${text(unit)}`);
  const counted = types.indexOf('samples/count');
  if (counted < 0)
    throw new ProfileFault(
      `is no CPU profile: it has ${types.map((type) => plainText(type).slice(0, 40)).join(', ') || 'no values'}, not samples/count`,
    );
  const functions = new Map(profile.function.map((one) => [String(one.id), one]));
  // a function that was put into another stands before it: the innermost one first
  const locations = new Map(
    profile.location.map(({ id, address, line }) => {
      const frames = line.map(({ functionId }): Frame => {
        const found = functions.get(String(functionId));
        return found
          ? { name: text(found.name), url: text(found.filename), line: Number(found.startLine) }
          : { name: '[unknown]', url: '', line: 0 };
      });
      return [String(id), frames.length > 0 ? frames : [{ name: `0x${address.toString(16)}`, url: '', line: 0 }]];
    }),
  );
  const builder = treeBuilder();
  for (const { locationId, value } of profile.sample) {
    const samples = Number(value[counted]);
    if (!Number.isSafeInteger(samples) || samples < 0) throw new ProfileFault('has a sample without a count');
    let node = -1;
    for (const id of locationId.toReversed())
      for (const frame of (locations.get(String(id)) ?? []).toReversed()) node = builder.child(node, frame);
    if (node >= 0) builder.add(node, samples);
  }
  const seconds = Number(profile.durationNanos) / 1e9;
  return builder.tree({
    apart: { idle: 0, program: 0, gc: 0 },
    seconds: Number.isFinite(seconds) && seconds > 0 ? seconds : 0,
  });
}

function decode(content: Buffer): Profile {
  try {
    const isGzip = content[0] === 0x1f && content[1] === 0x8b;
    const bytes = isGzip ? gunzipSync(content, { maxOutputLength: MOST_UNPACKED }) : content;
    return Profile.decode(bytes);
  } catch (error) {
    throw new ProfileFault(`is not in the format of pprof: ${plainText((error as Error).message).slice(0, 200)}`);
  }
}
