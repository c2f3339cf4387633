/** What Mayfly builds or installs by itself is under the licences that docs/setup.md lists, and k6 is no part of it. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import t from 'tap';
import { EXCEPTIONS, faultOf } from '../../scripts/dev/licences/allowed.ts';
import { BY_HAND } from '../../scripts/dev/licences/by-hand.ts';
import {
  componentsOf,
  filesNamed,
  goComponents,
  jarComponents,
  npmComponents,
  readTable,
  requiredModules,
} from '../../scripts/dev/licences/components.ts';
import { licenceOfJar } from '../../scripts/dev/licences/jars.ts';
import { expressionOf, isLicenceFile } from '../../scripts/dev/licences/texts.ts';
import { IMAGES, OPTIONAL_NAMES } from '../../scripts/images/images.ts';

const ROOT = join(import.meta.dirname, '../..');
const table = readTable(ROOT);
const components = componentsOf(ROOT, table);

t.test('every npm package, every Go module and every jar has a licence on the list', async (t) => {
  t.same(
    components.flatMap((component) => faultOf(component) ?? []),
    [],
  );
});

t.test('none is left out', async (t) => {
  const files = ['package-lock.json', 'go.mod', 'pom.xml'].flatMap((name) => filesNamed(ROOT, name));
  for (const { make, folder } of Object.values(IMAGES)) {
    const pins = [
      ...(make.kind === 'go' ? ['go.mod'] : []),
      ...(make.kind === 'npm' ? ['package-lock.json'] : []),
      ...(make.kind === 'debian' && make.maven ? ['pom.xml'] : []),
    ];
    for (const pin of pins)
      t.ok(
        files.some((file) => join(ROOT, file) === join(folder, pin)),
        folder,
      );
  }
  for (const file of [
    'package-lock.json',
    'compose/images/node/package-lock.json',
    'compose/images/compose/go.mod',
    'benchmarks/shop/service/package-lock.json',
    'benchmarks/chain-sync/functions/package-lock.json',
    'benchmarks/uploads/service/package-lock.json',
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
  has('github.com/nats-io/nats-server/v2');
  has('@nats-io/jetstream'); // in the trigger service
  has('zipkin-lens');
  has('github.com/themihai/gomemcache'); // in the place of github.com/bradfitz/gomemcache
});

t.test('the table and the exceptions hold nothing that is gone', async (t) => {
  const wanted = new Set(components.map(({ name, version }) => `${name}@${version}`));
  t.same(
    Object.values(table)
      .flatMap((part) => Object.keys(part))
      .filter((key) => !wanted.has(key)),
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
      { go: {}, npm: { '@x/thing@1.0.0': 'NONE' }, jars: {} },
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
  t.same(goComponents(goMod, 'x/go.mod', { go: modules, npm: {}, jars: {} }).map(faultOf), [
    'example.org/busl@v1.0.0 (x/go.mod) is under BUSL-1.1, which is not on the list',
    'example.org/bare@v2.0.0 (x/go.mod) has no licence',
    'example.org/odd@v3.0.0 (x/go.mod) has a licence that is not recognised: read it, and say in scripts/dev/licences/by-hand.ts what it is',
    'example.org/new@v4.0.0 (x/go.mod) is not in compose/images/licences.json: run `sh scripts/run.sh dev/generate-licences`, and look at what it adds',
  ]);
});

t.test('the jars of a pom.xml', async (t) => {
  const pom = `<includes>
    BOOT-INF/classes/**,
    BOOT-INF/lib/log4j-slf4j2-impl-2.23.1.jar,
    BOOT-INF/lib/netty-x-4.1.Final-linux-x86_64.jar
  </includes>`;
  const licences = { 'log4j-slf4j2-impl@2.23.1': 'EPL-2.0' };
  t.same(jarComponents(pom, 'x/pom.xml', { go: {}, npm: {}, jars: licences }).map(faultOf), [
    'log4j-slf4j2-impl@2.23.1 (x/pom.xml) is under EPL-2.0, which is not on the list',
    'netty-x@4.1.Final-linux-x86_64 (x/pom.xml) is not in compose/images/licences.json: run `sh scripts/run.sh dev/generate-licences`, and look at what it adds',
  ]);
  t.throws(() => jarComponents('BOOT-INF/lib/**', 'x/pom.xml', table), /no name of a jar with its version: \*\*/);
});

t.test('what a jar says of its licence', async (t) => {
  const apache = 'Licensed under the Apache License, Version 2.0';
  const manifest = (licences: string) => [
    'META-INF/MANIFEST.MF',
    `Manifest-Version: 1.0\r\nBundle-License: ${licences}\r\n`,
  ];
  const pom = (...names: string[]) => [
    'META-INF/maven/g/a/pom.xml',
    `<project><licenses>${names.map((name) => `<license><name>${name}</name></license>`).join('')}</licenses></project>`,
  ];
  const cases: [string[][], string][] = [
    [[['META-INF/LICENSE', apache]], 'Apache-2.0'],
    [[manifest('https://www.apache.org/licen\r\n ses/LICENSE-2.0.txt')], 'Apache-2.0'],
    [[manifest('"Apache-2.0";link="https://x"'), pom('The Apache Software License, Version 2.0')], 'Apache-2.0'],
    [[manifest('https://opensource.org/licenses/BSD-2-Clause, https://x.org/mit-license.php')], 'BSD-2-Clause AND MIT'],
    [[pom('Eclipse Public License - v 2.0'), ['META-INF/LICENSE', apache]], 'NOASSERTION'],
    [[['META-INF/LICENSE', 'All rights reserved.']], 'NOASSERTION'],
    [[['a/B.class', 'x']], 'NONE'],
  ];
  for (const [files, licence] of cases) t.equal(licenceOfJar(jarOf(files as [string, string][])), licence, licence);
  t.throws(() => licenceOfJar(Buffer.from('no jar')), /no ZIP archive/);
});

/** A ZIP archive, every second file deflated. */
function jarOf(files: [string, string][]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  for (const [i, [name, text]] of files.entries()) {
    const data = i % 2 === 0 ? deflateRawSync(text) : Buffer.from(text);
    const at = parts.reduce((sum, part) => sum + part.length, 0);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50);
    local.writeUInt16LE(name.length, 26);
    parts.push(local, Buffer.from(name), data);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50);
    entry.writeUInt16LE(i % 2 === 0 ? 8 : 0, 10);
    entry.writeUInt32LE(data.length, 20);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(at, 42);
    directory.push(entry, Buffer.from(name));
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(
    parts.reduce((sum, part) => sum + part.length, 0),
    16,
  );
  return Buffer.concat([...parts, ...directory, end]);
}

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
