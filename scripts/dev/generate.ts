/** npm run generate: writes every file that is generated from a schema, a table, the sources of the dashboards or of telemetry. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { grafanaFiles } from '../../grafana/src/generate.ts';
import { VENDORED, vendoredTelemetry } from './generate-telemetry.ts';
import { generatedFiles } from './generate-types.ts';

const root = join(import.meta.dirname, '../..');
const files = { ...(await generatedFiles()), ...grafanaFiles(), ...(await vendoredTelemetry()) };
rmSync(join(root, VENDORED), { recursive: true, force: true });
for (const [file, content] of Object.entries(files)) {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), content);
  console.log(`wrote ${file}`);
}
