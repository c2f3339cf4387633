/**
 * npm run perf:telemetry: what telemetry costs the service that takes it in, and the harness that reads it. Each figure
 * is in a file of its own in telemetry/.
 */
import { command, wholeNumber } from '../../app/command.ts';
import { EXIT } from '../../core/errors.ts';
import { type Goal, goalLines } from './figures.ts';
import { measureParsing } from './telemetry/parse.ts';
import { measureDifferential } from './telemetry/profile.ts';
import { measureRecording } from './telemetry/record.ts';
import { measureShop } from './telemetry/shop.ts';

await command(
  {
    name: 'perf:telemetry',
    about: 'Measures what telemetry costs. Takes about a quarter of an hour. Do nothing else on the machine meanwhile.',
    flags: [
      { name: 'samples', value: 'N', help: 'samples of each measurement of speed; default 1000000' },
      { name: 'bytes', value: 'N', help: 'size of the file that is read, beside one of a tenth; default 1000000000' },
      { name: 'seconds', value: 'N', help: 'how long 100,000 samples are recorded a second; default 60' },
      { name: 'runs', value: 'N', help: 'pairs of profiles that are compared; default 10' },
      { name: 'rounds', value: 'N', help: 'rounds of the shop with its runtime sampled against without; default 20' },
    ],
  },
  async (io, given) => {
    const samples = wholeNumber('samples', given.text('samples'), { least: 200_000, most: 1e8, fallback: 1_000_000 });
    const seconds = wholeNumber('seconds', given.text('seconds'), { least: 1, most: 3600, fallback: 60 });
    const bytes = wholeNumber('bytes', given.text('bytes'), { least: 1e7, most: 999_999_999, fallback: 1e9 });
    const runs = wholeNumber('runs', given.text('runs'), { least: 1, most: 1000, fallback: 10 });
    const rounds = wholeNumber('rounds', given.text('rounds'), { least: 2, most: 200, fallback: 20 });
    const log = (line: string) => io.stderr(line);
    const goals: Goal[] = [];
    goals.push(...(await measureRecording({ samples, seconds, log })).goals);
    goals.push(...(await measureParsing({ bytes, log })).goals);
    goals.push(...(await measureDifferential({ runs, log })).goals);
    goals.push(...(await measureShop({ rounds, log })));
    io.stdout(goalLines(goals).join('\n'));
    return goals.every(({ met }) => met) ? EXIT.pass : EXIT.regression;
  },
);
