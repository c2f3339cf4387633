/** npm run generate: writes every file that is generated from a schema or a table. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generatedFiles } from './config/generate.ts';

const root = join(import.meta.dirname, '..');
for (const [file, content] of Object.entries(await generatedFiles())) {
  writeFileSync(join(root, file), content);
  console.log(`wrote ${file}`);
}
