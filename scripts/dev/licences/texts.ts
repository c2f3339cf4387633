/**
 * Which licences a text holds, by words that only they have. It knows the ones that Mayfly does not take as well, so
 * that they are named.
 */

const BSD = /redistribution and use in source and binary forms/;
const SIGNS: Record<string, RegExp[]> = {
  'Apache-2.0': [/licensed under the apache license, version 2\.0|apache license,? version 2\.0, january 2004/],
  'BSD-2-Clause': [BSD, /^(?!.*to endorse or promote products derived)/s],
  'BSD-3-Clause': [BSD, /to endorse or promote products derived/],
  MIT: [
    /permission is hereby granted, free of charge, to any person obtaining a copy/,
    /the software is provided "as is"/,
  ],
  ISC: [
    /permission to use, copy, modify,? and(\/or)? distribute this software for any purpose with or without fee is hereby granted, provided that/,
  ],
  '0BSD': [
    /permission to use, copy, modify,? and(\/or)? distribute this software for any purpose with or without fee is hereby granted\./,
  ],
  'MPL-2.0': [/mozilla public license,? version 2\.0/],
  'BlueOak-1.0.0': [/blue oak model license/],
  'CC0-1.0': [/cc0 1\.0 universal/],
  'CC-BY-4.0': [/creative commons attribution 4\.0|attribution 4\.0 international/],
  'CC-BY-SA-4.0': [/attribution-sharealike 4\.0/],
  Unlicense: [/this is free and unencumbered software released into the public domain/],
  Zlib: [/altered source versions must be plainly marked as such/],
  'UPL-1.0': [/universal permissive license/],
  'BSL-1.0': [/boost software license/],
  'Artistic-2.0': [/the artistic license 2\.0/],
  'OFL-1.1': [/sil open font license/],
  'EPL-2.0': [/eclipse public license/],
  'CDDL-1.0': [/common development and distribution license/],
  'AGPL-3.0-only': [/affero general public license|\bagpl/],
  'LicenseRef-LGPL': [/gnu (lesser|library) general public license|\blgpl/],
  'LicenseRef-GPL': [/gnu general public license|\bgpl/],
  'SSPL-1.0': [/server side public license|\bsspl/],
  'BUSL-1.1': [/business source license/],
  'Elastic-2.0': [/elastic license/],
  'LicenseRef-Functional-Source': [/functional source license/],
  'LicenseRef-Commons-Clause': [/commons clause/],
};

/** SPDX identifiers, sorted; none where no licence is recognised. */
export function licencesIn(text: string): string[] {
  const plain = text
    .toLowerCase()
    .replace(/[“”]|''|``/g, '"')
    .replace(/(^|\n)[ \t]*(\/\/|[*#>]+)/g, '\n')
    .replace(/\s+/g, ' ')
    // the Mozilla licence names the GNU ones without being one
    .replace(/"secondary license" means .*?those licenses\./, '');
  return Object.keys(SIGNS)
    .filter((id) => SIGNS[id]!.every((sign) => sign.test(plain)))
    .sort();
}

/** Whether a file of this name holds the licence of the code beside it. LICENSE.docs is that of a manual. */
export const isLicenceFile = (name: string): boolean =>
  /(^|[-_.])(licen[cs]es?|copying|unlicense)([-_.]|$)/i.test(name) && !/\.(go|sh|docs)$/i.test(name);

/**
 * What stands in a table: all of them hold. NONE: there is no text; NOASSERTION: there is one that is not recognised.
 */
export function expressionOf(texts: string[]): string {
  const ids = texts.map(licencesIn);
  if (texts.length === 0) return 'NONE';
  if (ids.some((found) => found.length === 0)) return 'NOASSERTION';
  return [...new Set(ids.flat())].sort().join(' AND ');
}
