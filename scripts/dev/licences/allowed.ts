/** The licences that everything is under which Mayfly builds or installs by itself. */
import { createRequire } from 'node:module';

/** A tree of an SPDX expression, as spdx-expression-parse (which has no types) makes it. */
type Expression =
  | { license: string; exception?: string }
  | { left: Expression; conjunction: 'and' | 'or'; right: Expression };
const parse = createRequire(import.meta.url)('spdx-expression-parse') as (text: string) => Expression;

export const ALLOWED = [
  'MIT',
  'MIT-0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'ISC',
  'Apache-2.0',
  'MPL-2.0',
  'BlueOak-1.0.0',
  'PSF-2.0',
  'Python-2.0',
];
/** Only for what is data, not code. */
const ALLOWED_FOR_DATA = ['CC0-1.0', 'CC-BY-3.0', 'CC-BY-4.0'];
const DATA = ['spdx-exceptions', 'spdx-license-ids'];
/** Not on the list, and why they are taken all the same. Name -> the licence that is meant, and the reason. */
export const EXCEPTIONS: Record<string, { licence: string; why: string }> = {
  npm: {
    licence: 'Artistic-2.0',
    why: "npm itself, which the node image holds as upstream's image of Node.js does: used as it is, nothing here is made from it",
  },
  tweetnacl: {
    licence: 'Unlicense',
    why: "in the public domain; the client that NATS has for Node.js needs it for servers that ask for keys, which a run's does not",
  },
};

/** A package or a module, for example `undici@7.30.2`, and the file that asks for it. */
export interface Component {
  name: string;
  version: string;
  requiredBy: string;
  /** An SPDX expression, NONE or NOASSERTION; null where nobody has looked. */
  licence: string | null;
}

/** What is wrong with a component, in a sentence, or undefined. */
export function faultOf({ name, version, requiredBy, licence }: Component): string | undefined {
  const is = `${name}@${version} (${requiredBy})`;
  if (licence === null) return `${is} is not in ${TABLE}: run ${COMMAND}, and look at what it adds`;
  if (licence === 'NONE') return `${is} has no licence`;
  if (licence === 'NOASSERTION')
    return `${is} has a licence that is not recognised: read it, and say in scripts/dev/licences/by-hand.ts what it is`;
  if (isAllowed(licence, DATA.includes(name) ? [...ALLOWED, ...ALLOWED_FOR_DATA] : ALLOWED)) return undefined;
  return EXCEPTIONS[name]?.licence === licence ? undefined : `${is} is under ${licence}, which is not on the list`;
}

export const TABLE = 'compose/images/licences.json';
export const COMMAND = '`sh scripts/run.sh dev/generate-licences`';

/**
 * Of licences joined by OR one is enough; of those joined by AND all must be on the list. What is no SPDX expression is
 * not.
 */
function isAllowed(licence: string, allowed: string[]): boolean {
  const holds = (part: Expression): boolean => {
    if ('license' in part) return !part.exception && allowed.includes(part.license);
    return part.conjunction === 'or' ? holds(part.left) || holds(part.right) : holds(part.left) && holds(part.right);
  };
  try {
    return holds(parse(licence));
  } catch {
    return false;
  }
}
