/** Stacks for tests, written as they are read: `main a.js:1;handle a.js:5 12`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SideName } from '../../scripts/documents/run.ts';
import type { Profiles } from '../../scripts/store/profiles.ts';
import type { ProfileFile } from '../../scripts/telemetry/run-profiles.ts';
import { type Frame, onCpu, packTree, type StackTree, treeBuilder } from '../../scripts/telemetry/stacks.ts';

/** `name url:line`, or a name alone. */
export function frame(text: string): Frame {
  const [, name = text, url = '', line = '0'] = /^(\S+) (\S+):(\d+)$/.exec(text) ?? [];
  return { name, url, line: Number(line) };
}

/** By stack: samples that were in its last function. */
export function treeOf(
  stacks: Record<string, number>,
  { idle = 0, program = 0, gc = 0 }: Partial<StackTree['apart']> = {},
): StackTree {
  const builder = treeBuilder();
  for (const [stack, samples] of Object.entries(stacks)) {
    const node = stack.split(';').reduce((parent, text) => builder.child(parent, frame(text)), -1);
    builder.add(node, samples);
  }
  return builder.tree({ apart: { idle, program, gc }, seconds: 1 });
}

/** The same, back: what was never in a sample is left out. */
export function stacksOf({ frames, parents, frameOf, self }: StackTree): Record<string, number> {
  const text = ({ name, url, line }: Frame) => (url === '' ? name : `${name} ${url}:${line}`);
  const found: Record<string, number> = {};
  for (const [node, samples] of self.entries()) {
    const stack: string[] = [];
    for (let at = node; at >= 0; at = parents[at]!) stack.unshift(text(frames[frameOf[at]!]!));
    if (samples > 0) found[stack.join(';')] = (found[stack.join(';')] ?? 0) + samples;
  }
  return found;
}

/** The same as a CPU profile of V8 has it. */
export function cpuProfile(stacks: Record<string, number>): string {
  const { frames, parents, frameOf, self } = treeOf(stacks);
  const nodes = parents.map((_, node) => {
    const { name, url, line } = frames[frameOf[node]!]!;
    return {
      id: node + 2,
      callFrame: { functionName: name, scriptId: '1', url, lineNumber: line - 1, columnNumber: 0 },
      hitCount: self[node]!,
      children: parents.flatMap((parent, child) => (parent === node ? [child + 2] : [])),
    };
  });
  const top = parents.flatMap((parent, node) => (parent < 0 ? [node + 2] : []));
  const root = { id: 1, callFrame: { functionName: '(root)', url: '', lineNumber: -1 }, hitCount: 0, children: top };
  return JSON.stringify({ nodes: [root, ...nodes], startTime: 0, endTime: 9_000_000 });
}

/** Files of such profiles of one service, one for each process. */
export function profileFiles(
  folder: string,
  service: string,
  sides: Partial<Record<SideName, Record<string, number>[]>>,
): ProfileFile[] {
  return Object.entries(sides).flatMap(([side, profiles]) =>
    profiles.map((stacks, i) => {
      const file = `profile-${side}-${service}-${i + 1}.cpuprofile`;
      writeFileSync(join(folder, file), cpuProfile(stacks));
      return { side: side as SideName, service, instance: `${i + 7}-0`, kind: 'cpu', path: join(folder, file), file };
    }),
  );
}

/** What a run keeps of such stacks, for the tests of what shows them. */
export function keptProfiles(service: string, sides: Partial<Record<SideName, StackTree>>): Profiles {
  const all = Object.entries(sides) as [SideName, StackTree][];
  return {
    profiles: all.map(([side, tree]) => ({
      side,
      service,
      instance: '7-0',
      kind: 'cpu',
      samples: onCpu(tree),
      seconds: tree.seconds,
      file: `profile-${side}-${service}-1.cpuprofile`,
    })),
    trees: all.map(([side, tree]) => ({ side, service, tree: packTree(tree) })),
  };
}
