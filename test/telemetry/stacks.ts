/** Stacks for tests, written as they are read: `main a.js:1;handle a.js:5 12`. */
import { type Frame, type StackTree, treeBuilder } from '../../scripts/telemetry/stacks.ts';

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
