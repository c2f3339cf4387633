/** What disturbances need, and what is said where it is not there. */
import t from 'tap';
import { UsageError } from '../../scripts/core/errors.ts';
import { mustBeAbleToDisturb, netemFault } from '../../scripts/plan/disturbances.ts';
import { aConfig } from '../fixtures/plan.ts';

const ctx = { env: process.env, signal: new AbortController().signal };
const pause = { atS: 5, service: 'api', kind: 'pause', forS: 1 } as const;

t.test('why packets cannot be delayed or lost', async (t) => {
  t.equal(netemFault({ exitCode: 0, stderr: '' }), null);
  t.equal(
    netemFault({ exitCode: 2, stderr: 'Error: Specified qdisc kind is unknown.\n' }),
    'its kernel has no netem (tc: Error: Specified qdisc kind is unknown.)',
  );
  t.equal(
    netemFault({ exitCode: 1, stderr: 'unshare: unshare failed: Operation not permitted\n' }),
    'only root may change the network of a container (unshare: unshare failed: Operation not permitted)',
  );
  t.equal(
    netemFault({ exitCode: 127, stderr: 'unshare: failed to execute tc: No such file or directory' }),
    'tc or unshare is not there (unshare: failed to execute tc: No such file or directory)',
  );
  t.equal(netemFault({ exitCode: 3, stderr: '' }), 'tc ended with exit code 3');
});

t.test('a host without tc cannot delay; all other kinds do without it', async (t) => {
  const nowhere = { ...ctx, env: { PATH: '/nonexistent' } };
  const delay = { atS: 5, service: 'api', kind: 'network-delay', forS: 1, delayS: 0.05 } as const;
  const failure: UsageError = await mustBeAbleToDisturb(aConfig({ disturbances: [pause, delay] }), nowhere).then(
    () => t.fail('it was not refused'),
    (error) => error,
  );
  t.type(failure, UsageError);
  t.match(
    failure.message,
    /^\S+benchmark\.yaml: network-delay of api cannot be done on this host: tc or unshare is not there/,
  );
  t.match(failure.hint, /modprobe sch_netem.*all other kinds do without/s);
  await mustBeAbleToDisturb(aConfig({ disturbances: [pause] }), nowhere);
  await mustBeAbleToDisturb(aConfig(), nowhere);
});
