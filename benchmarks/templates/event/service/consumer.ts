/** Greets whomever an event names. Your own consumer takes its place. */
import { serveEvents } from 'mayfly-functions/events';
import { log } from 'mayfly-functions/log';
import { tracing } from 'mayfly-functions/tracing';

tracing.start();

await serveEvents((event) => {
  const { name } = event.data as { name: string };
  log.info('greeted', { text: `hello, ${name}` });
});
log.info('consumer listens');
