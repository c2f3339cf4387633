/**
 * Container metrics of one run, read from the Docker Engine API and shown under cAdvisor's metric names.
 * It is the only container with the engine's socket, and it only ever sends GET.
 *
 * Environment: MAYFLY_RUN (the run whose containers are shown), LISTEN (host:port).
 * Metric names and meanings: google/cadvisor docs/storage/prometheus.md.
 */
import { createServer, request } from 'node:http';

const SOCKET = '/var/run/docker.sock';
const run = process.env.MAYFLY_RUN ?? '';
const [host, port] = (process.env.LISTEN ?? '127.0.0.1:9101').split(':');

interface Container {
  Id: string;
  Labels: Record<string, string>;
  Names: string[];
}

type Stats = Record<string, any>;

function get(path: string): Promise<any> {
  return new Promise((resolve, reject) => {
    request({ socketPath: SOCKET, path: `/v1.41${path}`, timeout: 5000 }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => {
        if (response.statusCode !== 200) reject(new Error(`${path}: ${response.statusCode} ${text.trim()}`));
        else resolve(JSON.parse(text));
      });
    })
      .on('error', reject)
      .on('timeout', function (this: { destroy(e: Error): void }) {
        this.destroy(new Error(`${path}: no answer in 5 s`));
      })
      .end();
  });
}

const sum = (values: (number | undefined)[]) => values.reduce<number>((a, b) => a + (b ?? 0), 0);
const blkio = (s: Stats, op: string) =>
  sum(
    (s.blkio_stats?.io_service_bytes_recursive ?? [])
      .filter((e: any) => e.op.toLowerCase() === op)
      .map((e: any) => e.value),
  );
/**
 * Memory that the kernel could not take back at once: usage less inactive file pages, as cAdvisor computes it (cgroup
 * v1 and v2).
 */
const workingSet = (s: Stats) =>
  Math.max(
    0,
    (s.memory_stats?.usage ?? 0) -
      (s.memory_stats?.stats?.total_inactive_file ?? s.memory_stats?.stats?.inactive_file ?? 0),
  );

const METRICS: [name: string, type: 'counter' | 'gauge', help: string, value: (s: Stats) => number | undefined][] = [
  [
    'container_cpu_usage_seconds_total',
    'counter',
    'CPU time used, seconds.',
    (s) => s.cpu_stats?.cpu_usage?.total_usage / 1e9,
  ],
  [
    'container_cpu_user_seconds_total',
    'counter',
    'CPU time used in user mode, seconds.',
    (s) => s.cpu_stats?.cpu_usage?.usage_in_usermode / 1e9,
  ],
  [
    'container_cpu_system_seconds_total',
    'counter',
    'CPU time used in the kernel, seconds.',
    (s) => s.cpu_stats?.cpu_usage?.usage_in_kernelmode / 1e9,
  ],
  [
    'container_cpu_cfs_periods_total',
    'counter',
    'CFS periods that have passed.',
    (s) => s.cpu_stats?.throttling_data?.periods,
  ],
  [
    'container_cpu_cfs_throttled_periods_total',
    'counter',
    'CFS periods in which the container was throttled.',
    (s) => s.cpu_stats?.throttling_data?.throttled_periods,
  ],
  [
    'container_cpu_cfs_throttled_seconds_total',
    'counter',
    'Time throttled, seconds.',
    (s) => s.cpu_stats?.throttling_data?.throttled_time / 1e9,
  ],
  ['container_memory_usage_bytes', 'gauge', 'Memory used, page cache included.', (s) => s.memory_stats?.usage],
  ['container_memory_working_set_bytes', 'gauge', 'Memory in use less inactive file pages.', workingSet],
  [
    'container_memory_rss',
    'gauge',
    'Anonymous memory.',
    (s) => s.memory_stats?.stats?.total_rss ?? s.memory_stats?.stats?.anon,
  ],
  ['container_spec_memory_limit_bytes', 'gauge', 'Memory limit.', (s) => s.memory_stats?.limit],
  [
    'container_network_receive_bytes_total',
    'counter',
    'Bytes received.',
    (s) => sum(Object.values<any>(s.networks ?? {}).map((n) => n.rx_bytes)),
  ],
  [
    'container_network_transmit_bytes_total',
    'counter',
    'Bytes sent.',
    (s) => sum(Object.values<any>(s.networks ?? {}).map((n) => n.tx_bytes)),
  ],
  ['container_fs_reads_bytes_total', 'counter', 'Bytes read from block devices.', (s) => blkio(s, 'read')],
  ['container_fs_writes_bytes_total', 'counter', 'Bytes written to block devices.', (s) => blkio(s, 'write')],
  ['container_processes', 'gauge', 'Processes and threads.', (s) => s.pids_stats?.current],
];

const escape = (value: string) => value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');

function labelsOf(container: Container): string {
  const l = container.Labels;
  const labels = {
    name: container.Names[0]?.slice(1) ?? '',
    service: l['com.docker.compose.service'] ?? l['dev.mayfly.service'] ?? '',
    replica: l['com.docker.compose.container-number'] ?? '1',
    side: l['dev.mayfly.side'] ?? '',
    round: l['dev.mayfly.round'] ?? '',
    commit: l['dev.mayfly.commit'] ?? '',
  };
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escape(value)}"`)
    .join(',');
}

/**
 * The last stats of each running container. A stream for each, since the engine answers a single question only with its
 * next own reading, up to a second later: longer than a scrape may take.
 */
const latest = new Map<string, Stats | null>();

function follow(id: string): void {
  latest.set(id, null);
  const end = () => latest.delete(id);
  request({ socketPath: SOCKET, path: `/v1.41/containers/${id}/stats?stream=true` }, (response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (chunk) => {
      const lines = (text + chunk).split('\n');
      text = lines.pop() ?? '';
      const line = lines.findLast((one) => one.trim());
      if (line) latest.set(id, JSON.parse(line));
    });
    response.on('close', end);
  })
    .on('error', end)
    .end();
}

async function expose(): Promise<string> {
  const filters = encodeURIComponent(JSON.stringify({ label: [`dev.mayfly.run=${run}`], status: ['running'] }));
  const containers: Container[] = await get(`/containers/json?filters=${filters}`);
  for (const { Id } of containers) if (!latest.has(Id)) follow(Id);
  const known = containers.flatMap((container) => {
    const stats = latest.get(container.Id);
    return stats ? [{ stats, labels: labelsOf(container) }] : [];
  });
  const lines: string[] = [];
  for (const [name, type, help, value] of METRICS) {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const { stats, labels } of known) {
      const number = value(stats);
      if (typeof number === 'number' && Number.isFinite(number)) lines.push(`${name}{${labels}} ${number}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

createServer((incoming, response) => {
  if (incoming.url !== '/metrics') {
    response.writeHead(incoming.url === '/healthz' ? 200 : 404).end();
    return;
  }
  expose().then(
    (text) => response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text),
    (error: Error) => response.writeHead(500, { 'content-type': 'text/plain' }).end(`${error.message}\n`),
  );
}).listen(Number(port), host);

process.once('SIGTERM', () => process.exit(0));
