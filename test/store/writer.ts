/**
 * A process that writes rounds until it is ended: node writer.ts FILE RUN_ID ROUNDS. Prints each round when it is kept.
 */
import { openStore } from '../../scripts/store/db.ts';
import { makeRound, makeRun } from '../run-document.ts';

const [file, runId, rounds] = process.argv.slice(2) as [string, string, string];
const store = openStore(file);
store.addRun(makeRun({ run_id: runId, rounds: [], status: 'running', archive: undefined }));
const values = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`metric_${i}`, i / 7]));
for (let round = 1; round <= Number(rounds); round++) {
  store.saveRound(runId, makeRound('candidate', round, values), { raw: 'x'.repeat(10_000) });
  process.stdout.write(`${round}\n`);
}
store.close();
