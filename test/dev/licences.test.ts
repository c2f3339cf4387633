/** What Mayfly builds or installs by itself is under the licences that docs/setup.md lists, and k6 is no part of it. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { EXCEPTIONS, faultOf } from '../../scripts/dev/licences/allowed.ts';
import { BY_HAND } from '../../scripts/dev/licences/by-hand.ts';
import {
  componentsOf,
  filesNamed,
  goComponents,
  npmComponents,
  readTable,
  requiredModules,
} from '../../scripts/dev/licences/components.ts';
import { expressionOf, isLicenceFile } from '../../scripts/dev/licences/texts.ts';
import { IMAGES, OPTIONAL_NAMES } from '../../scripts/images/images.ts';

const ROOT = join(import.meta.dirname, '../..');
const table = readTable(ROOT);
const components = componentsOf(ROOT, table);

t.test('every npm package and every Go module has a licence on the list', async (t) => {
  t.same(
    components.flatMap((component) => faultOf(component) ?? []),
    [],
  );
});

t.test('none is left out', async (t) => {
  const files = [...filesNamed(ROOT, 'package-lock.json'), ...filesNamed(ROOT, 'go.mod')];
  for (const { make, folder } of Object.values(IMAGES)) {
    if (make.kind === 'go')
      t.ok(
        files.some((file) => join(ROOT, file) === join(folder, 'go.mod')),
        folder,
      );
  }
  for (const file of [
    'package-lock.json',
    'compose/images/node/package-lock.json',
    'compose/images/compose/go.mod',
    'benchmarks/shop/service/package-lock.json',
    'benchmarks/chain-sync/functions/package-lock.json',
    'benchmarks/templates/grpc/service/package-lock.json',
    'benchmarks/caddy/image/health/go.mod',
  ])
    t.ok(files.includes(file), file);

  const has = (name: string) =>
    t.ok(
      components.some((component) => component.name === name),
      name,
    );
  has('undici');
  has('@node-rs/crc32-win32-x64-msvc'); // for another system than this
  has('npm');
  has('github.com/prometheus/prometheus');
  has('github.com/thanos-io/thanos');
  has('github.com/themihai/gomemcache'); // in the place of github.com/bradfitz/gomemcache
});

t.test('the table and the exceptions hold nothing that is gone', async (t) => {
  const wanted = new Set(components.map(({ name, version }) => `${name}@${version}`));
  t.same(
    [...Object.keys(table.go), ...Object.keys(table.npm)].filter((key) => !wanted.has(key)),
    [],
  );
  t.same(
    [...Object.keys(EXCEPTIONS), ...Object.keys(BY_HAND)].filter(
      (name) => !components.some((component) => component.name === name),
    ),
    [],
  );
});

t.test('k6 is in no module and no image, and Grafana is never built', async (t) => {
  const texts = [
    ...filesNamed(ROOT, 'go.mod'),
    ...filesNamed(ROOT, 'go.sum'),
    ...globSync('compose/**/{Dockerfile,*.yaml}', { cwd: ROOT }),
  ];
  t.same(
    texts.filter((file) => /go\.k6\.io|grafana\/k6/.test(readFileSync(join(ROOT, file), 'utf8'))),
    [],
  );
  t.notOk(Object.entries(IMAGES).find(([name, { ref }]) => name === 'k6' || ref.includes('k6')));
  t.same(OPTIONAL_NAMES, ['grafana']);
  t.equal(IMAGES.grafana.make.kind, 'none');
});

t.test('what is not on the list is named', async (t) => {
  const lock = (packages: object) => JSON.stringify({ packages: { '': { license: 'MIT' }, ...packages } });
  const npm = (entry: object) =>
    npmComponents(
      lock({ 'node_modules/tap/node_modules/@x/thing': { version: '1.0.0', ...entry } }),
      'package-lock.json',
      { go: {}, npm: { '@x/thing@1.0.0': 'NONE' } },
    ).map(faultOf);
  const bad = (licence: string) => [`@x/thing@1.0.0 (package-lock.json) is under ${licence}, which is not on the list`];
  t.same(npm({ license: 'AGPL-3.0-or-later' }), bad('AGPL-3.0-or-later'));
  t.same(npm({ license: 'SSPL-1.0' }), bad('SSPL-1.0'));
  t.same(npm({ license: 'BUSL-1.1' }), bad('BUSL-1.1'));
  t.same(
    npm({ license: 'GPL-3.0-only WITH Classpath-exception-2.0' }),
    bad('GPL-3.0-only WITH Classpath-exception-2.0'),
  );
  t.same(npm({ license: 'MIT AND AGPL-3.0-only' }), bad('MIT AND AGPL-3.0-only'));
  t.same(npm({ license: 'UNLICENSED' }), bad('UNLICENSED'));
  t.same(npm({ license: 'SEE LICENSE IN eula.txt' }), bad('SEE LICENSE IN eula.txt'));
  t.same(npm({ license: 'CC0-1.0' }), bad('CC0-1.0'), 'that is for data');
  t.same(npm({ license: 'Artistic-2.0' }), bad('Artistic-2.0'), 'an exception is for one package');
  t.same(npm({}), ['@x/thing@1.0.0 (package-lock.json) has no licence']);
  t.same(npm({ license: 'MIT OR AGPL-3.0-only' }), [undefined]);
  t.same(npm({ license: '(MIT OR GPL-2.0-only) AND ISC' }), [undefined]);
  t.same(npm({ license: 'AGPL-3.0-only', link: true }), [], 'this repository itself');

  const modules = {
    'example.org/busl@v1.0.0': 'BUSL-1.1',
    'example.org/bare@v2.0.0': 'NONE',
    'example.org/odd@v3.0.0': 'NOASSERTION',
  };
  const goMod =
    'module x\n\nrequire example.org/busl v1.0.0\n\nrequire (\n\texample.org/bare v2.0.0 // indirect\n\texample.org/odd v3.0.0\n\texample.org/new v4.0.0\n)\n';
  t.same(goComponents(goMod, 'x/go.mod', { go: modules, npm: {} }).map(faultOf), [
    'example.org/busl@v1.0.0 (x/go.mod) is under BUSL-1.1, which is not on the list',
    'example.org/bare@v2.0.0 (x/go.mod) has no licence',
    'example.org/odd@v3.0.0 (x/go.mod) has a licence that is not recognised: read it, and say in scripts/dev/licences/by-hand.ts what it is',
    'example.org/new@v4.0.0 (x/go.mod) is not in compose/images/licences.json: run `sh scripts/run.sh dev/generate-licences`, and look at what it adds',
  ]);
});

t.test('the modules of a go.mod', async (t) => {
  const goMod = `module x
replace a.org/a => b.org/a v2.0.0 // why
replace (
\ta.org/b v1.0.0 => b.org/b v3.0.0
\ta.org/c v9.0.0 => b.org/c v1.0.0
)
exclude a.org/old v0.1.0
tool a.org/a/cmd
require (
\ta.org/a v1.0.0
\t// a.org/comment v1.0.0
\ta.org/b v1.0.0 // indirect
)
require a.org/c v1.0.0`;
  t.same(
    requiredModules(goMod).map(({ name, version }) => `${name}@${version}`),
    ['b.org/a@v2.0.0', 'b.org/b@v3.0.0', 'a.org/c@v1.0.0'],
  );
  t.throws(() => requiredModules('replace a.org/a => ../a\nrequire a.org/a v1.0.0'), /no module/);
});

t.test('a licence is known by its text', async (t) => {
  const mit =
    'Permission is hereby granted, free of charge,\n// to any person obtaining a copy of it.\nTHE SOFTWARE IS PROVIDED “AS IS”.';
  const bsd = 'Redistribution and use in source and binary forms, with or without\n * modification, are permitted';
  const mozilla =
    'Mozilla Public License, version 2.0\n1.12. "Secondary License" means either the GNU General Public License, Version 2.0, the GNU Lesser General Public License, Version 2.1, the GNU Affero General Public License, Version 3.0, or any later versions of those licenses.';
  const cases: [string[], string][] = [
    [[mit], 'MIT'],
    [[bsd], 'BSD-2-Clause'],
    [[`${bsd}; nor may names be used to endorse or promote products derived from it`], 'BSD-3-Clause'],
    [['Licensed under the Apache License, Version 2.0', mit], 'Apache-2.0 AND MIT'],
    [[mozilla], 'MPL-2.0'],
    [['GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3, 19 November 2007'], 'AGPL-3.0-only'],
    [['Business Source License 1.1 ... Change License: Apache License, Version 2.0'], 'BUSL-1.1'],
    [[`"Commons Clause" License Condition\n${mit}`], 'LicenseRef-Commons-Clause AND MIT'],
    [[mit, 'All rights reserved.'], 'NOASSERTION'],
    [[], 'NONE'],
  ];
  for (const [texts, expression] of cases) t.equal(expressionOf(texts), expression, expression);

  for (const name of [
    'LICENSE',
    'license',
    'LICENSE.txt',
    'COPYING.LGPL-3',
    'MIT-LICENSE',
    'UNLICENSE',
    'THIRD_PARTY_LICENSES.txt',
  ])
    t.ok(isLicenceFile(name), name);
  for (const name of ['licenser.txt', 'license.go', 'LICENSE.docs', 'README.md']) t.notOk(isLicenceFile(name), name);
});
