/**
 * The text of `perf script --fields comm,tid,time,ip,sym,dso` (man perf-script): a line for a sample, then one for each
 * function of its stack, the innermost one first, then an empty one.
 */
import { type Frame, ProfileFault, type StackTree, treeBuilder } from './stacks.ts';

/** `node 7 37371.817812:`; the name of a process may hold spaces. */
const SAMPLE = /^\S.*\s(\d+)\s+(\d+\.\d+):\s*$/;
/** `7f015280 v8::Script::Run (/usr/local/bin/node)` */
const CALL = /^\s+([0-9a-f]+) (.+?)(?: \(([^()]*)\))?$/;
/** Lines that are longer are of no perf. */
const MOST_LINE = 4096;

/** ProfileFault where the text is of something else. */
export function parsePerfScript(content: Buffer): StackTree {
  const builder = treeBuilder();
  let [first, last, samples] = [Infinity, -Infinity, 0];
  let stack: Frame[] | null = null;
  const count = () => {
    if (!stack) return;
    let node = -1;
    for (const frame of stack.reverse()) node = builder.child(node, frame);
    builder.add(node < 0 ? builder.child(-1, UNKNOWN) : node, 1);
    samples++;
    stack = null;
  };
  for (const [index, line] of content.toString('utf8').split('\n').entries()) {
    if (line.length > MOST_LINE) throw new ProfileFault(`has a line of ${line.length} characters, line ${index + 1}`);
    const begins = SAMPLE.exec(line);
    if (begins) {
      count();
      const seconds = Number(begins[2]);
      [first, last, stack] = [Math.min(first, seconds), Math.max(last, seconds), []];
      continue;
    }
    if (line.trim() === '') {
      count();
      continue;
    }
    const call = CALL.exec(line);
    if (!call || !stack) throw new ProfileFault(`is not what perf script writes, at line ${index + 1}`);
    const frame = frameOf(call[2]!, call[3]);
    // what has no name says nothing twice in a row
    if (frame.name !== UNKNOWN.name || stack.at(-1)?.url !== frame.url || stack.at(-1)?.name !== frame.name)
      stack.push(frame);
  }
  count();
  if (samples === 0) throw new ProfileFault('has no samples');
  return builder.tree({ apart: { idle: 0, program: 0, gc: 0 }, seconds: last - first });
}

const UNKNOWN: Frame = { name: '[unknown]', url: '', line: 0 };

function frameOf(symbol: string, module: string | undefined): Frame {
  const name = symbol.replace(/\+0x[0-9a-f]+$/, '');
  return { name, url: module === undefined || module === '[unknown]' ? '' : module, line: 0 };
}
