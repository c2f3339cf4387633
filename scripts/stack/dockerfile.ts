/**
 * What a Dockerfile makes the engine itself do, outside of the network that the build is given: the engine fetches the
 * source of an ADD that is a URL, and so reaches what the host reaches, its own 127.0.0.1 too (tried). Pure.
 * Source of the syntax: docs.docker.com/reference/dockerfile, and the parser of the classic builder.
 */

/**
 * Sources of ADD that are surely names of files: no URL, and nothing that a variable, a quote or an escape makes one.
 */
const PLAIN = /^[^:$\\'"`]+$/;
const ADD = /^[\s\u0085]*(?:ONBUILD[\s\u0085]+)*ADD[\s\u0085]+(?<rest>[^]*)$/i;
/**
 * Both characters that can be the escape, so that no line is read on its own that the engine reads with the next one.
 */
const CONTINUES = /[\\`][ \t\r]*$/;

/**
 * The first ADD whose source may be no file of the build context, as it is written; null where there is none. Triggers
 * (ONBUILD) count.
 */
export function fetchingAdd(dockerfile: string): string | null {
  const lines = dockerfile.split('\n');
  for (const start of lines.keys()) {
    const instruction = joined(lines, start, CONTINUES);
    const rest = ADD.exec(instruction)?.groups?.rest;
    if (rest !== undefined && !addsFiles(rest)) return instruction.trim();
  }
  return null;
}

/** Whether the arguments of an ADD are files of the build context for sure. */
export function addsFiles(text: string): boolean {
  const words = argumentsOf(text.replace(/^([\s\u0085]*--[a-z-]+(=\S*)?[\s\u0085])+/i, ''));
  return words.slice(0, -1).every((word) => PLAIN.test(word));
}

function argumentsOf(text: string): string[] {
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list)) return list.map(String);
  } catch {
    // not the JSON form
  }
  return text.split(/[\s\u0085]+/).filter(Boolean);
}

/**
 * The images that the stages start from, but for `scratch` and other stages, with build arguments filled in.
 * `unclear` holds those with a variable that has no value here.
 */
export function baseImages(dockerfile: string, args: Record<string, string>): { images: string[]; unclear: string[] } {
  const values: Record<string, string> = {};
  const stages = new Set<string>(['scratch']);
  const found = { images: new Set<string>(), unclear: new Set<string>() };
  let inStage = false;
  for (const instruction of instructions(dockerfile)) {
    const [keyword, ...words] = instruction.trim().split(/\s+/);
    if (/^ARG$/i.test(keyword!) && !inStage) {
      for (const [, name, value] of words.map((word) => /^(\w+)=?(.*)$/.exec(word)).filter((one) => one !== null))
        values[name!] = args[name!] ?? filled(unquoted(value!), values) ?? '';
    }
    if (!/^FROM$/i.test(keyword!)) continue;
    inStage = true;
    const [from, as, stage] = words.filter((word) => !word.startsWith('--'));
    const image = filled(unquoted(from ?? ''), values);
    if (image === null || image === '') found.unclear.add(instruction.trim());
    else if (!stages.has(image.toLowerCase())) found.images.add(image);
    if (/^AS$/i.test(as ?? '') && stage) stages.add(stage.toLowerCase());
  }
  return { images: [...found.images], unclear: [...found.unclear] };
}

/**
 * The first instruction that the classic builder does not know, as it is written; null where there is none. Source:
 * docs.docker.com/reference/dockerfile (what needs BuildKit).
 */
export function needsBuildKit(dockerfile: string): string | null {
  for (const instruction of instructions(dockerfile)) {
    const [keyword, ...words] = instruction.trim().split(/\s+/);
    const flags = words.slice(
      0,
      Math.max(
        0,
        words.findIndex((word) => !word.startsWith('--')),
      ),
    );
    const text = instruction.trim();
    if (/^(RUN|COPY|ADD)$/i.test(keyword!) && /(^|\s)<<-?["']?\w/.test(text)) return text;
    if (/^RUN$/i.test(keyword!) && flags.some((flag) => /^--(mount|network|security)\b/.test(flag))) return text;
    if (/^COPY$/i.test(keyword!) && flags.some((flag) => /^--(link|chmod|parents|exclude)\b/.test(flag))) return text;
    if (
      /^ADD$/i.test(keyword!) &&
      flags.some((flag) => /^--(link|chmod|checksum|keep-git-dir|unpack|exclude)\b/.test(flag))
    )
      return text;
    if (/^FROM$/i.test(keyword!) && flags.some((flag) => /^--platform=.*\$/.test(flag))) return text;
  }
  return null;
}

/**
 * What BuildKit would do for a Dockerfile beyond what a build may: another frontend than Docker's own, a step in another
 * network or without the limits of a container. Null where there is nothing of it.
 */
export function beyondTheBuild(dockerfile: string, network: string): string | null {
  const syntax = /^\s*#\s*syntax\s*=\s*(\S+)/im.exec(dockerfile)?.[1];
  if (syntax !== undefined && !/^docker\/dockerfile(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$/.test(syntax))
    return `# syntax=${syntax}`;
  for (const instruction of instructions(dockerfile)) {
    const text = instruction.trim();
    if (!/^(ONBUILD\s+)*RUN\s/i.test(text)) continue;
    if (/\s--security[=\s]/.test(text)) return text;
    if (network !== 'host' && /\s--network[=\s](?!none\b)/.test(text)) return text;
  }
  return null;
}

/** The instructions as the engine reads them: continued lines joined, comments and empty lines left out. */
function* instructions(dockerfile: string): Generator<string> {
  const lines = dockerfile
    .replace(/^\uFEFF/, '')
    .split('\n')
    .map((line) => line.replace(/\r$/, ''));
  const escape = escapeOf(lines) === '`' ? '`' : '\\\\';
  const continues = new RegExp(`(^|[^${escape}])${escape}[ \\t]*$`);
  for (let at = 0; at < lines.length; at++) {
    if (/^\s*(#|$)/.test(lines[at]!)) continue;
    const first = at;
    while (at < lines.length - 1 && (continues.test(lines[at]!) || (at > first && /^\s*(#|$)/.test(lines[at]!)))) at++;
    yield joined(lines, first, continues);
  }
}

/** The escape character: that of the directive, which stands above everything but other directives. */
function escapeOf(lines: string[]): string {
  for (const line of lines) {
    const directive = /^\s*#\s*(\w+)\s*=\s*(\S+)\s*$/.exec(line);
    if (!directive) break;
    if (directive[1]!.toLowerCase() === 'escape') return directive[2]!;
  }
  return '\\';
}

/** The line at `start` and those that it is continued on. */
function joined(lines: string[], start: number, continues: RegExp): string {
  let text = '';
  for (let at = start; at < lines.length; at++) {
    const line = lines[at]!;
    if (at > start && /^[\s\u0085]*(#|$)/.test(line)) continue;
    if (!continues.test(line)) return text + line;
    text += line.replace(/[\\`][ \t\r]*$/, '');
  }
  return text;
}

const unquoted = (text: string) => text.replace(/^(["'])(.*)\1$/, '$2');

/** $NAME, ${NAME} and ${NAME:-default}; null where a variable has no value or is written in another way. */
function filled(text: string, values: Record<string, string>): string | null {
  let known = true;
  const result = text.replace(
    /\$\{(\w+)(?::-([^}$]*))?\}|\$(\w+)/g,
    (_, braced?: string, fallback?: string, bare?: string) => {
      const value = values[(braced ?? bare)!] || fallback;
      known &&= value !== undefined && value !== '';
      return value ?? '';
    },
  );
  return known && !/[$\\]/.test(result) ? result : null;
}
