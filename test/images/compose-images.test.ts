/** The Compose files and the set-up name the same images. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { IMAGES } from '../../scripts/images/images.ts';

t.test('every image of the stack is one that the set-up provides', async (t) => {
  const refs = Object.values(IMAGES).map((image: any) => image.ref as string);
  const files = readdirSync('compose', { recursive: true, encoding: 'utf8' }).filter((file) =>
    /^(fleet\/|brokers\/)?[^/]+\.yaml$/.test(file),
  );
  t.ok(files.length >= 3, files.join());
  for (const file of files) {
    for (const [name, service] of Object.entries<any>(
      parse(readFileSync(join('compose', file), 'utf8'), { merge: true }).services,
    )) {
      if (service.image && !service.image.startsWith('${'))
        t.ok(refs.includes(service.image), `${file}: ${name}: ${service.image}`);
    }
  }
});
