import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Context } from '../../scripts/app/context.ts';
import type { BuildPlan } from '../../scripts/plan/plan.ts';
import { checkDockerfile } from '../../scripts/stack/build-guard.ts';

const ctx = { engine: { image: async () => null } } as unknown as Context;

t.test('what is checked is the Dockerfile that is built: a plain file of the written context', async (t) => {
  const folder = t.testdir({ Dockerfile: 'FROM base\nCOPY . .\n', sub: { Dockerfile: 'FROM other\n' } });
  const check = (dockerfile: string) =>
    checkDockerfile(
      {
        name: 'shop',
        source: { commit: 'a'.repeat(40) },
        recipe: { kind: 'git', dockerfile, builder: 'classic', network: 'none', args: {} },
      } as unknown as BuildPlan,
      folder,
      ctx,
      async (ref) => ({ id: `id of ${ref}` }),
    );
  t.same(await check('Dockerfile'), [{ ref: 'base', id: 'id of base' }]);
  t.same(await check('./sub/Dockerfile'), [{ ref: 'other', id: 'id of other' }]);

  symlinkSync('Dockerfile', join(folder, 'link'));
  symlinkSync('sub', join(folder, 'linked'));
  mkdirSync(join(folder, 'folder'));
  for (const name of ['link', 'linked/Dockerfile', 'folder', 'nowhere', '*file'])
    await t.rejects(check(name), {
      name: 'UsageError',
      message: `${name} of shop at aaaaaaaaaaaa is no file of the build context`,
      hint: 'build/NAME/git/dockerfile names it, from the context; it must be a file itself, not a link to one.',
    });
  writeFileSync(join(folder, 'large'), `FROM base\n${'#'.repeat(2 ** 20)}`);
  await t.rejects(check('large'), { message: 'large of shop at aaaaaaaaaaaa is larger than 1 MiB' });
  writeFileSync(join(folder, 'fetches'), 'FROM base\nADD http://127.0.0.1/x /x\n');
  await t.rejects(check('fetches'), { message: /"ADD http:\/\/127\.0\.0\.1\/x \/x" is not allowed/ });
});
