/**
 * The Docker Engine's HTTP API over its unix socket: everything that Compose does not do or does too slowly.
 * Source: Docker Engine API v1.41, docs.docker.com/engine/api/v1.41.
 */
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { connectSocket, EngineError, refusal } from './connection.ts';
import { imageCalls } from './engine-images.ts';
import { unpackFile } from './tar.ts';

export type Labels = Record<string, string>;

export interface ContainerSpec {
  name: string;
  image: string;
  cmd: string[];
  entrypoint?: string[];
  env?: Record<string, string>;
  user?: string;
  labels: Labels;
  /** Host path, container path and mode of each bind mount. */
  binds?: string[];
  /** Names of the networks to join, with further names of the container in them; 'host' or 'none' alone. */
  networks: (string | { name: string; aliases: string[] })[];
  /** Container ports, for example 9090/tcp, each published on a free port of 127.0.0.1. */
  publish?: string[];
  cpuset?: string | null;
  /** CPUs that it may use at most. */
  cpus?: number;
  memoryBytes?: number;
  pidsLimit?: number;
  /** Who answers for names that the engine does not know. */
  dns?: string[];
  /** Settings of its network namespace. */
  sysctls?: Record<string, string>;
  /** It may write nothing but so many bytes in /tmp, which are memory. */
  scratchBytes?: number;
  /** Capabilities that it has; none where absent. */
  capAdd?: string[];
  /** Id of a container whose processes it sees, and is among. */
  pidOf?: string;
}

export interface ContainerSummary {
  id: string;
  name: string;
  image: string;
  labels: Labels;
  state: string;
}

export interface ContainerState {
  id: string;
  name: string;
  labels: Labels;
  imageId: string;
  /** `created`, `running`, `exited` and others, as the engine calls them. */
  status: string;
  running: boolean;
  /** Why the engine could not start it; empty where it did. */
  startError: string;
  /** Process id on the host; 0 where it does not run. */
  pid: number;
  exitCode: number;
  oomKilled: boolean;
  restartCount: number;
  health: string | null;
  /** What its health check said last; null where none has ended. */
  probe: { exitCode: number; output: string } | null;
  /** Host port of each published container port, for example {'9090/tcp': 49153}. */
  ports: Record<string, number>;
}

/** What a container holds on the disk beside its image. */
export interface Written {
  id: string;
  labels: Labels;
  /** Bytes in its writable layer. */
  bytes: number;
  /** The volumes at it, and the folders of the host that they are. */
  volumes: { name: string; folder: string }[];
}

export interface EngineEvent {
  action: string;
  id: string;
  labels: Labels;
  /** Exit code, where the event is a die. */
  exitCode: number | null;
}

export type Engine = ReturnType<typeof connectEngine>;

export function connectEngine(socket: string) {
  const connection = connectSocket(socket);
  const { send, call, tolerant, labelFilter } = connection;
  return {
    socket,
    close: connection.close,
    ...imageCalls(connection),

    async containers(...labels: string[]): Promise<ContainerSummary[]> {
      const list = await call<Record<string, any>[]>('GET', `/containers/json?all=true&filters=${labelFilter(labels)}`);
      return list.map((c) => ({
        id: c.Id,
        name: String(c.Names[0] ?? '').slice(1),
        image: c.Image,
        labels: c.Labels ?? {},
        state: c.State,
      }));
    },

    async inspect(id: string): Promise<ContainerState> {
      const c = await call<Record<string, any>>('GET', `/containers/${id}/json`);
      const ports: Record<string, number> = {};
      for (const [port, bindings] of Object.entries<any>(c.NetworkSettings?.Ports ?? {})) {
        if (bindings?.[0]) ports[port] = Number(bindings[0].HostPort);
      }
      return {
        id: c.Id,
        name: c.Name.slice(1),
        labels: c.Config.Labels ?? {},
        imageId: c.Image,
        status: c.State.Status,
        running: c.State.Running,
        startError: c.State.Error ?? '',
        pid: c.State.Pid,
        exitCode: c.State.ExitCode,
        oomKilled: c.State.OOMKilled,
        restartCount: c.RestartCount,
        health: c.State.Health?.Status ?? null,
        probe: probeOf(c.State.Health?.Log?.at(-1)),
        ports,
      };
    },

    /** Folder of the host in which the engine keeps layers, volumes and logs. */
    dataRoot: async (): Promise<string> => (await call<{ DockerRootDir: string }>('GET', '/info')).DockerRootDir,

    /** What the containers with the label have written. The engine walks their layers: not for a measured window. */
    async written(label: string): Promise<Written[]> {
      const list = await call<Record<string, any>[]>(
        'GET',
        `/containers/json?all=true&size=true&filters=${labelFilter([label])}`,
      );
      return list.map((c) => ({
        id: c.Id,
        labels: c.Labels ?? {},
        bytes: c.SizeRw ?? 0,
        volumes: (c.Mounts ?? []).flatMap((mount: Record<string, any>) =>
          mount.Type === 'volume' ? [{ name: mount.Name, folder: mount.Source }] : [],
        ),
      }));
    },

    /** Bytes in the writable layer of one container; null where it is gone. */
    async writtenIn(id: string): Promise<number | null> {
      const c = await call<Record<string, any>>('GET', `/containers/${id}/json?size=true`).catch(() => null);
      return c && (c.SizeRw ?? 0);
    },

    /** Bytes in each volume of the engine. Slow, and refused while somebody else asks. */
    async volumeSizes(): Promise<Map<string, number>> {
      const { Volumes } = await call<{ Volumes: Record<string, any>[] | null }>('GET', '/system/df');
      return new Map((Volumes ?? []).map((volume) => [volume.Name, Math.max(0, volume.UsageData?.Size ?? 0)]));
    },

    /** Caps the processes of a container that others have made. One that is gone already is no error. */
    limitPids: (id: string, pidsLimit: number) =>
      tolerant(call('POST', `/containers/${id}/update`, { body: { PidsLimit: pidsLimit } }), 404, 409),

    async create(spec: ContainerSpec): Promise<string> {
      const { Id } = await call<{ Id: string }>('POST', `/containers/create?name=${encodeURIComponent(spec.name)}`, {
        body: createBody(spec),
      });
      // API 1.41 takes one network at creation; the others are joined before the start.
      for (const network of spec.networks.slice(1)) {
        const { name, aliases } = asNetwork(network);
        await call('POST', `/networks/${encodeURIComponent(name)}/connect`, {
          body: { Container: Id, EndpointConfig: { Aliases: aliases } },
        });
      }
      return Id;
    },

    start: (id: string) => call<void>('POST', `/containers/${id}/start`),

    /** Waits until the container ends and gives its exit code. */
    async wait(id: string, signal?: AbortSignal): Promise<number> {
      const { StatusCode } = await call<{ StatusCode: number }>('POST', `/containers/${id}/wait`, { signal });
      return StatusCode;
    },

    /** SIGTERM, and SIGKILL after the grace; without one the container's own. */
    stop: (id: string, graceS?: number) =>
      tolerant(call('POST', `/containers/${id}/stop${graceS === undefined ? '' : `?t=${graceS}`}`), 304, 404),
    kill: (id: string, signal: string) => tolerant(call('POST', `/containers/${id}/kill?signal=${signal}`), 404, 409),

    pause: (id: string) => call<void>('POST', `/containers/${id}/pause`),
    unpause: (id: string) => call<void>('POST', `/containers/${id}/unpause`),

    /** Runs a program in a container to its end. Neither of its streams may be without end: both are kept whole. */
    async exec(
      id: string,
      command: string[],
      signal?: AbortSignal,
    ): Promise<{ exitCode: number; stdout: string; stderr: string }> {
      const { Id } = await call<{ Id: string }>('POST', `/containers/${id}/exec`, {
        body: { AttachStdout: true, AttachStderr: true, Cmd: command },
        signal,
      });
      const response = await send('POST', `/exec/${Id}/start`, { body: { Detach: false, Tty: false }, signal });
      const bytes = Buffer.from(await response.body.arrayBuffer());
      if (response.statusCode >= 400) throw refusal(response.statusCode, bytes.toString(), 'POST', `/exec/${Id}/start`);
      const { stdout, stderr } = demultiplex(bytes);
      const { ExitCode } = await call<{ ExitCode: number }>('GET', `/exec/${Id}/json`, { signal });
      return { exitCode: ExitCode, stdout, stderr };
    },

    /** All that the engine says of a container, in its own words. */
    describe: (id: string) => call<Record<string, any>>('GET', `/containers/${id}/json`),
    /** What an image gives a container that says nothing of its own, in the engine's words. */
    imageDefaults: async (ref: string): Promise<Record<string, any>> =>
      (await call<{ Config: Record<string, any> | null }>('GET', `/images/${ref}/json`)).Config ?? {},
    /** Creates a container by the engine's own description of one. */
    createFrom: async (name: string, body: Record<string, unknown>): Promise<string> =>
      (await call<{ Id: string }>('POST', `/containers/create?name=${encodeURIComponent(name)}`, { body })).Id,

    /** Copies a file from one container into the same folder of another one, with its owner and mode. */
    async copyAcross(from: string, to: string, path: string): Promise<void> {
      const source = await send('GET', `/containers/${from}/archive?path=${encodeURIComponent(path)}`);
      const bytes = Buffer.from(await source.body.arrayBuffer());
      if (source.statusCode >= 400)
        throw refusal(source.statusCode, bytes.toString(), 'GET', `/containers/${from}/archive`);
      const target = `/containers/${to}/archive?path=${encodeURIComponent(dirname(path))}`;
      const response = await send('PUT', target, { bytes });
      const text = await response.body.text();
      if (response.statusCode >= 400) throw refusal(response.statusCode, text, 'PUT', target);
    },

    /** Unpacks a tar stream in a folder of a container, which need not run. The folder must be there. */
    async putArchive(id: string, folder: string, archive: Readable, signal?: AbortSignal): Promise<void> {
      const target = `/containers/${id}/archive?path=${encodeURIComponent(folder)}`;
      const response = await send('PUT', target, { bytes: archive, signal, answerMs: 0 });
      const text = await response.body.text();
      if (response.statusCode >= 400) throw refusal(response.statusCode, text, 'PUT', target);
    },

    /** Kills and removes the container with its anonymous volumes; one that is gone or going is no error. */
    remove: (id: string) => tolerant(call('DELETE', `/containers/${id}?force=true&v=true`), 404, 409),

    /** The last lines of a container's output, both streams, oldest first. */
    async logs(id: string, tail: number): Promise<{ stdout: string; stderr: string; all: string }> {
      const response = await send(
        'GET',
        `/containers/${id}/logs?stdout=true&stderr=true&tail=${tail > 0 ? tail : 'all'}`,
      );
      const bytes = Buffer.from(await response.body.arrayBuffer());
      if (response.statusCode >= 400)
        throw refusal(response.statusCode, bytes.toString(), 'GET', `/containers/${id}/logs`);
      return demultiplex(bytes);
    },

    /**
     * The whole log of a container with times, in pieces as they come: logLineReader of log-lines.ts makes lines of them.
     */
    async timedLog(
      id: string,
      streams: readonly ('stdout' | 'stderr')[],
      onBytes: (bytes: Buffer) => void,
      signal: AbortSignal,
    ): Promise<void> {
      const wanted = streams.map((stream) => `${stream}=true`).join('&');
      const response = await send('GET', `/containers/${id}/logs?${wanted}&timestamps=true`, { signal });
      if (response.statusCode >= 400)
        throw refusal(response.statusCode, await response.body.text(), 'GET', `/containers/${id}/logs`);
      for await (const chunk of response.body) onBytes(chunk as Buffer);
    },

    /** Calls back with what the container writes, until it ends or the signal aborts. */
    async follow(
      id: string,
      stream: 'stdout' | 'stderr',
      onText: (text: string) => void,
      signal: AbortSignal,
    ): Promise<void> {
      const decoder = new TextDecoder();
      let rest: Buffer = Buffer.alloc(0);
      try {
        const response = await send('GET', `/containers/${id}/logs?${stream}=true&follow=true`, { signal });
        for await (const chunk of response.body) {
          const { frames, tail } = readFrames(Buffer.concat([rest, chunk as Buffer]));
          rest = tail;
          if (frames.length > 0)
            onText(decoder.decode(Buffer.concat(frames.map((frame) => frame.data)), { stream: true }));
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },

    /**
     * Copies a file out of a container, whole or not at all. One that is missing, no file, or longer than `limitBytes`
     * is an error.
     */
    async copyFile(id: string, path: string, to: string, limitBytes: number): Promise<void> {
      const response = await send('GET', `/containers/${id}/archive?path=${encodeURIComponent(path)}`);
      if (response.statusCode >= 400)
        throw refusal(response.statusCode, await response.body.text(), 'GET', `/containers/${id}/archive`);
      await unpackFile(response.body, to, limitBytes);
    },

    async createNetwork(name: string, labels: Labels, options: { isolated: boolean }): Promise<void> {
      const create = (subnet?: string) =>
        call('POST', '/networks/create', { body: networkBody(name, labels, { ...options, subnet }) });
      try {
        await create();
      } catch (error) {
        // The engine's own pools hold some thirty networks: beyond them, subnets from the range for benchmarks (RFC
        // 2544).
        if (!(error instanceof EngineError && /non-overlapping|predefined address pools/.test(error.message)))
          throw error;
        for (let attempt = 1; ; attempt++) {
          const refused = await create(benchmarkSubnet(Math.random())).then(
            () => null,
            (failure) => failure,
          );
          if (!refused) return;
          if (attempt === SUBNET_ATTEMPTS || !/overlap/i.test(refused.message)) throw refused;
        }
      }
    },

    async networks(...labels: string[]): Promise<{ id: string; name: string; labels: Labels }[]> {
      const list = await call<Record<string, any>[]>('GET', `/networks?filters=${labelFilter(labels)}`);
      return list.map((n) => ({ id: n.Id, name: n.Name, labels: n.Labels ?? {} }));
    },
    removeNetwork: (id: string) => tolerant(call('DELETE', `/networks/${encodeURIComponent(id)}`), 404),

    async volumes(...labels: string[]): Promise<{ name: string; labels: Labels }[]> {
      const list = await call<{ Volumes: Record<string, any>[] | null }>(
        'GET',
        `/volumes?filters=${labelFilter(labels)}`,
      );
      return (list.Volumes ?? []).map((v) => ({ name: v.Name, labels: v.Labels ?? {} }));
    },
    /** A volume of this host that is memory, which whoever mounts it may write to. It lives while somebody has it mounted. */
    createMemoryVolume: (name: string, labels: Labels, bytes: number, files: number) =>
      call<unknown>('POST', '/volumes/create', {
        body: {
          Name: name,
          Driver: 'local',
          DriverOpts: {
            type: 'tmpfs',
            device: 'tmpfs',
            o: `size=${bytes},nr_inodes=${files},mode=0777,nosuid,nodev,noexec`,
          },
          Labels: labels,
        },
      }),
    /** A plain volume; one that is there stays as it is. */
    createVolume: (name: string, labels: Labels) =>
      call<unknown>('POST', '/volumes/create', { body: { Name: name, Labels: labels } }),
    /** Folder of the engine's host that a volume is. */
    volumeFolder: async (name: string): Promise<string> =>
      (await call<{ Mountpoint: string }>('GET', `/volumes/${encodeURIComponent(name)}`)).Mountpoint,
    removeVolume: (name: string) => tolerant(call('DELETE', `/volumes/${encodeURIComponent(name)}?force=true`), 404),

    /** Calls back for each event of containers with this label, until the signal aborts. */
    async events(label: string, onEvent: (event: EngineEvent) => void, signal: AbortSignal): Promise<void> {
      const filters = encodeURIComponent(
        JSON.stringify({ type: ['container'], label: [label], event: ['die', 'oom', 'restart'] }),
      );
      const response = await send('GET', `/events?filters=${filters}`, { signal });
      let text = '';
      for await (const chunk of response.body) {
        const lines = (text + String(chunk)).split('\n');
        text = lines.pop() ?? '';
        for (const line of lines.filter(Boolean)) onEvent(readEvent(JSON.parse(line)));
      }
    },
  };
}

const probeOf = (last: Record<string, any> | undefined): ContainerState['probe'] =>
  last ? { exitCode: last.ExitCode, output: last.Output ?? '' } : null;

function readEvent(event: Record<string, any>): EngineEvent {
  const attributes = event.Actor?.Attributes ?? {};
  return {
    action: event.Action,
    id: event.Actor?.ID ?? '',
    labels: attributes,
    exitCode: attributes.exitCode === undefined ? null : Number(attributes.exitCode),
  };
}

/**
 * A container that prints without end fills no disk. Two files: what it said last is there even when it has just begun
 * a new one.
 */
export const LOG_LIMIT = { 'max-size': '32m', 'max-file': '2' };

/**
 * No core dump. Not 0, with which the kernel still starts a handler of core dumps on the host: 1 is its word for none
 * at all (fs/coredump.c).
 */
const NO_CORE = { Name: 'core', Soft: 1, Hard: 1 };

/**
 * Of a container in several networks: it answers in each for its address there, and for no other. Without it whoever is
 * in one of them reaches the address in another, at a socket that is bound to the interface (SO_BINDTODEVICE, open to
 * everybody): the kernel takes any address for one of that link then, and the other side's says that it has it. Where
 * iptables sees bridged packets they are dropped on the way (measured: with net.bridge.bridge-nf-call-iptables=0 they
 * arrive).
 */
export const ONE_ADDRESS_A_NETWORK = { 'net.ipv4.conf.all.arp_ignore': '1' };

const asNetwork = (network: string | { name: string; aliases: string[] }) =>
  typeof network === 'string' ? { name: network, aliases: [] } : network;

/** The body of POST /containers/create. */
export function createBody(spec: ContainerSpec): Record<string, unknown> {
  const first = asNetwork(spec.networks[0] ?? 'none');
  return {
    Image: spec.image,
    Cmd: spec.cmd,
    ...(spec.entrypoint ? { Entrypoint: spec.entrypoint } : {}),
    Env: Object.entries(spec.env ?? {}).map(([name, value]) => `${name}=${value}`),
    User: spec.user ?? '',
    Labels: spec.labels,
    ...(spec.publish ? { ExposedPorts: Object.fromEntries(spec.publish.map((port) => [port, {}])) } : {}),
    ...(first.aliases.length > 0
      ? { NetworkingConfig: { EndpointsConfig: { [first.name]: { Aliases: first.aliases } } } }
      : {}),
    HostConfig: {
      ...(spec.publish
        ? { PortBindings: Object.fromEntries(spec.publish.map((port) => [port, [{ HostIp: '127.0.0.1' }]])) }
        : {}),
      Binds: spec.binds ?? [],
      NetworkMode: first.name,
      Init: spec.pidOf === undefined, // that of the other container is the first process of both
      CapDrop: ['ALL'],
      ...(spec.capAdd ? { CapAdd: spec.capAdd } : {}),
      ...(spec.pidOf === undefined ? {} : { PidMode: `container:${spec.pidOf}` }),
      SecurityOpt: ['no-new-privileges'],
      PidsLimit: spec.pidsLimit ?? 1024,
      LogConfig: { Type: 'json-file', Config: LOG_LIMIT },
      Ulimits: [NO_CORE],
      ...(spec.dns ? { Dns: spec.dns } : {}),
      ...(spec.sysctls ? { Sysctls: spec.sysctls } : {}),
      ...(spec.scratchBytes ? { ReadonlyRootfs: true, Tmpfs: { '/tmp': `size=${spec.scratchBytes}` } } : {}),
      ...(spec.cpuset ? { CpusetCpus: spec.cpuset } : {}),
      ...(spec.cpus ? { NanoCpus: Math.round(spec.cpus * 1e9) } : {}),
      ...(spec.memoryBytes ? { Memory: spec.memoryBytes, MemorySwap: spec.memoryBytes } : {}),
    },
  };
}

/**
 * The body of POST /networks/create. An isolated network is internal and its bridge has no address on the host,
 * so that a container in it reaches the others in it and nothing else: an internal network alone still reaches
 * every port that the host has open on the bridge's address.
 */
export function networkBody(
  name: string,
  labels: Labels,
  { isolated, subnet }: { isolated: boolean; subnet?: string | undefined },
): Record<string, unknown> {
  return {
    Name: name,
    CheckDuplicate: true,
    Driver: 'bridge',
    Internal: isolated,
    Labels: labels,
    ...(subnet ? { IPAM: { Config: [{ Subnet: subnet }] } } : {}),
    Options: isolated ? { 'com.docker.network.bridge.inhibit_ipv4': 'true' } : {},
  };
}

const SUBNET_ATTEMPTS = 50;

/** One of the 2,048 subnets of 64 addresses in 198.18.0.0/15, by a number from 0 up to 1. */
export function benchmarkSubnet(at: number): string {
  const index = Math.floor(at * 2048);
  return `198.${18 + Math.floor(index / 1024)}.${Math.floor((index % 1024) / 4)}.${(index % 4) * 64}/26`;
}

interface Frame {
  stream: number;
  data: Buffer;
}

/** Splits the engine's multiplexed log stream: 1 byte stream, 3 bytes zero, 4 bytes length big endian, data. */
export function readFrames(bytes: Buffer): { frames: Frame[]; tail: Buffer } {
  const frames: Frame[] = [];
  let at = 0;
  while (at + 8 <= bytes.length) {
    const length = bytes.readUInt32BE(at + 4);
    if (at + 8 + length > bytes.length) break;
    frames.push({ stream: bytes[at]!, data: bytes.subarray(at + 8, at + 8 + length) });
    at += 8 + length;
  }
  return { frames, tail: bytes.subarray(at) };
}

function demultiplex(bytes: Buffer): { stdout: string; stderr: string; all: string } {
  const { frames } = readFrames(bytes);
  const join = (wanted: Frame[]) => Buffer.concat(wanted.map((frame) => frame.data)).toString();
  return {
    stdout: join(frames.filter((f) => f.stream === 1)),
    stderr: join(frames.filter((f) => f.stream === 2)),
    all: join(frames),
  };
}
