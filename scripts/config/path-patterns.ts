/**
 * Which files of a repository count: `paths` of mayfly.yaml and of `npm run bench`, as GitHub's workflows have them. Pure.
 */
import { shown } from './schema.ts';

/** One pattern; `!` before it takes out again what those before it have let in. */
export interface PathPattern {
  /** As it was written. */
  text: string;
  takesOut: boolean;
  /** Whether it is for the file of this path. */
  fits(path: string): boolean;
  /** Whether it is for a submodule at this path: for it whole where it takes out, else for anything that may be in it. */
  fitsSubmodule(path: string): boolean;
}

const FORM = 'must be a path from the root of the repository such as src/** or !**/*.md';

/** What is wrong with a list of them, each with the index of the pattern. */
export function pathFaults(patterns: readonly string[]): { index: number; text: string }[] {
  const faults = patterns.flatMap((pattern, index) => {
    const text = faultOf(pattern);
    return text === undefined ? [] : [{ index, text: `${text}, got ${shown(pattern)}` }];
  });
  if (faults.length > 0 || !patterns[0]?.startsWith('!')) return faults;
  return [
    {
      index: 0,
      text: `takes files out, and no path before it has let any in; put "**" first for all files, got ${shown(patterns[0])}`,
    },
  ];
}

function faultOf(pattern: string): string | undefined {
  const path = pattern.replace(/^!/, '');
  if (path === '' || path.length > 200 || /\p{Cc}/u.test(path)) return FORM;
  if (path.startsWith('/')) return `${FORM}, without a slash before it`;
  if (/(^|\/)\.{1,2}(\/|$)/.test(path)) return `${FORM}, without . and .. in it`;
  if (path.includes('//')) return `${FORM}, with one slash between two folders`;
  if (/[?[\]{}\\]/.test(path))
    return `${FORM}: * stands for any text without a slash, ** for any, and ? [ ] { } \\ for nothing`;
  return undefined;
}

export function pathPattern(text: string): PathPattern {
  const takesOut = text.startsWith('!');
  const path = text.replace(/^!/, '');
  const whole = regExpOf(path);
  const fits = (file: string) => whole.test(file);
  return {
    text,
    takesOut,
    fits,
    fitsSubmodule: (at) => fits(at) || (takesOut ? fits(`${at}/${ANY}/${ANY}`) : mayFitBelow(path, at)),
  };
}

/** A name that no pattern holds: only what is for all files is for this one. */
const ANY = '\0';

/** Whether a file counts: what the last pattern that is for it says. */
export function counts(patterns: readonly PathPattern[], path: string, submodule = false): boolean {
  const last = patterns.findLast((one) => (submodule ? one.fitsSubmodule(path) : one.fits(path)));
  return last !== undefined && !last.takesOut;
}

const PARTS: Record<string, string> = { '**/': '(?:.*/)?', '**': '.*', '*': '[^/]*' };

/** A name without `*` at the end may be a folder, and stands for all that is in it. */
function regExpOf(path: string): RegExp {
  const parts = path.split(/((?<=^|\/)\*{2,}\/|\*+)/).map((part, i) => (i % 2 === 0 ? escaped(part) : wild(part)));
  const end = path.endsWith('/') ? '.*' : path.split('/').at(-1)!.includes('*') ? '' : '(?:/.*)?';
  return new RegExp(`^${parts.join('')}${end}$`, 's');
}

const escaped = (text: string) => text.replace(/[$()*+.?[\\\]^{|}/-]/g, '\\$&');
const wild = (part: string) => PARTS[part.replace(/^\*{2,}/, '**')]!;

/** Whether a pattern may be for something in a folder, of which nothing is known. */
function mayFitBelow(path: string, folder: string): boolean {
  const wanted = path.split('/');
  for (const [i, name] of folder.split('/').entries()) {
    const one = wanted[i];
    if (one?.includes('**')) return true;
    if (one === undefined || !regExpOf(one).test(name)) return false;
  }
  return true;
}
