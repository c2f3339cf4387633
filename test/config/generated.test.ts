import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { VENDORED, vendoredTelemetry } from '../../scripts/dev/generate-telemetry.ts';
import { generatedFiles } from '../../scripts/dev/generate-types.ts';

const ROOT = join(import.meta.dirname, '../..');

const telemetry = await vendoredTelemetry();

for (const [file, content] of Object.entries({ ...(await generatedFiles()), ...telemetry })) {
  t.test(file, async (t) => {
    t.ok(readFileSync(join(ROOT, file), 'utf8') === content, `${file} is current; \`npm run generate\` writes it anew`);
  });
}

t.test('nothing else lies beside the telemetry library of the shop', async (t) => {
  const found = readdirSync(join(ROOT, VENDORED), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1));
  t.same(found.sort(), Object.keys(telemetry).sort());
});
