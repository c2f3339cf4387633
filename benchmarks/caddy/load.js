/** Files of three sizes, and answers of the service behind the proxy. One request in an iteration. */
import http from 'k6/http';
import { iteration } from '../../loadgen/mayfly.js';

export { handleSummary, options, setup } from '../../loadgen/mayfly.js';

const paths = [
  [40, ['file-1kB', '/1kB.txt']],
  [20, ['file-10kB', '/10kB.txt']],
  [10, ['file-100kB', '/100kB.txt']],
  [30, ['proxy', '/proxy/answer']],
];

export default iteration(({ url, params, choose }) => {
  const [name, path] = choose(paths);
  return http.get(url + path, params(name));
});
