/** Where a run can be looked at, found out over HTTP: the server has no engine to ask. */
import { request } from 'undici';
import { type Archive, allArchives, archiveUrl } from '../../archive/archives.ts';
import { openBucket } from '../../archive/bucket.ts';
import { dashboardUrl, queryUrl, seen } from '../../archive/links.ts';
import type { Paths } from '../../core/paths.ts';
import type { RunDocument } from '../../documents/run.ts';
import type { Links, ViewContext } from './data/data-types.ts';

const PROBE_MS = 500;
/** An archive that is asked for is asked again after this time. */
const FRESH_MS = 10_000;

export interface SeenArchive {
  archive: Archive;
  /** Name of its bucket. */
  bucket: string;
  grafana: boolean;
  query: boolean;
}

let last: { data: string; at: number; archives: Promise<SeenArchive[]> } | undefined;

/** The archives of the data folder that were ever brought up, and which parts of each answer now. */
export function seenArchives(paths: Paths, now: number): Promise<SeenArchive[]> {
  if (last?.data !== paths.data || Math.abs(now - last.at) > FRESH_MS)
    last = { data: paths.data, at: now, archives: look(paths) };
  return last.archives;
}

async function look(paths: Paths): Promise<SeenArchive[]> {
  const archives = await allArchives(paths);
  const seen = await Promise.all(
    archives.map(async (archive) => {
      const bucket = await openBucket(archive.objstore, paths).then(
        ({ name }) => name,
        () => null,
      );
      const [grafana, query] = await Promise.all([
        answers(`${archiveUrl(archive, 'grafana')}/api/health`),
        answers(`${archiveUrl(archive, 'query')}/-/ready`),
      ]);
      return bucket === null ? [] : [{ archive, bucket, grafana, query }];
    }),
  );
  return seen.flat();
}

const answers = (url: string): Promise<boolean> =>
  request(url, { signal: AbortSignal.timeout(PROBE_MS) }).then(
    async ({ statusCode, body }) => (await body.dump(), statusCode === 200),
    () => false,
  );

export async function linksOf(
  run: RunDocument,
  { paths, githubSite, now }: Pick<ViewContext, 'paths' | 'githubSite' | 'now'>,
): Promise<Links> {
  const place = seen(run);
  const over = run.archive
    ? (await seenArchives(paths, now())).filter(({ bucket }) => bucket === run.archive!.bucket)
    : [];
  const archives = over.flatMap(({ archive, grafana, query }): Links['archives'] => {
    if (grafana)
      return [{ name: archive.name, kind: 'grafana', url: dashboardUrl(archiveUrl(archive, 'grafana'), place) }];
    return query ? [{ name: archive.name, kind: 'query', url: queryUrl(archiveUrl(archive, 'query'), place) }] : [];
  });
  const none = archives.length > 0 ? undefined : whyNone(run);
  return {
    archives,
    ...(none === undefined ? {} : { none }),
    ...onGitHub(run, githubSite),
  };
}

function onGitHub({ labels: { repository, pull_request }, sides }: RunDocument, site: string): Pick<Links, 'github'> {
  if (repository === undefined || !/^[\w.-]+\/[\w.-]+$/.test(repository)) return {};
  const { commit } = sides.candidate;
  const url = `${site}/${repository}`;
  return {
    github: {
      repository,
      commit,
      commit_url: `${url}/commit/${commit}`,
      ...(pull_request !== undefined && /^\d+$/.test(pull_request)
        ? { pull_request, pull_request_url: `${url}/pull/${pull_request}` }
        : {}),
    },
  };
}

/** Why the raw metrics of a run cannot be read. */
export function whyNone({ archive, status }: RunDocument): string {
  if (!archive)
    return status === 'running'
      ? 'its raw metrics are shipped when it has ended'
      : 'its raw metrics were never shipped';
  if (archive.removed_at !== undefined) return 'its raw metrics were removed by the retention of the archive';
  if (archive.pending) return 'its raw metrics wait on the host that measured it: npm run archive:push ships them';
  return 'no archive over its bucket answers: npm run archive:up brings one up';
}
