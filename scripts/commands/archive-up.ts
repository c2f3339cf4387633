/** npm run archive:up: the long-running stack in which every run can be browsed. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ARCHIVE_FLAG, command, jsonFlag } from '../app/command.ts';
import { ROOT, withContext } from '../app/open.ts';
import { bringUp } from '../archive/archive-stack.ts';
import {
  DEFAULT_ARCHIVE,
  findArchive,
  PASSWORD_FILE,
  parsePortBase,
  parseRetention,
  planArchive,
} from '../archive/archives.ts';
import { partsOf } from '../archive/long-running.ts';
import { archiveStatus, statusText } from '../archive/status.ts';
import { EXIT, UsageError } from '../core/errors.ts';
import { hostLock } from '../core/lock.ts';
import { paths } from '../core/paths.ts';
import { IMAGES, type ImageName } from '../images/images.ts';

await command(
  {
    name: 'archive:up',
    about:
      'Starts the archive: Thanos Store and Query and Grafana over the object store. It lasts until archive:down. Called again, it applies what has changed; flags that are left out stay as they were.',
    flags: [
      ARCHIVE_FLAG,
      {
        name: 'port-base',
        value: 'N',
        help: 'first of 20 ports on 127.0.0.1: Grafana N, Query N+1; default the first that are free from 9600 on',
      },
      {
        name: 'objstore',
        value: 'FILE',
        help: 'Thanos object-store configuration of the bucket to show; default the folder bucket (again: --objstore=default)',
      },
      {
        name: 'retain-raw',
        value: 'TIME',
        help: 'remove raw metrics older than this (90d); default 0d: keep them for ever',
      },
      {
        name: 'retain-trend',
        value: 'TIME',
        help: 'remove the points of the trends older than this (5y); default 0d: keep them for ever',
      },
      {
        name: 'read-only',
        help: 'neither compact nor remove anything: for a second archive over a bucket; --keeper takes it back',
      },
      {
        name: 'keeper',
        help: 'compact the trends and apply the retention: one archive for each bucket does (default)',
      },
      {
        name: 'overlay',
        value: 'FILE',
        many: true,
        help: 'Compose file laid over compose/archive.yaml, for example compose/fleet/sharded.yaml; none: no overlay',
      },
      jsonFlag('mayfly.archive/v1'),
    ],
  },
  async (io, { values, text, has }) => {
    const name = text('archive') ?? DEFAULT_ARCHIVE;
    const given = {
      port_base: text('port-base') === undefined ? undefined : parsePortBase(text('port-base')!),
      objstore: objstoreOf(text('objstore')),
      retention_raw: text('retain-raw') === undefined ? undefined : parseRetention('retain-raw', text('retain-raw')!),
      retention_trend:
        text('retain-trend') === undefined ? undefined : parseRetention('retain-trend', text('retain-trend')!),
      read_only: has('read-only') ? true : has('keeper') ? false : undefined,
      overlays: values.overlay?.filter((file) => file !== 'none').map((file) => resolve(file)),
    };
    if (has('read-only') && has('keeper')) throw new UsageError('--read-only and --keeper contradict each other');
    return withContext(
      {
        quiet: has('json'),
        images: [
          'thanos',
          ...(await imagesIn(given.overlays ?? (await findArchive(name, paths(ROOT, process.env)))?.overlays ?? [])),
        ],
        optional: ['grafana'],
      },
      async (ctx) => {
        // Ports are looked for, and then listened on: two at once would find the same.
        using _alone = await hostLock({
          signal: ctx.signal,
          onWait: () => ctx.progress.info('another command on this machine brings something up; waiting for it'),
        });
        const before = await findArchive(name, ctx.paths);
        const isUp = before !== undefined && (await partsOf(before.project, ctx)).size > 0;
        const archive = await planArchive(name, given, isUp, ctx.paths);
        await bringUp(archive, before, isUp, ctx);
        const status = await archiveStatus(archive, ctx);
        io.stdout(has('json') ? JSON.stringify(status, null, 2) : statusText(status));
        if (!has('json') && status.grafana_url)
          io.stdout(`admin    the password of Grafana's user admin is in ${archive.dir}/${PASSWORD_FILE}`);
        if (!has('json') && !status.grafana_url)
          io.stdout(
            `Grafana is not up: ${ctx.machine.absent?.grafana ?? 'its image is not here'}. Query's own page shows the same metrics: ${status.query_url}/graph`,
          );
        return EXIT.pass;
      },
    );
  },
);

/** '' is the folder bucket again. */
function objstoreOf(given: string | undefined): string | undefined {
  if (given === undefined) return undefined;
  if (given === '') throw new UsageError('--objstore needs a file');
  return given === 'default' ? '' : resolve(given);
}

/** Images of the stack that the files name. */
async function imagesIn(files: string[]): Promise<ImageName[]> {
  // told when it is started
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
  return (Object.keys(IMAGES) as ImageName[]).filter((name) => texts.some((text) => text.includes(IMAGES[name].ref)));
}
