/** What npm run doctor says: a pure reading of what the set-up found. */

import { IMAGES, type ImageName, OPTIONAL_NAMES } from '../images/images.ts';
import { LEAST_VERSION } from './install-compose.ts';
import { isFault } from './install-engine.ts';
import type { Found } from './machine.ts';

/** One line of the doctor's answer. */
export interface Finding {
  part: string;
  /**
   * 'missing': `fix` says what to do. 'unknown': only an engine that runs could tell. 'absent': not there, and not
   * needed: only to build, or optional.
   */
  state: 'ok' | 'missing' | 'unknown' | 'absent';
  version?: string;
  /** Path, or for an image how it came here. */
  from?: string;
  fix?: string;
}

/** What the doctor knows beyond the set-up's own look. */
export interface Surroundings {
  node: { version: string; path: string };
  docker?: { path: string };
  /** What the set-up cannot do by itself about the engine, in words; undefined where `npm run setup` can. */
  advice?: { message: string; hint: string };
  /** Programs that only building from packages needs. */
  builders: { name: string; version?: string; path?: string }[];
}

const SET_UP = 'npm run setup';

export function diagnose(found: Found, wanted: ImageName[], around: Surroundings): Finding[] {
  const engineFix = around.advice ? around.advice.hint : SET_UP;
  const running = !isFault(found.engine);
  return [
    { part: 'Node.js', state: 'ok', version: around.node.version, from: around.node.path },
    around.docker
      ? { part: 'Docker client', state: 'ok', from: around.docker.path }
      : { part: 'Docker client', state: 'missing', fix: engineFix },
    isFault(found.engine)
      ? { part: 'Docker engine', state: 'missing', from: `${found.socket} (${found.engine.message})`, fix: engineFix }
      : {
          part: 'Docker engine',
          state: 'ok',
          version: `${found.engine.version} (API ${found.engine.apiVersion}, cgroup v${found.engine.cgroup})`,
          from: found.socket,
        },
    found.compose
      ? { part: 'Docker Compose', state: 'ok', version: found.compose.version, from: found.compose.path }
      : { part: 'Docker Compose', state: 'missing', version: `${LEAST_VERSION} or newer`, fix: SET_UP },
    ...wanted.map((name) => diagnoseImage(name, found, running)),
    ...around.builders.map(
      ({ name, version, path }): Finding => ({
        part: `${name} (only to build)`,
        state: path ? 'ok' : 'absent',
        version,
        from: path,
      }),
    ),
  ];
}

export function isComplete(findings: Finding[]): boolean {
  return findings.every((finding) => finding.state === 'ok' || finding.state === 'absent');
}

/** The findings as a table, each that is missing followed by how to get it. */
export function diagnosisText(findings: Finding[]): string {
  const width = Math.max(...findings.map((finding) => finding.part.length));
  const lines = findings.flatMap((finding) => {
    const state = finding.state === 'missing' ? 'MISSING' : finding.state;
    const line =
      `${state.padEnd(8)}${finding.part.padEnd(width + 2)}${[finding.version, finding.from].filter(Boolean).join('  ')}`.trimEnd();
    return finding.fix
      ? [
          line,
          ...finding.fix
            .split('\n')
            .map((text) => `${' '.repeat(width + 10)}${text === SET_UP ? `fix: ${text}` : text}`),
        ]
      : [line];
  });
  return [...lines, isComplete(findings) ? 'complete' : `something is missing; ${SET_UP} gets all that it can`].join(
    '\n',
  );
}

function diagnoseImage(name: ImageName, found: Found, running: boolean): Finding {
  const { ref } = IMAGES[name];
  const image = found.images[name];
  if (!running) return { part: `image ${name}`, state: 'unknown', version: ref };
  if (!image && OPTIONAL_NAMES.includes(name))
    return { part: `image ${name} (optional)`, state: 'absent', version: ref, fix: `docker pull ${ref}` };
  if (!image)
    return {
      part: `image ${name}`,
      state: 'missing',
      version: ref,
      ...(found.outdated.includes(name) ? { from: 'built by an older recipe' } : {}),
      fix: SET_UP,
    };
  return {
    part: `image ${name}`,
    state: 'ok',
    version: ref,
    from: `${image.source === 'built' ? 'built from packages' : image.source}, ${image.id.replace('sha256:', '').slice(0, 12)}`,
  };
}
