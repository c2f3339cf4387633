/** npm run bench:new: makes a benchmark that works, from a template. */
import { command } from '../app/command.ts';
import { ROOT } from '../app/open.ts';
import { makeBenchmark, nextSteps, templates } from '../config/template.ts';
import { EXIT } from '../core/errors.ts';

const names = templates(ROOT);

await command(
  {
    name: 'bench:new',
    about:
      'Makes a benchmark that works as it is: a service, its Compose file, a load script and a benchmark.yaml with comments. Prints what to do next, as commands. Exit codes: 0 made; 2 it cannot be, and nothing was changed.',
    flags: [
      { name: 'template', value: names.join('|'), help: 'what it is made from; docs/writing-a-benchmark.md says more' },
      {
        name: 'folder',
        value: 'DIR',
        help: 'the folder of it is made in DIR, which may lie in another repository; default benchmarks/ of this checkout',
      },
    ],
    takes: { text: 'NAME', min: 1, max: 1, what: 'the name of the new benchmark', hint: 'for example search' },
  },
  async (io, given) => {
    const made = makeBenchmark(
      { name: given.positionals[0]!, template: given.text('template'), folder: given.text('folder') },
      { root: ROOT, cwd: process.cwd() },
    );
    io.stderr(`made ${made.dir}: ${made.files.join(', ')}`);
    io.stdout(nextSteps(made));
    return EXIT.pass;
  },
);
