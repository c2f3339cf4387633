/** npm run generate: writes every file that is generated from a schema, a table, the sources of the dashboards or of a library. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { grafanaFiles } from '../../grafana/src/generate.ts';
import { generatedFiles } from './generate-types.ts';
import { COPIES, vendoredFiles } from './generate-vendored.ts';

const root = join(import.meta.dirname, '../..');
const files = { ...(await generatedFiles()), ...grafanaFiles(), ...(await vendoredFiles()) };
for (const copy of COPIES) rmSync(join(root, copy), { recursive: true, force: true });
for (const [file, content] of Object.entries(files)) {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), content);
  console.log(`wrote ${file}`);
}
