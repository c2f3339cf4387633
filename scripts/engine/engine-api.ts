/** The few calls of the Docker Engine API that the set-up needs, over the engine's unix socket. */
import { Agent, request } from 'undici';

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

export type EngineApi = ReturnType<typeof connect>;

/** Milliseconds that an engine may take for a simple answer. */
const ANSWER_MS = 10_000;

/** Calls reject with the error of the connection, which has a `code`, or with an Error of the engine's own message. */
export function connect(socket: string) {
  const agent = new Agent({ connect: { socketPath: socket } });

  async function call(method: 'GET' | 'POST' | 'DELETE', path: string) {
    const answer = await request(`http://engine${path}`, {
      method,
      dispatcher: agent,
      headersTimeout: ANSWER_MS,
      bodyTimeout: ANSWER_MS,
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 400) throw new Error(messageOf(text));
    return { headers: answer.headers, body: text ? JSON.parse(text) : undefined };
  }

  return {
    async facts(): Promise<EngineFacts> {
      const { headers, body } = await call('GET', '/info');
      return {
        version: body.ServerVersion,
        apiVersion: String(headers['api-version']),
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
      const { body } = await call('GET', '/images/json');
      const list = body as { Id: string; RepoTags: string[] | null; Labels: Record<string, string> | null }[];
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
        const answer = await request(`http://engine/images/create?${query}`, {
          method: 'POST',
          dispatcher: agent,
          headersTimeout: options.stallMs,
          bodyTimeout: options.stallMs,
          signal: options.signal ?? null,
        });
        if (answer.statusCode >= 400) throw new Error(messageOf(await answer.body.text()));
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
        throw error;
      }
    },

    /** Gives the image `ref` the name `as` and takes the name `ref` from it. */
    async rename(ref: string, as: string): Promise<void> {
      const { name, tag } = splitRef(as);
      await call('POST', `/images/${ref}/tag?${new URLSearchParams({ repo: name, tag })}`);
      await call('DELETE', `/images/${ref}?noprune=1`);
    },

    close: (): Promise<void> => agent.destroy(),
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

function messageOf(text: string): string {
  try {
    return JSON.parse(text).message;
  } catch {
    return text.trim();
  }
}
