import type { IncomingMessage } from 'node:http';
import { type Answer, nameOf, Refusal, wholeNumber } from './answers.ts';
import { type Migrations, MOST_PASSES, MOST_RECORDS } from './migrations.ts';
import type { Session, Sessions } from './sessions.ts';
import type { Uploads } from './uploads.ts';

export interface Service {
  sessions: Sessions;
  migrations: Migrations;
  uploads: Uploads;
  replica: string;
}

interface Route {
  method: string;
  /** As in the metrics. */
  name: string;
  pattern: RegExp;
  answer: (request: IncomingMessage, name: string, service: Service) => Promise<Answer>;
}

/** A route for whoever has logged in. */
const inSession =
  (answer: (request: IncomingMessage, name: string, service: Service, session: Session) => Promise<Answer>) =>
  async (request: IncomingMessage, name: string, service: Service): Promise<Answer> =>
    answer(request, name, service, await service.sessions.of(request.headers.cookie));

export const routes: Route[] = [
  {
    method: 'POST',
    name: '/login',
    pattern: /^\/login$/,
    answer: async (request, _, { sessions, replica }) => {
      const { session, cookie } = await sessions.begin(nameOf('user', (await readJson(request)).user));
      return { status: 201, body: { user: session.user, replica }, headers: { 'set-cookie': cookie } };
    },
  },
  {
    method: 'GET',
    name: '/session',
    pattern: /^\/session$/,
    answer: inSession(async (_request, _name, { replica }, { user, begun, files }) => ({
      status: 200,
      body: { user, begun, files, replica },
    })),
  },
  {
    method: 'POST',
    name: '/projects/:project/migrations',
    pattern: /^\/projects\/([^/]+)\/migrations$/,
    answer: inSession(async (request, name, { migrations, replica }) => {
      const { records, passes } = await readJson(request);
      const done = await migrations.run(
        nameOf('project', name),
        wholeNumber('records', records, MOST_RECORDS, 20_000),
        wholeNumber('passes', passes, MOST_PASSES, 5),
      );
      return { status: 200, body: { ...done, replica } };
    }),
  },
  {
    method: 'GET',
    name: '/projects/:project',
    pattern: /^\/projects\/([^/]+)$/,
    answer: inSession(async (_request, name, { migrations, replica }) => {
      const project = await migrations.of(nameOf('project', name));
      if (!project) throw new Refusal(404, 'no-project', `${name} has had no migration`);
      return { status: 200, body: { ...project, replica } };
    }),
  },
  {
    method: 'PUT',
    name: '/files/:name',
    pattern: /^\/files\/([^/]+)$/,
    answer: inSession(async (request, name, { sessions, uploads, replica }, session) => {
      const upload = await uploads.take(nameOf('name', name), request);
      if (!session.files.includes(name)) {
        session.files.push(name);
        await sessions.keep(session);
      }
      return { status: 201, body: { ...upload, replica } };
    }),
  },
  {
    method: 'GET',
    name: '/files/:name',
    pattern: /^\/files\/([^/]+)$/,
    answer: inSession(async (_request, name, { uploads, replica }) => {
      const upload = await uploads.of(nameOf('name', name));
      if (!upload) throw new Refusal(404, 'no-file', `there is no file ${name}`);
      return { status: 200, body: { ...upload, replica } };
    }),
  },
];

const MOST_JSON = 10_000;

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) if (text.length <= MOST_JSON) text += chunk;
  if (text.length > MOST_JSON)
    throw new Refusal(413, 'too-long', `the body must not be longer than ${MOST_JSON} bytes`);
  try {
    const value: unknown = JSON.parse(text === '' ? '{}' : text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // said below
  }
  throw new Refusal(400, 'bad-json', 'the body must be a JSON object');
}
