/** Which licences a jar says it is under: by the texts in it, by its manifest and by the POM that Maven put into it. */
import { inflateRawSync } from 'node:zlib';
import { isLicenceFile, licencesIn } from './texts.ts';

const END_OF_DIRECTORY = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;
const DEFLATED = 8;

/** How manifests and POMs name licences. */
const NAMES: Record<string, RegExp> = {
  'Apache-2.0': /apache\.org\/licenses\/license-2\.0|^"?(the )?apache[- ](software )?(licen[cs]e,? )?(version )?2\.0/i,
  MIT: /licenses\/mit\b|mit-license|^the mit license/i,
  'BSD-2-Clause': /licenses\/bsd-2-clause|^bsd-2-clause/i,
  'CC0-1.0': /publicdomain\/zero\/1\.0|creative commons cc0/i,
};

/** An SPDX expression: all that it says holds. NONE: it says nothing; NOASSERTION: something that is not recognised. */
export function licenceOfJar(jar: Buffer): string {
  const files = textsOf(jar, (name) => isManifest(name) || isPom(name) || isLicenceFile(name.split('/').at(-1)!));
  const found = [...files].map(([name, text]) => {
    if (isManifest(name)) return declared(bundleLicences(text));
    return isPom(name) ? declared(pomLicences(text)) : unrecognised(licencesIn(text));
  });
  const ids = [...new Set(found.flat())].sort();
  if (ids.length === 0) return 'NONE';
  return ids.includes('NOASSERTION') ? 'NOASSERTION' : ids.join(' AND ');
}

const isManifest = (name: string) => name === 'META-INF/MANIFEST.MF';
const isPom = (name: string) => /^META-INF\/maven\/.+\/pom\.xml$/.test(name);
const unrecognised = (ids: string[]) => (ids.length > 0 ? ids : ['NOASSERTION']);

const declared = (names: string[]): string[] =>
  names.flatMap((name) => unrecognised(Object.keys(NAMES).filter((id) => NAMES[id]!.test(name))));

/** Lines of a manifest are broken after 72 bytes; the next begins with a blank. */
const bundleLicences = (manifest: string): string[] =>
  (
    /^Bundle-License: (.*)$/m
      .exec(manifest.replace(/\r?\n /g, ''))?.[1]
      ?.split(',')
      .map((one) => one.trim()) ?? []
  ).filter(Boolean);

function pomLicences(pom: string): string[] {
  const licences = /<licenses>(.*?)<\/licenses>/s.exec(pom)?.[1] ?? '';
  return [...licences.matchAll(/<name>\s*(.*?)\s*<\/name>/gs)].map(([, name]) => name!);
}

/** The files of a ZIP archive that are wanted, by name. */
function textsOf(zip: Buffer, wanted: (name: string) => boolean): Map<string, string> {
  let end = zip.length - 22;
  while (end >= 0 && zip.readUInt32LE(end) !== END_OF_DIRECTORY) end--;
  if (end < 0) throw new TypeError('no ZIP archive');
  const texts = new Map<string, string>();
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    if (zip.readUInt32LE(at) !== DIRECTORY_ENTRY) throw new TypeError('a ZIP archive whose directory is broken');
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset)) as [
      number,
      number,
      number,
    ];
    const name = zip.toString('utf8', at + 46, at + 46 + nameLength);
    if (wanted(name)) {
      const local = zip.readUInt32LE(at + 42);
      const begin = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      const data = zip.subarray(begin, begin + zip.readUInt32LE(at + 20));
      texts.set(name, (zip.readUInt16LE(at + 10) === DEFLATED ? inflateRawSync(data) : data).toString('utf8'));
    }
    at += 46 + nameLength + extraLength + commentLength;
  }
  return texts;
}
