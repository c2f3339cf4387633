/** The protos of a benchmark's folder, read before anything is built: a build would say later and longer what is wrong. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type protobuf from 'protobufjs';
import type { Fault } from './yaml-file.ts';

/** Folders whose protos are others' or generated. */
const SKIPPED = /^(node_modules|\..*)$/;

/** Every fault of every .proto in the folder. `nameOf`: a file as the user should read it. */
export async function protoFaults(dir: string, nameOf: (file: string) => string): Promise<Fault[]> {
  const files = protosIn(dir);
  if (files.length === 0) return []; // most benchmarks have none, and need no reader of them
  const { default: reader } = await import('protobufjs');
  return files.flatMap((file) => {
    const fault = syntaxFault(readFileSync(file, 'utf8'), reader) ?? meaningFault(file, dir, reader);
    return fault ? [{ file: nameOf(file), path: [], ...fault }] : [];
  });
}

function protosIn(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(dir, entry.name);
      if (entry.isDirectory()) return SKIPPED.test(entry.name) ? [] : protosIn(path);
      return entry.isFile() && entry.name.endsWith('.proto') ? [path] : [];
    })
    .sort();
}

type Reader = typeof protobuf;
type Said = Pick<Fault, 'line' | 'text'>;

/** What is wrong with a file by itself. */
function syntaxFault(text: string, reader: Reader): Said | null {
  try {
    reader.parse(text, { keepCase: true });
    return null;
  } catch (error) {
    const { message } = error as Error;
    const [, what, line] = /^(.*) \((?:.*, )?line (\d+)\)$/s.exec(message) ?? [];
    if (line !== undefined) return { line: Number(line), text: `is no proto that can be read: ${what}` };
    return { line: lineOf(text, message), text: `is no proto that can be read: ${message}` };
  }
}

/** A type that is in none of the files: said where all that a file imports is there to be looked into. */
function meaningFault(file: string, dir: string, reader: Reader): Said | null {
  const root = new reader.Root();
  if (!readInto(root, file, dir, new Set(), reader)) return null;
  try {
    root.resolveAll();
    return null;
  } catch (error) {
    const { message } = error as Error;
    const [, type] = /^no such (?:type|Type or Enum)(?:: | ')([^']+)'?/i.exec(message) ?? [];
    if (type === undefined) return null;
    const text = bare(readFileSync(file, 'utf8'));
    const line = lineAt(text, new RegExp(`\\b${escaped(type.replace(/^\./, ''))}\\b`).exec(text)?.index);
    return line === null
      ? null
      : { line, text: `names the type ${type}, which is neither in it nor in what it imports` };
  }
}

/** Whether the file and all that it imports, in the folder or with protobuf itself, could be read. */
function readInto(root: protobuf.Root, file: string, dir: string, known: Set<string>, reader: Reader): boolean {
  if (known.has(file)) return true;
  known.add(file);
  let imports: string[];
  try {
    const parsed = reader.parse(readFileSync(file, 'utf8'), root, { keepCase: true });
    imports = [...(parsed.imports ?? []), ...(parsed.weakImports ?? [])];
  } catch {
    return false; // it has a fault of its own, or is of a name that is there twice
  }
  return imports.every((name) => {
    const path = foldersUp(dirname(file), dir)
      .map((folder) => join(folder, name))
      .find(existsSync);
    if (path !== undefined) return readInto(root, path, dir, known, reader);
    const own = reader.common.get(name);
    if (own?.nested && !known.has(name)) root.addJSON(own.nested);
    known.add(name);
    return own !== null && own !== undefined;
  });
}

/** The folder and those above it, up to the benchmark's: an import counts from any of them. */
function foldersUp(folder: string, dir: string): string[] {
  return folder === dir || relative(dir, folder).startsWith('..')
    ? [dir]
    : [folder, ...foldersUp(dirname(folder), dir)];
}

/** `duplicate name 'a' in Type A`, `duplicate id 1 in Type A` -> the line of the second one; else the first line. */
function lineOf(text: string, message: string): number {
  const code = bare(text);
  const [, kind, what, type] = /^duplicate (name|id) '?([^']+?)'? in (?:\S+ )?\.?(\S+)$/.exec(message) ?? [];
  if (kind === undefined) return 1;
  const begin = new RegExp(`\\b(?:message|enum|service|oneof)\\s+${escaped(type!.split('.').at(-1)!)}\\b`).exec(code);
  const wanted = new RegExp(kind === 'id' ? `=\\s*${escaped(what!)}\\b` : `\\b${escaped(what!)}\\s*[={(]`, 'g');
  wanted.lastIndex = begin?.index ?? 0;
  wanted.exec(code);
  return lineAt(code, wanted.exec(code)?.index) ?? lineAt(code, begin?.index) ?? 1;
}

const lineAt = (text: string, index: number | undefined): number | null =>
  index === undefined ? null : text.slice(0, index).split('\n').length;

/** Without comments, each line where it was. */
const bare = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, ' '));

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
