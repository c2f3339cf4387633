import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { generatedFiles } from '../../scripts/dev/generate-types.ts';
import { COPIES, vendoredFiles } from '../../scripts/dev/generate-vendored.ts';

const ROOT = join(import.meta.dirname, '../..');

const vendored = await vendoredFiles();

for (const [file, content] of Object.entries({ ...(await generatedFiles()), ...vendored })) {
  t.test(file, async (t) => {
    t.ok(readFileSync(join(ROOT, file), 'utf8') === content, `${file} is current; \`npm run generate\` writes it anew`);
  });
}

t.test('nothing else lies beside the copies of a library', async (t) => {
  t.ok(COPIES.length > 1);
  for (const copy of COPIES) {
    const found = readdirSync(join(ROOT, copy), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1));
    const wanted = Object.keys(vendored).filter((file) => file.startsWith(`${copy}/`));
    t.same(found.sort(), wanted.sort(), copy);
  }
});
