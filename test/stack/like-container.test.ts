/** A container that is like another one, but for its image. */
import t from 'tap';
import { likeBody } from '../../scripts/stack/like-container.ts';

const LIKE = {
  Id: '0123456789abcdef',
  Name: '/p-api-1',
  Config: {
    Hostname: '0123456789ab',
    Env: ['PATH=/bin', 'NODE_VERSION=24', 'MODE=fast'],
    Cmd: ['node', 'server.js'],
    Entrypoint: null,
    Image: 'api:old',
    WorkingDir: '/app',
    User: 'node',
    ExposedPorts: { '80/tcp': {}, '8080/tcp': {} },
    Healthcheck: { Test: ['CMD', 'true'], Interval: 1e8 },
    Labels: {
      maintainer: 'x',
      'com.docker.compose.project': 'p',
      'com.docker.compose.container-number': '1',
      'dev.mayfly.commit': 'old',
    },
    StopTimeout: 2,
    MacAddress: '02:42',
  },
  HostConfig: { NetworkMode: 'net', Memory: 1024, Init: true, Binds: ['v:/data:rw'] },
  NetworkSettings: {
    Networks: { net: { Aliases: ['p-api-1', 'api', '0123456789ab'], Links: ['p-db-1:db'], MacAddress: '02:42' } },
  },
};
const DEFAULTS = {
  Env: ['PATH=/bin', 'NODE_VERSION=24'],
  Cmd: ['node', 'server.js'],
  Entrypoint: null,
  WorkingDir: '/app',
  User: 'root',
  ExposedPorts: { '80/tcp': {} },
  Labels: { maintainer: 'x' },
};
const differences = {
  name: 'p-api-4',
  image: 'api:new',
  network: 'net',
  service: 'api',
  isBalanced: true,
  labels: { 'com.docker.compose.container-number': '4', 'dev.mayfly.commit': 'new' },
};

t.test('what the file says is kept, what its image says is left to the new image', async (t) => {
  const body = likeBody(LIKE, DEFAULTS, differences);
  t.same(body, {
    Env: ['MODE=fast'],
    User: 'node',
    ExposedPorts: { '8080/tcp': {} },
    Healthcheck: { Test: ['CMD', 'true'], Interval: 1e8 },
    StopTimeout: 2,
    Image: 'api:new',
    Labels: {
      'com.docker.compose.project': 'p',
      'com.docker.compose.container-number': '4',
      'dev.mayfly.commit': 'new',
    },
    HostConfig: LIKE.HostConfig,
    NetworkingConfig: { EndpointsConfig: { net: { Aliases: ['p-api-4'], Links: ['p-db-1:db'] } } },
  });
});

t.test('without a balancer it has the name of the service too; a hostname that was set is kept', async (t) => {
  const like = { ...LIKE, Config: { ...LIKE.Config, Hostname: 'api', Cmd: ['node', 'other.js'] } };
  t.match(likeBody(like, DEFAULTS, { ...differences, isBalanced: false }), {
    Hostname: 'api',
    Cmd: ['node', 'other.js'],
    NetworkingConfig: { EndpointsConfig: { net: { Aliases: ['p-api-4', 'api'] } } },
  });
});
