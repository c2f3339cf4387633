/** What the library for functions writes is what npm run logs reads: both formats, whatever is in a message. */
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { parseLine } from '../../scripts/logs/parse.ts';

const LOG = import.meta.resolve('../../functions/src/log.ts');
const SCRIPT = `
import { log } from '${LOG}';
log.warn('order "7"\\nplaced = \\u001b[0m', { order: 7, empty: '', text: 'a b="c"', nothing: null, deep: { a: [1] } });
log.error('', { error: new Error('no \\\\ way') });
`;

for (const format of ['logfmt', 'json'])
  t.test(format, (t) => {
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', SCRIPT], {
      env: { ...process.env, LOG_FORMAT: format, OTEL_SERVICE_NAME: 'consumer' },
      encoding: 'utf8',
    });
    const now = new Date().toISOString().replace('Z', '000000Z');
    const lines = `${stdout}${stderr}`
      .split('\n')
      .filter((line) => line.includes('consumer'))
      .map((line) => parseLine(line, now));
    t.equal(lines.length, 2, `${status} ${stdout}${stderr}`);
    const [first, second] = lines;
    t.match(first, { level: 'warn', msg: 'order "7"\nplaced = \u001b[0m', time: /^.{19}\.\d{9}Z$/ });
    t.not(first!.time, now, 'its own time');
    const fields = Object.fromEntries(first!.fields);
    t.equal(String(fields.order), '7');
    t.equal(fields.text, 'a b="c"');
    t.equal(fields.service, 'consumer');
    t.match(second, { level: 'error', msg: '' });
    t.match(JSON.stringify(second!.fields), /no \\\\+ way/);
    t.end();
  });
