/** npm run service:up: the server and the worker as containers that outlive the command. */
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { command, wholeNumber } from '../app/command.ts';
import { ROOT, withContext } from '../app/open.ts';
import { loadService } from '../config/service.ts';
import { EXIT, UsageError } from '../core/errors.ts';
import { hostLock } from '../core/lock.ts';
import { RUN_IMAGES } from '../images/images.ts';
import { SERVICES, type ServiceName, startContainers } from '../service/containers.ts';
import { checkSecrets } from '../service/server/server.ts';
import { connectGitHub } from '../service/tell/github.ts';

await command(
  {
    name: 'service:up',
    about:
      'Starts `serve` and `work` as containers; they last until service:down. Called again, it applies what has changed. Secrets come from the environment, as for `npm run serve`.',
    flags: [
      { name: 'only', value: 'NAME', help: 'serve or work: on a dedicated benchmark host only the worker' },
      { name: 'port', value: 'N', help: 'port of the server on 127.0.0.1; default 8420' },
      {
        name: 'work-port',
        value: 'N',
        help: 'port of /healthz, /readyz and /metrics of the worker on 127.0.0.1; default 8421',
      },
      { name: 'slots', value: 'N', help: 'jobs at the same time; default 1' },
      { name: 'config', value: 'FILE', help: 'default mayfly.yaml at the top of this checkout' },
      {
        name: 'folder',
        value: 'PATH',
        many: true,
        help: 'a folder outside of the checkout that the worker needs: a git repository that a benchmark builds from',
      },
    ],
  },
  (io, { text, values }) => {
    const only = text('only');
    if (only !== undefined && !(SERVICES as readonly string[]).includes(only))
      throw new UsageError(`--only must be ${SERVICES.join(' or ')}, got ${JSON.stringify(only)}`);
    const services = only === undefined ? SERVICES : [only as ServiceName];
    const port = (flag: string, fallback: number) =>
      wholeNumber(flag, text(flag), { least: 1024, most: 65_535, fallback });
    const config = loadService(text('config'), { root: ROOT, cwd: process.cwd() });
    if (services.includes('serve')) {
      checkSecrets(config, process.env);
      connectGitHub(process.env, Date.now); // what is wrong with its settings is said before anything is started
    }
    const options = {
      services,
      servePort: port('port', 8420),
      workPort: port('work-port', 8421),
      slots: wholeNumber('slots', text('slots'), { least: 1, most: 64, fallback: 1 }),
      config: text('config') === undefined ? undefined : config.file,
      folders: (values.folder ?? []).map(folderOf),
      variables: [
        ...new Set(
          config.alerts.flatMap(({ url_from, smtp_from }) =>
            [url_from, smtp_from].filter((name) => name !== undefined),
          ),
        ),
      ],
    };
    return withContext(
      { quiet: false, images: [...(services.includes('work') ? RUN_IMAGES : []), 'service'] },
      async (ctx) => {
        using _alone = await hostLock({
          signal: ctx.signal,
          onWait: () => ctx.progress.info('another command on this machine brings something up; waiting for it'),
        });
        const urls = await startContainers(options, ctx);
        io.stdout(
          [
            ...(urls.serve
              ? [
                  `site     ${urls.serve}`,
                  `webhook  ${urls.serve}/webhooks/github (GitHub reaches it through a proxy that speaks TLS)`,
                ]
              : []),
            ...(urls.work ? [`worker   ${urls.work}/metrics`] : []),
            'npm run service:down stops it',
          ].join('\n'),
        );
        return EXIT.pass;
      },
    );
  },
);

function folderOf(given: string): string {
  const folder = resolve(given);
  if (existsSync(folder) && statSync(folder).isDirectory()) return folder;
  throw new UsageError(`--folder must be a folder, but ${given} is ${existsSync(folder) ? 'none' : 'not there'}`);
}
