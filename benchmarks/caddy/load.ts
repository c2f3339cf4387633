/** Files of three sizes, and answers of the service behind the proxy. One request in an iteration. */
import { defineLoad } from 'mayfly/load';

export default defineLoad(({ http, choose }) =>
  choose([
    [40, () => http.get('/1kB.txt', { name: 'file-1kB' })],
    [20, () => http.get('/10kB.txt', { name: 'file-10kB' })],
    [10, () => http.get('/100kB.txt', { name: 'file-100kB' })],
    [30, () => http.get('/proxy/answer', { name: 'proxy' })],
  ]),
);
