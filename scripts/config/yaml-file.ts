/** YAML that people write, with the line of everything in it. */
import { readFileSync } from 'node:fs';
import { type Document, isMap, isPair, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from 'yaml';
import { UsageError } from '../core/errors.ts';

/** Keys and indexes from the top of the file: ['load', 'rate']. */
export type YamlPath = (string | number)[];

/** One thing that is wrong in a file. */
export interface Fault {
  /** As the user should read it: relative to where the command runs. */
  file: string;
  line: number;
  /** Where it is known to the character. */
  column?: number;
  path: YamlPath;
  /** What is wrong and what is allowed; follows the path in a sentence. */
  text: string;
}

export interface YamlFile {
  /** As the user should read it. */
  name: string;
  /** Plain data; undefined where the file could not be read as YAML. */
  value: unknown;
  /** Faults of the syntax: bad indentation, a key that stands twice. */
  faults: Fault[];
  /** A fault at a path, with the line where it stands, or of the nearest thing above it. */
  fault(path: YamlPath, text: string): Fault;
  /** A fault at a character of the text at a path, counted from 0 in the text as it is read. */
  faultIn(path: YamlPath, index: number, text: string): Fault;
}

/** Reads a YAML file; a file that is not there or not readable is a UsageError. */
export function readYamlFile(file: string, name: string): YamlFile {
  return parseYaml(readText(file, name), name);
}

function readText(file: string, name: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === 'ENOENT'
        ? 'is not there'
        : `cannot be read: ${(error as Error).message}`;
    throw new UsageError(`${name} ${reason}`, { cause: error });
  }
}

export function parseYaml(text: string, name: string): YamlFile {
  const lines = new LineCounter();
  // merge: Compose files use << with anchors.
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number) => Math.max(1, lines.linePos(offset).line);
  const fault = (path: YamlPath, message: string): Fault => ({
    file: name,
    line: at(offsetOf(document, path)),
    path,
    text: message,
  });
  const faultIn = (path: YamlPath, index: number, message: string): Fault => {
    const place = document.getIn(path, true);
    if (!isScalar(place) || !place.range) return fault(path, message);
    const written = text.slice(place.range[0], place.range[1]);
    const { line, col } = lines.linePos(place.range[0] + writtenIndex(written, String(place.value), index));
    return { file: name, line, column: col, path, text: message };
  };
  const invalid = (offset: number, message: string): Fault => ({
    file: name,
    line: at(offset),
    path: [],
    text: `is not valid YAML: ${lowerFirst(message)}`,
  });
  const quoted = (sign: string) => `a text that begins with ${sign} needs quotation marks`;
  const faults = [...document.errors, ...document.warnings].map(({ pos, code, message }) =>
    invalid(pos[0], code === 'TAG_RESOLVE_FAILED' ? `${message}; ${quoted('!')}` : message),
  );
  visit(document, {
    Alias: (_, alias) => {
      if (!alias.resolve(document))
        faults.push(
          invalid(
            alias.range?.[0] ?? 0,
            `*${alias.source} stands for nothing; its anchor &${alias.source} must stand before it; ${quoted('*')}`,
          ),
        );
    },
  });
  if (faults.length > 0) return { name, value: undefined, faults, fault, faultIn };
  try {
    return { name, value: document.toJS({ maxAliasCount: 100 }), faults, fault, faultIn };
  } catch (error) {
    return { name, value: undefined, faults: [invalid(0, (error as Error).message)], fault, faultIn };
  }
}

/** Where the last thing of the path that is there begins: a key for a map, an item for a list. */
function offsetOf(document: Document, path: YamlPath): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const part of path) {
    const step = child(node, part, document);
    if (!step) break;
    ({ node, offset } = step);
  }
  return offset;
}

function child(parent: unknown, part: string | number, document: Document): { node: unknown; offset: number } | null {
  const node = resolveAlias(parent, document);
  if (isMap(node)) {
    const pair = node.items.find(
      (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(part),
    );
    return pair ? { node: pair.value, offset: (pair.key as Node).range?.[0] ?? 0 } : null;
  }
  if (isSeq(node)) {
    const item = node.items[Number(part)] as Node | undefined;
    return item ? { node: item, offset: item.range?.[0] ?? 0 } : null;
  }
  return null;
}

function resolveAlias(node: unknown, document: Document): unknown {
  const alias = node as { resolve?: (document: Document) => Node | undefined } | null;
  return typeof alias?.resolve === 'function' ? alias.resolve(document) : node;
}

/**
 * Where a character of a text stands in the way it is written: with quotes, escapes, indentation and folded lines. The
 * characters that are no space come in the same order in both.
 */
function writtenIndex(written: string, value: string, index: number): number {
  const before = value.slice(0, index).replace(/\s/g, '').length;
  const quote = /^["']/.exec(written)?.[0];
  const places = [...characters(written, quote)];
  return places[before] ?? (places.at(-1) ?? -1) + 1;
}

/** Where each character that is no space stands; one escape is one character. */
function* characters(written: string, quote: string | undefined): Generator<number> {
  const isBlock = /^[|>]/.test(written);
  const start = isBlock ? written.indexOf('\n') : quote ? 1 : 0;
  const end = quote ? written.length - 1 : written.length;
  const escaped = quote === '"' ? /\\(?:[ntr\s]|(?<one>x..|u.{4}|U.{8}|.))|\S/gsy : quote ? /''|\S/gy : /\S/gy;
  for (let at = start; at < end; at = Math.max(at + 1, escaped.lastIndex)) {
    escaped.lastIndex = at;
    const found = escaped.exec(written);
    if (found && (found[0].length === 1 || quote === "'" || found.groups?.one)) yield at;
  }
}

const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);

/** One fault as one line: benchmarks/shop/benchmark.yaml:12 load/rate must be > 0 requests per second. */
export function faultLine({ file, line, column, path, text }: Fault): string {
  const place = column === undefined ? `${file}:${line}` : `${file}:${line}:${column}`;
  return [place, path.join('/'), text].filter(Boolean).join(' ');
}

/** All faults in one message, in the order of the files' lines, each said once. */
export function throwFaults(faults: Fault[], hint?: string): void {
  if (faults.length === 0) return;
  const sorted = faults.toSorted((a, b) => (a.file === b.file ? a.line - b.line : 0));
  throw new UsageError([...new Set(sorted.map(faultLine))].join('\n'), { hint });
}
