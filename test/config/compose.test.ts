import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadConfig } from '../../scripts/config/config.ts';
import { BENCHMARK, COMPOSE, faults, swap } from './fixture.ts';

const FILE = 'benchmarks/shop/compose.yaml';

/** Lines added to the service, and the sentence that refuses them; the first added line is line 6. */
const wrong: [lines: string, sentence: string][] = [
  [
    'privileged: true',
    ':6 services/shop/privileged is not allowed: a service under test gets no access to the host; leave it out',
  ],
  ['network_mode: host', ':6 services/shop/network_mode is not allowed: every side gets a network of its own'],
  ['networks: [a]', ':6 services/shop/networks is not allowed: every side gets a network of its own'],
  ['ports: ["8080:8080"]', ':6 services/shop/ports is not allowed: two runs side by side would share the port'],
  [
    'container_name: shop',
    ':6 services/shop/container_name is not allowed: two runs side by side would share the name',
  ],
  ['build: .', ':6 services/shop/build is not allowed: write the build into benchmark.yaml (build/<name>)'],
  ['pid: host', ':6 services/shop/pid is not allowed'],
  ['ipc: host', ':6 services/shop/ipc is not allowed'],
  ['devices: [/dev/kvm]', ':6 services/shop/devices is not allowed'],
  ['security_opt: [seccomp=unconfined]', ':6 services/shop/security_opt is not allowed'],
  ['userns_mode: host', ':6 services/shop/userns_mode is not allowed'],
  ['use_api_socket: true', ':6 services/shop/use_api_socket is not allowed'],
  [
    'extends: {file: x, service: y}',
    ':6 services/shop/extends is not allowed: the whole service must stand in this file',
  ],
  ['post_start: [{command: x, privileged: true}]', ':6 services/shop/post_start is not allowed'],
  [
    'cap_add: [CHOWN, SYS_ADMIN]',
    ':6 services/shop/cap_add/1 must be one of CHOWN, SETUID, SETGID, NET_BIND_SERVICE, DAC_OVERRIDE, FOWNER, KILL, got "SYS_ADMIN"',
  ],
  ['cap_add: [ALL]', ':6 services/shop/cap_add/0 must be one of'],
  [
    'deploy: {resources: {reservations: {memory: 4M}}}',
    ':6 services/shop/deploy/resources/reservations/memory must be at least 6M: the engine takes no less, got "4M"',
  ],
  ['mem_limit: 5mb', ':6 services/shop/mem_limit must be at least 6M: the engine takes no less, got "5mb"'],
  [
    'deploy: {resources: {reservations: {devices: [{driver: x}]}}}',
    ':6 services/shop/deploy/resources/reservations/devices is not allowed',
  ],
  ['environmet: {}', ':6 services/shop/environmet is not allowed here (did you mean environment?)'],
  ['volumes:\n      - /var/run/docker.sock:/s:ro', ':7 services/shop/volumes/0 must not be the socket of the engine'],
  [
    'volumes:\n      - data:/a\n      - /etc:/etc:ro',
    ':8 services/shop/volumes/1 must be in the benchmark\'s folder, got "/etc"',
  ],
  ['volumes: ["../../x:/x:ro"]', ':6 services/shop/volumes/0 must be in the benchmark\'s folder, got "../../x"'],
  ['volumes: ["~/x:/x:ro"]', ':6 services/shop/volumes/0 must be in the benchmark\'s folder, got "~/x"'],
  ['volumes: ["$HOME:/x:ro"]', ':6 services/shop/volumes/0 must be written out, without a variable, got "$HOME"'],
  [
    'volumes: [{type: bind, source: /etc, target: /x, read_only: true}]',
    ':6 services/shop/volumes/0 must be in the benchmark\'s folder, got "/etc"',
  ],
  ['volumes: ["./data:/data"]', ':6 services/shop/volumes/0 must be read-only (./data:...:ro)'],
  ['volumes: [{type: bind, source: ./data, target: /x}]', ':6 services/shop/volumes/0 must be read-only'],
  [
    'volumes: [{type: npipe, source: x, target: /x}]',
    ":6 services/shop/volumes/0 must be a volume, a tmpfs or a file of the benchmark's folder",
  ],
  [
    'env_file: /etc/environment',
    ':6 services/shop/env_file must be in the benchmark\'s folder, got "/etc/environment"',
  ],
  ['env_file: [{path: ../x}]', ':6 services/shop/env_file must be in the benchmark\'s folder, got "../x"'],
  [
    'environment: [SECRET]',
    ':6 services/shop/environment SECRET must have a value: nothing is taken from the environment of the host',
  ],
  ['environment:\n      SECRET:', ':7 services/shop/environment/SECRET SECRET must have a value'],
  [
    'environment: {A: "${HOME:-x}"}',
    ':6 services/shop/environment/A has the variable HOME, but only ${MAYFLY_IMAGE_SHOP} can be used here',
  ],
  ['command: echo $PATH', ':6 services/shop/command has the variable PATH'],
];
for (const [lines, sentence] of wrong) {
  t.test(lines, async (t) => {
    const found = await faults(t, BENCHMARK, `${COMPOSE}    ${lines}\n`);
    t.ok(found[0]?.startsWith(FILE + sentence), found.join('\n'));
  });
}

/** Lines at the top of the file. */
const wrongTop: [lines: string, sentence: string][] = [
  ['networks: {a: {}}', ':6 networks is not allowed: every side gets a network of its own'],
  ['include: [x.yaml]', ':6 include is not allowed: all services must stand in this file'],
  [
    'volumes: {data: {external: true}}',
    ':6 volumes/data/external is not allowed: a volume belongs to one side of one round',
  ],
  ['volumes: {data: {name: shared}}', ':6 volumes/data/name is not allowed'],
  ['volumes: {data: {driver_opts: {type: none, o: bind, device: /}}}', ':6 volumes/data/driver_opts is not allowed'],
  ['volumes: {data: {driver: nfs}}', ':6 volumes/data/driver must be local, got "nfs"'],
  ['secrets: {key: {environment: TOKEN}}', ':6 secrets/key/environment is not allowed'],
  ['configs: {c: {file: /etc/shadow}}', ':6 configs/c/file must be in the benchmark\'s folder, got "/etc/shadow"'],
  ['configs: {c: {external: true}}', ':6 configs/c/external is not allowed'],
];
for (const [lines, sentence] of wrongTop) {
  t.test(lines, async (t) => {
    const found = await faults(t, BENCHMARK, `${COMPOSE}${lines}\n`);
    t.ok(found[0]?.startsWith(FILE + sentence), found.join('\n'));
  });
}

t.test('services that cannot be waited for, or are not what was built', async (t) => {
  const health = '    healthcheck:\n      test: [CMD, healthy]\n';
  for (const other of [
    '',
    '    healthcheck: {disable: true, test: [CMD, x]}\n',
    '    healthcheck: {test: [NONE]}\n',
    '    healthcheck: {interval: 1s}\n',
  ]) {
    t.match(
      await faults(t, BENCHMARK, swap(COMPOSE, health, other)),
      [/compose\.yaml:\d services\/shop\S* needs a healthcheck with a test/],
      other,
    );
  }
  t.match(await faults(t, BENCHMARK, swap(COMPOSE, '${MAYFLY_IMAGE_SHOP}', 'shop:1')), [
    /compose\.yaml:1 services must use \$\{MAYFLY_IMAGE_SHOP\}, the image of build\/shop, in a service/,
  ]);
  t.match(await faults(t, BENCHMARK, swap(COMPOSE, 'MAYFLY_IMAGE_SHOP', 'MAYFLY_IMAGE_SHP')), [
    /services must use/,
    /compose\.yaml:3 services\/shop\/image has the variable MAYFLY_IMAGE_SHP \(did you mean MAYFLY_IMAGE_SHOP\?\)/,
  ]);
  t.match(await faults(t, BENCHMARK, 'services: {}'), [
    /compose\.yaml:1 services must be a map with at least one service/,
  ]);
  t.match(await faults(t, BENCHMARK, 'services: ['), [/compose\.yaml:1 is not valid YAML/]);
});

t.test("a link out of the benchmark's folder is outside", async (t) => {
  const root = t.testdir({
    benchmarks: {
      shop: {
        'benchmark.yaml': BENCHMARK,
        'load.js': '',
        'compose.yaml': `${COMPOSE}    volumes: ["./link/passwd:/x:ro"]\n`,
      },
    },
  });
  symlinkSync('/etc', join(root, 'benchmarks/shop/link'));
  await t.rejects(loadConfig({}, { root, cwd: root }), {
    name: 'UsageError',
    message: /volumes\/0 must be in the benchmark's folder, got "\.\/link\/passwd"/,
  });
});

/** What the shop waits for, laid over the service `migrate`, and over what the shop says of it. */
const withMigration = (migrate = '', wait = '', more = '') => `${COMPOSE}    depends_on:
      migrate:
        condition: service_completed_successfully
${wait}  migrate:
    image: \${MAYFLY_IMAGE_SHOP}
    command: [migrate]
${migrate}${more}`;

t.test('a service that ends before others start needs no health check, and runs once', async (t) => {
  t.strictSame(await faults(t, BENCHMARK, withMigration()), []);
  t.strictSame(
    await faults(t, BENCHMARK, withMigration('    deploy: {resources: {limits: {pids: 100}}}\n')),
    [],
    'its limits are its own',
  );
  const named = '  constructor:\n    image: web:1\n';
  t.match(await faults(t, BENCHMARK, withMigration('', '', named)), [/services\/constructor needs a healthcheck/]); // whatever the name is
  const once =
    'must be left out: migrate runs once and ends, since shop depends on it with condition: service_completed_successfully; got';
  for (const [migrate, sentence] of [
    ['    scale: 2\n', `:12 services/migrate/scale ${once} 2`],
    ['    deploy: {replicas: 3}\n', `:12 services/migrate/deploy/replicas ${once} 3`],
    ['    scale: 0\n', `:12 services/migrate/scale ${once} 0`],
  ] as const)
    t.strictSame(await faults(t, BENCHMARK, withMigration(migrate)), [FILE + sentence], migrate);
  t.strictSame(await faults(t, BENCHMARK, withMigration('', '        required: false\n')), [
    `${FILE}:9 services/shop/depends_on/migrate/required must be left out: a side whose migrate does not end with 0 does not start`,
  ]);
  const healthy = `  web:
    image: web:1
    healthcheck: {test: [CMD, healthy]}
    depends_on: {migrate: {condition: service_healthy}}
`;
  t.strictSame(await faults(t, BENCHMARK, withMigration('', '', healthy)), [
    `${FILE}:15 services/web/depends_on/migrate/condition must be service_completed_successfully, as shop has it: migrate ends, and what has ended is not healthy`,
  ]);
});

t.test('nobody waits for its end: it is no one-shot service', async (t) => {
  const started = swap(withMigration(), 'service_completed_successfully', 'service_started');
  t.strictSame(await faults(t, BENCHMARK, started), [
    `${FILE}:9 services/migrate needs a healthcheck with a test: the load starts when every service is healthy; one that does its work and ends before others start needs none where these depend on it with condition: service_completed_successfully`,
  ]);
});

t.test('nothing is sent to, scraped from or written by what has ended', async (t) => {
  const sentence =
    'must not name migrate: it is one-shot, since shop depends on it with condition: service_completed_successfully, and has ended when the load starts';
  for (const [benchmark, at] of [
    [swap(BENCHMARK, 'http://shop:8080', 'http://migrate:8080'), '9 load/target'],
    [swap(BENCHMARK, 'service: shop\n', 'service: migrate\n'), '13 scrape/0/service'],
    [`${BENCHMARK}telemetry:\n  - {service: migrate}\n`, '16 telemetry/0/service'],
  ] as const)
    t.strictSame(await faults(t, benchmark, withMigration()), [`benchmarks/shop/benchmark.yaml:${at} ${sentence}`], at);
});

t.test('what a service may have', async (t) => {
  const service = `x-health: &health
  test: [CMD, healthy]
services:
  shop: &shop
    image: \${MAYFLY_IMAGE_SHOP}
    healthcheck: *health
    command: [sh, -c, 'echo $$PATH']
    cap_add: [CAP_NET_BIND_SERVICE, chown]
    environment: {PORT: "8080", EMPTY: ""}
    volumes:
      - ./data:/data:ro
      - scratch:/scratch
      - type: tmpfs
        target: /tmp
    configs: [c]
    cpus: 1
    mem_limit: 256m
    deploy: {replicas: 2, resources: {limits: {pids: 100}}}
  web:
    <<: *shop
    environment: [A=b]
    depends_on: {shop: {condition: service_healthy}}
volumes:
  scratch:
configs:
  c: {content: "a: 1"}
`;
  t.strictSame(await faults(t, BENCHMARK, service), []);
});
