/** What the engine has of images, and says of itself. */

import { type Connection, EngineError, refusal } from './connection.ts';
import type { Labels } from './engine.ts';

export interface EngineFacts {
  version: string;
  apiVersion: string;
  cores: number;
  memoryBytes: number;
  kernel: string;
  os: string;
  /** Version of the control groups: '1' or '2'. */
  cgroup: string;
  /** As the kernel names it: x86_64, aarch64. */
  architecture: string;
}

export interface PresentImage {
  id: string;
  labels: Record<string, string>;
}

export interface ImageInfo {
  id: string;
  labels: Labels;
  /** Instructions that a build which starts from it carries out (ONBUILD). */
  triggers: string[];
  /** Bytes, with what it shares with others. */
  size: number;
  /** When it was tagged last, or made: milliseconds since the epoch. */
  taggedMs: number;
}

/** Milliseconds that an engine may take for a simple answer. */
const ANSWER_MS = 10_000;

export function imageCalls({ send, call, labelFilter }: Connection) {
  return {
    async facts(): Promise<EngineFacts> {
      const body = await call<Record<string, any>>('GET', '/info', { answerMs: ANSWER_MS });
      const { ApiVersion } = await call<{ ApiVersion: string }>('GET', '/version', { answerMs: ANSWER_MS });
      return {
        version: body.ServerVersion,
        apiVersion: ApiVersion,
        cores: body.NCPU,
        memoryBytes: body.MemTotal,
        kernel: body.KernelVersion,
        os: body.OperatingSystem,
        cgroup: body.CgroupVersion ?? '1',
        architecture: body.Architecture,
      };
    },

    /** Every tagged image, by its tag. */
    async images(): Promise<Map<string, PresentImage>> {
      type Listed = { Id: string; RepoTags: string[] | null; Labels: Record<string, string> | null };
      const list = await call<Listed[]>('GET', '/images/json', { answerMs: ANSWER_MS });
      return new Map(
        list.flatMap((image) =>
          (image.RepoTags ?? []).map((tag) => [tag, { id: image.Id, labels: image.Labels ?? {} }] as const),
        ),
      );
    },

    /**
     * Pulls an image. `onProgress` gets a short text and, where known, the fraction done.
     * Rejects when the registry refuses, or when nothing comes for `stallMs`.
     */
    async pull(
      ref: string,
      options: {
        stallMs: number;
        onProgress: (text: string, fraction?: number) => void;
        signal?: AbortSignal | undefined;
      },
    ): Promise<void> {
      const { name, tag } = splitRef(ref);
      const query = new URLSearchParams({ fromImage: name, tag });
      try {
        const answer = await send('POST', `/images/create?${query}`, {
          signal: options.signal,
          answerMs: options.stallMs,
          stallMs: options.stallMs,
        });
        if (answer.statusCode >= 400)
          throw refusal(answer.statusCode, await answer.body.text(), 'POST', '/images/create');
        const layers = new Map<string, { current: number; total: number }>();
        for await (const event of jsonLines(answer.body)) {
          if (event.error) throw new Error(event.error);
          if (event.id && event.progressDetail?.total)
            layers.set(event.id, { current: event.progressDetail.current ?? 0, total: event.progressDetail.total });
          options.onProgress(`pulling: ${event.status ?? ''}`, fractionOf([...layers.values()]));
        }
      } catch (error) {
        options.signal?.throwIfAborted();
        if (/TIMEOUT/.test((error as { code?: string }).code ?? ''))
          throw new Error(`nothing came for ${options.stallMs / 1000} s`);
        throw error instanceof EngineError ? new Error(error.reason) : error;
      }
    },

    /** Gives the image `ref` the name `as` and takes the name `ref` from it. */
    async rename(ref: string, as: string): Promise<void> {
      const { name, tag } = splitRef(as);
      await call('POST', `/images/${encodeURIComponent(ref)}/tag?${new URLSearchParams({ repo: name, tag })}`);
      await call('DELETE', `/images/${encodeURIComponent(ref)}?noprune=1`);
    },

    /** The image under this tag or id, or null. */
    async image(ref: string): Promise<ImageInfo | null> {
      try {
        const image = await call<Record<string, any>>('GET', `/images/${encodeURIComponent(ref)}/json`);
        return {
          id: image.Id,
          labels: image.Config?.Labels ?? {},
          triggers: image.Config?.OnBuild ?? [],
          size: image.Size ?? 0,
          taggedMs: Math.max(Date.parse(image.Metadata?.LastTagTime ?? '') || 0, Date.parse(image.Created) || 0),
        };
      } catch (error) {
        if (error instanceof EngineError && error.status === 404) return null;
        throw error;
      }
    },

    /** Tags of the images that have a label; of one without a tag its id. */
    async imageTags(label: string): Promise<string[]> {
      const list = await call<Record<string, any>[]>('GET', `/images/json?filters=${labelFilter([label])}`);
      return list.flatMap((image) => {
        const tags = ((image.RepoTags ?? []) as string[]).filter((tag) => tag !== '<none>:<none>');
        return tags.length > 0 ? tags : [image.Id as string];
      });
    },

    /** Tags an image with the tag that it has: the engine remembers when. */
    async touchImage(tag: string): Promise<void> {
      const [repo, name] = [tag.slice(0, tag.lastIndexOf(':')), tag.slice(tag.lastIndexOf(':') + 1)];
      await call('POST', `/images/${encodeURIComponent(tag)}/tag?repo=${encodeURIComponent(repo)}&tag=${name}`);
    },

    /** Removes an image by its tag or id; false: it is in use. One that is gone counts as removed. */
    async removeImage(ref: string): Promise<boolean> {
      try {
        await call('DELETE', `/images/${encodeURIComponent(ref)}`);
        return true;
      } catch (error) {
        if (error instanceof EngineError && error.status === 404) return true;
        if (error instanceof EngineError && error.status === 409) return false;
        throw error;
      }
    },
  };
}

/** The colon of a tag comes after the last slash; one before it belongs to a port. */
export function splitRef(ref: string): { name: string; tag: string } {
  const colon = ref.indexOf(':', ref.lastIndexOf('/'));
  return colon < 0 ? { name: ref, tag: 'latest' } : { name: ref.slice(0, colon), tag: ref.slice(colon + 1) };
}

interface PullEvent {
  id?: string;
  status?: string;
  error?: string;
  progressDetail?: { current?: number; total?: number };
}

async function* jsonLines(body: AsyncIterable<Buffer>): AsyncGenerator<PullEvent> {
  let rest = '';
  for await (const chunk of body) {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (line.trim()) yield JSON.parse(line);
  }
  if (rest.trim()) yield JSON.parse(rest);
}

function fractionOf(layers: { current: number; total: number }[]): number | undefined {
  const total = layers.reduce((sum, layer) => sum + layer.total, 0);
  return total === 0 ? undefined : layers.reduce((sum, layer) => sum + layer.current, 0) / total;
}
