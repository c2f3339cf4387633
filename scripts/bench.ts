/** npm run bench: measures a commit. */
import { openBucket } from './archive/bucket.ts';
import { linksTo, seen } from './archive/links.ts';
import { main } from './cli.ts';
import { loadConfig, parseBenchArgs } from './config/config.ts';
import { EXIT } from './errors.ts';
import { ROOT, withContext } from './open.ts';
import { bench } from './pipeline.ts';
import { runTable } from './report/table.ts';

await main(async (io) => {
  const args = process.argv.slice(2);
  const flags = parseBenchArgs(args);
  if (flags.help) {
    io.stdout(flags.help);
    return EXIT.pass;
  }
  const config = await loadConfig(args, { root: ROOT, cwd: process.cwd() });
  const { run, links } = await withContext({ quiet: flags.quiet, images: ['prometheus', 'k6', 'thanos', 'node', 'exporter'] }, async (ctx) => {
    const run = await bench(config, ctx);
    return { run, links: flags.json ? [] : await openBucket(config.objstore, ctx.paths).then((bucket) => linksTo(seen(run), bucket, ctx)).catch(() => []) };
  });
  io.stdout(flags.json ? JSON.stringify(run, null, 2) : runTable(run, { color: Boolean(process.stdout.isTTY), links }));
  return run.status === 'invalid' ? EXIT.invalid : EXIT.pass;
});
