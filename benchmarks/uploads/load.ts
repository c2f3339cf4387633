/**
 * Two kinds of users, each of whom does this once, all at the same time (docs/deployments.md). A balancer's cookie keeps
 * a user at the replica that has the session. The last request of each asks for what it has made: after a replica was
 * lost it shows whether the session has gone on elsewhere.
 */
import { bytes, defineLoad, type Iteration, json } from 'mayfly/load';

const SIZES = json<{ migration: { records: number; passes: number }; upload_bytes: number }>('sizes.json');

const login = ({ http }: Iteration, user: string) =>
  http.post('/login', { name: 'login', json: { user }, expect: { status: 201 } });

export default defineLoad(
  { cookies: true },
  {
    migrations: async (iteration) => {
      const project = `project-${iteration.user}`;
      await login(iteration, project);
      await iteration.http.post(`/projects/${project}/migrations`, { name: 'migrate', json: SIZES.migration });
      // 404: its replica was lost before the migration was done. The session is what matters here.
      await iteration.http.get(`/projects/${project}`, { name: 'project', expect: { status: [200, 404] } });
    },
    uploads: async (iteration) => {
      const file = `file-${iteration.user}`;
      await login(iteration, file);
      await iteration.http.put(`/files/${file}`, {
        name: 'upload',
        body: bytes(SIZES.upload_bytes),
        headers: { 'content-length': String(SIZES.upload_bytes) },
        expect: { status: 201 },
      });
      await iteration.http.get(`/files/${file}`, { name: 'file', expect: { status: [200, 404] } });
    },
  },
);
