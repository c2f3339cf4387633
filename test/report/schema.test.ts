import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { compile } from '../../scripts/config/schema.ts';
import { makeComparison, makeRound, makeRun } from '../run-document.ts';

const validate = compile(JSON.parse(readFileSync(join(import.meta.dirname, '../../docs/schemas/mayfly.run.v1.json'), 'utf8')));

/** What the schema says about a document as it is printed. */
function faults(document: unknown): string[] {
  return validate(JSON.parse(JSON.stringify(document))) ? [] : validate.errors!.map(({ instancePath, keyword }) => `${instancePath} ${keyword}`);
}

t.test('every run document fits its schema', async (t) => {
  t.strictSame(faults(makeRun()), []);
  t.strictSame(faults(makeComparison(1.02)), []);
  t.strictSame(faults(makeRun({ status: 'running', finished_at: undefined, archive: undefined, rounds: [], cpusets: { services: null, loadgen: null, metrics: null } })), []);
  t.strictSame(faults(makeRun({ status: 'invalid', status_reason: 'x', rounds: [makeRound('candidate', 1, {}, [{ code: 'throttled', message: 'x' }])] })), []);
});

t.test('and one that is not as it says does not', async (t) => {
  t.strictSame(faults({ ...makeRun(), schema: 'mayfly.run/v2' }), ['/schema enum']);
  t.strictSame(faults({ ...makeRun(), extra: 1 }), [' additionalProperties']);
  t.strictSame(faults({ ...makeRun(), run_id: undefined }), [' required']);
  t.strictSame(faults(makeRun({ rounds: [{ ...makeRound('candidate', 1, {}), started_at: 'yesterday' }] })), ['/rounds/0/started_at pattern']);
  t.strictSame(faults(makeRun({ rounds: [makeRound('candidate', 1, { latency_med: Number.NaN })] })), ['/rounds/0/samples/latency_med/value type']);
});
