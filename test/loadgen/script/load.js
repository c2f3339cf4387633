/** Tells the target who sent the request and what was drawn, so that the test can compare both sides. */
import exec from 'k6/execution';
import http from 'k6/http';
import { iteration } from '../loadgen/mayfly.js';

export { handleSummary, options, setup } from '../loadgen/mayfly.js';

export default iteration(({ url, side, pair, random, choose, params }) => {
  const kind = choose([[1, 'small'], [1, 'large']]);
  const query = `scenario=${exec.scenario.name}&side=${side}&pair=${pair}&draw=${random()}`;
  return http.get(`${url}/${kind}?${query}`, params(kind));
});
