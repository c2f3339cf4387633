/** A server of webhooks in a process of its own, over the store at argv[2]: prints its address. */
import { paths } from '../../../scripts/core/paths.ts';
import { createHttp, listen } from '../../../scripts/service/server/http.ts';
import { webhookRoutes } from '../../../scripts/service/server/webhook.ts';
import { openStore } from '../../../scripts/store/db.ts';
import { SECRET, serviceConfig } from './deliveries.ts';

const file = process.argv[2]!;
const http = await createHttp({ log: console.error });
webhookRoutes(http, {
  store: openStore(file),
  paths: paths('/', {}),
  config: serviceConfig(),
  site: '',
  githubSite: 'https://github.com',
  webhookSecret: SECRET,
  actionToken: undefined,
  github: undefined,
  now: Date.now,
  log: console.error,
  signal: new AbortController().signal,
  wake: () => {},
});
console.log(`${await listen(http, '127.0.0.1', 0)}/webhooks/github`);
