/** npm run generate: writes every file that is generated from a schema, a table or the sources of the dashboards. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { grafanaFiles } from '../../grafana/src/generate.ts';
import { generatedFiles } from './generate-types.ts';

const root = join(import.meta.dirname, '../..');
for (const [file, content] of Object.entries({ ...(await generatedFiles()), ...grafanaFiles() })) {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), content);
  console.log(`wrote ${file}`);
}
