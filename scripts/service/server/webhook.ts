/**
 * POST /webhooks/github: the signature first, then the form, then what it means into the store; only then the answer.
 * GitHub is asked nothing before it. The only file that knows @octokit/webhooks.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Webhooks } from '@octokit/webhooks';
import { InfrastructureError } from '../../core/errors.ts';
import { type Http, HttpError, type HttpRequest } from './http.ts';
import type { ServeContext } from './serve-context.ts';
import { keep, readDelivery } from './webhook-events.ts';

const PATH = '/webhooks/github';
/**
 * GitHub sends up to 25 MB, for pushes of thousands of commits; what is not taken here is made up for by `reconcile`.
 */
const BODY_LIMIT = 5 * 1024 * 1024;
const SIGNATURE = /^sha256=[0-9a-f]{64}$/;
const DELIVERY = /^[\w-]{1,100}$/;
const EVENT = /^[a-z0-9_]{1,100}$/;

/**
 * Answers 202 {delivery, queued} where something was kept, 200 where nothing was to be done. docs/webhooks.md lists the
 * others.
 */
export function webhookRoutes(http: Http, ctx: ServeContext): void {
  const webhooks = ctx.webhookSecret === undefined ? undefined : new Webhooks({ secret: ctx.webhookSecret });
  void http.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // as it came: the signature is over its bytes
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    // Who cannot even show a signature sends no body here.
    scope.addHook('onRequest', async (request) => void signatureOf(request, webhooks));
    scope.post(PATH, { bodyLimit: BODY_LIMIT }, async (request, reply) => {
      const body = Buffer.isBuffer(request.body) ? request.body.toString('utf8') : '';
      // Bytes that are no UTF-8 come out changed, and fit no signature.
      if (body === '' || !(await webhooks!.verify(body, signatureOf(request, webhooks))))
        throw new HttpError(401, FORGED);
      const { delivery, event } = namesOf(request);
      mustBeJson(request);
      const told = readDelivery(event, parsed(body), ctx.config);
      if (told.what === 'nothing') return reply.code(told.status).send({ status: 'ignored', delivery, why: told.why });
      const queued = await patiently(() =>
        ctx.store.transaction(() =>
          ctx.store.inbox.takeDelivery(delivery, event, ctx.now()) ? keep(told, ctx) : undefined,
        ),
      );
      if (!queued) return reply.code(200).send({ status: 'known', delivery });
      reply.code(202).send({ status: 'taken', delivery, queued });
      ctx.wake();
      return reply;
    });
  });
}

/**
 * GitHub does not ask again: while another process writes for long it is tried again, and others are answered
 * meanwhile. An answer comes within a second all the same.
 */
const PATIENCE_MS = 700;

async function patiently<T>(work: () => T): Promise<T> {
  for (const deadline = performance.now() + PATIENCE_MS; ; await sleep(50)) {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof InfrastructureError) || performance.now() > deadline) throw error;
    }
  }
}

const FORGED =
  'X-Hub-Signature-256 is missing or does not fit: the secret of the webhook must be that of MAYFLY_WEBHOOK_SECRET';

function signatureOf({ headers }: HttpRequest, webhooks: Webhooks | undefined): string {
  if (!webhooks) throw new HttpError(503, 'MAYFLY_WEBHOOK_SECRET is not set: webhooks are not taken');
  const signature = headers['x-hub-signature-256'];
  if (typeof signature !== 'string' || !SIGNATURE.test(signature)) throw new HttpError(401, FORGED);
  return signature;
}

function namesOf({ headers }: HttpRequest): { delivery: string; event: string } {
  const { 'x-github-delivery': delivery, 'x-github-event': event } = headers;
  if (typeof delivery !== 'string' || !DELIVERY.test(delivery))
    throw new HttpError(400, 'X-GitHub-Delivery must be the id of a delivery');
  if (typeof event !== 'string' || !EVENT.test(event))
    throw new HttpError(400, 'X-GitHub-Event must be the name of an event');
  return { delivery, event };
}

function mustBeJson({ headers }: HttpRequest): void {
  if (/^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')) return;
  throw new HttpError(
    415,
    'the body must be application/json: choose that as the content type in the settings of the webhook',
  );
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new HttpError(400, 'the body is not JSON');
  }
}
