/**
 * npm run serve: takes GitHub's webhooks, reports on pull requests, and shows the web site. It measures nothing: `npm
 * run work` does.
 */
import { command, wholeNumber } from '../app/command.ts';
import { ROOT } from '../app/open.ts';
import { loadService } from '../config/service.ts';
import { EXIT, firstLine, UsageError } from '../core/errors.ts';
import { interruptible } from '../core/interrupt.ts';
import { paths } from '../core/paths.ts';
import { plainLines } from '../core/text.ts';
import { LISTEN_HOSTS, startServer } from '../service/server/server.ts';
import { connectGitHub } from '../service/tell/github.ts';
import { openStore } from '../store/db.ts';

/** Whoever waits for the store stands still, and every other request with it: who may tries again. */
const BUSY_MS = 250;

await command(
  {
    name: 'serve',
    about:
      "Takes webhooks of GitHub at /webhooks/github, queues what they ask for, reports on pull requests, and shows the web site, until Ctrl-C or SIGTERM. Secrets come from the environment: MAYFLY_WEBHOOK_SECRET, GITHUB_TOKEN (or GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY), MAYFLY_ACTION_TOKEN; GitHub's address from GITHUB_API_URL.",
    flags: [
      { name: 'port', value: 'N', help: 'port; default 8420, 0: any that is free' },
      {
        name: 'host',
        value: 'ADDRESS',
        help: `address to listen on: ${LISTEN_HOSTS.join(', ')}; default 127.0.0.1. Others reach it through a proxy that speaks TLS`,
      },
      { name: 'config', value: 'FILE', help: 'default mayfly.yaml at the top of this checkout' },
    ],
  },
  async (io, { text }) => {
    const port = wholeNumber('port', text('port'), { least: 0, most: 65_535, fallback: 8420 });
    const host = text('host') ?? '127.0.0.1';
    if (!LISTEN_HOSTS.includes(host))
      throw new UsageError(`--host must be one of ${LISTEN_HOSTS.join(', ')}, got ${JSON.stringify(host)}`, {
        hint: 'Put a proxy that speaks TLS before the server.',
      });
    const config = loadService(text('config'), { root: ROOT, cwd: process.cwd() });
    const where = paths(ROOT, process.env);
    const log = (line: string) => io.stderr(`${new Date().toISOString()} ${plainLines(line)}`);
    const { signal, release } = interruptible();
    const store = openStore(where.db, { busyMs: BUSY_MS });
    try {
      const server = await startServer({
        store,
        paths: where,
        config,
        env: process.env,
        github: connectGitHub(process.env, Date.now),
        host,
        port,
        signal,
        log,
      });
      io.stdout(`listening on ${server.url}`);
      for (const line of server.remarks) log(line);
      await server.ended;
      log(`ends: ${firstLine(signal.reason)}`);
      return EXIT.pass;
    } finally {
      release();
      store.close();
    }
  },
);
