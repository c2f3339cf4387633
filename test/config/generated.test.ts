import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { generatedFiles } from '../../scripts/dev/generate-types.ts';

const ROOT = join(import.meta.dirname, '../..');

for (const [file, content] of Object.entries(await generatedFiles())) {
  t.test(file, async (t) => {
    t.ok(readFileSync(join(ROOT, file), 'utf8') === content, `${file} is current; \`npm run generate\` writes it anew`);
  });
}
