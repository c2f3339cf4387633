/** npm run telemetry: telemetry files by hand. scripts/telemetry/ reads them; docs/telemetry.md explains them. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ARCHIVE_FLAG, commands, type Given, jsonFlag, limitOf, type Subcommand } from '../app/command.ts';
import { withContext } from '../app/open.ts';
import { archiveBucket } from '../archive/archives.ts';
import { alone } from '../archive/maintenance/exclusive.ts';
import { importTelemetry, TAKEN_LABELS, telemetryLabels } from '../archive/telemetry-import.ts';
import { parseLabels } from '../config/flags.ts';
import type { Io } from '../core/cli.ts';
import { EXIT, UsageError } from '../core/errors.ts';
import { plainText, plural } from '../core/text.ts';
import { type TelemetryDocument, telemetryText } from '../report/telemetry-text.ts';
import { telemetryFiles } from '../telemetry/format.ts';
import { openMetricsOf, seriesOf } from '../telemetry/openmetrics.ts';
import { summariseFiles } from '../telemetry/summary.ts';

const LIMIT = 200;
const FILES = {
  text: 'FILE...',
  min: 1,
  max: Number.MAX_SAFE_INTEGER,
  what: 'telemetry files or folders of them',
  hint: 'docs/telemetry.md says who writes them.',
};

const SUBCOMMANDS: readonly Subcommand[] = [
  {
    name: 'summary',
    about: 'Prints count, rate, mean and percentiles of each label. A folder is read whole.',
    takes: FILES,
    flags: [
      { name: 'limit', value: 'N', help: `at most so many labels, the most frequent; default ${LIMIT}` },
      jsonFlag('mayfly.telemetry-summary/v1'),
    ],
    work: async (io, given) => {
      const most = limitOf(given.text('limit'), LIMIT);
      const paths = await filesOf(given);
      const { labels, notes, samples } = await summariseFiles(paths, { most });
      if (samples === 0) throw nothingRead(paths, notes);
      const document: TelemetryDocument = {
        schema: 'mayfly.telemetry-summary/v1',
        files: paths.length,
        samples,
        labels,
        notes,
      };
      io.stdout(given.has('json') ? JSON.stringify(document, null, 2) : telemetryText(document, process.stdout.isTTY));
      if (!given.has('json')) tell(notes, io);
      return EXIT.pass;
    },
  },
  {
    name: 'export',
    about: 'Writes them as series: for each second a histogram of each duration, a gauge of all else.',
    takes: FILES,
    flags: [
      {
        name: 'format',
        value: 'FORMAT',
        help: 'openmetrics (the default), which promtool takes, or json: one document (schema mayfly.telemetry-series/v1)',
      },
    ],
    work: async (io, given) => {
      const format = given.text('format') ?? 'openmetrics';
      if (format !== 'openmetrics' && format !== 'json')
        throw new UsageError(`--format must be openmetrics or json, got ${JSON.stringify(format)}`);
      const paths = await filesOf(given);
      if (format === 'openmetrics') {
        const { text, samples, notes } = await openMetricsOf([{ paths, labels: {} }]);
        if (samples === 0) throw nothingRead(paths, notes);
        io.stdout(text);
        tell(notes, io);
        return EXIT.pass;
      }
      const { series, stepSeconds, notes } = await seriesOf([{ paths, labels: {} }]);
      const all = [...series];
      if (all.length === 0) throw nothingRead(paths, notes);
      io.stdout(
        JSON.stringify({ schema: 'mayfly.telemetry-series/v1', step_seconds: stepSeconds, series: all, notes }),
      );
      return EXIT.pass;
    },
  },
  {
    name: 'import',
    about: 'Makes blocks of them and ships these to the bucket of an archive. Importing them again changes nothing.',
    takes: FILES,
    flags: [
      { name: 'name', value: 'NAME', help: 'under which they are found: {stream="telemetry",telemetry="NAME"}' },
      { name: 'label', value: 'KEY=VALUE', many: true, help: 'one more label of theirs; may be given many times' },
      ARCHIVE_FLAG,
      { name: 'objstore', value: 'FILE', help: 'the bucket of this Thanos object-store configuration instead' },
      jsonFlag('mayfly.telemetry-import/v1'),
    ],
    work: async (io, given) => {
      const name = nameOf(given);
      const labels = telemetryLabels(name, ownLabels(given.values.label ?? []));
      const objstore = given.has('objstore') ? resolve(given.text('objstore')!) : undefined;
      const paths = await filesOf(given);
      const text = await openMetricsOf([{ paths, labels: {} }]);
      const { samples, notes } = text;
      if (samples === 0) throw nothingRead(paths, notes);
      const images = ['thanos' as const, 'prometheus' as const];
      const { bucket, blocks } = await withContext({ quiet: given.has('json'), images }, async (ctx) => {
        const bucket = await archiveBucket({ archive: given.text('archive'), objstore }, ctx.paths);
        return {
          bucket: bucket.name,
          blocks: await alone(ctx, () => importTelemetry(text, labels, bucket, ctx)),
        };
      });
      const query = `{${Object.entries(labels)
        .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
        .join(',')}}`;
      const said =
        blocks.length > 0
          ? `${plural(blocks.length, 'block')} with ${plural(samples, 'value')} brought to ${bucket}`
          : `${bucket} has them already`;
      io.stdout(
        given.has('json')
          ? JSON.stringify(
              { schema: 'mayfly.telemetry-import/v1', name, labels, bucket, blocks, values: samples, notes },
              null,
              2,
            )
          : `${said}\nPromQL: mayfly_duration_seconds_count${query}\nnpm run archive:up shows it`,
      );
      if (!given.has('json')) tell(notes, io);
      return EXIT.pass;
    },
  },
];

/** The files that are named, and those in the folders that are. */
async function filesOf({ positionals }: Given): Promise<string[]> {
  const found = await Promise.all(
    positionals.map(async (path) => {
      const isFolder = await stat(path).then(
        (one) => one.isDirectory(),
        () => false, // what cannot be read is told where it is opened
      );
      if (!isFolder) return [path];
      const files = await telemetryFiles(path);
      if (files.length === 0)
        throw new UsageError(`there is no telemetry file (.csv) in ${path}`, {
          hint: 'A service writes them to the folder that start() of the library is given, or MAYFLY_TELEMETRY names.',
        });
      return files;
    }),
  );
  return [...new Set(found.flat().map((path) => resolve(path)))];
}

const nothingRead = (paths: string[], notes: string[]) =>
  new UsageError([`no sample was read from ${plural(paths.length, 'file')}`, ...notes].join('; '), {
    hint: 'The first line is Timepoint, Measurement, Label, PID, and each line ends with a newline: telemetry/README.md has the format.',
  });

function nameOf(given: Given): string {
  const name = given.text('name');
  if (name === undefined)
    throw new UsageError('import needs --name=NAME', { hint: 'Under it they are found in the archive.' });
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name))
    throw new UsageError(`--name must be of letters, digits and _ . -, got ${JSON.stringify(name)}`);
  return name;
}

/** As Prometheus wants the names of labels. */
function ownLabels(given: string[]): Record<string, string> {
  const labels = parseLabels(given);
  for (const [key, value] of Object.entries(labels)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key) || key.startsWith('__'))
      throw new UsageError(
        `--label ${key}: a label of metrics has letters, digits and _ only, and does not begin with __`,
      );
    if (TAKEN_LABELS.includes(key))
      throw new UsageError(`--label ${key}: that label has a meaning already`, {
        hint: `Not to be used: ${TAKEN_LABELS.join(', ')}.`,
      });
    if (value === '') throw new UsageError(`--label ${key} has no value`);
  }
  return labels;
}

const tell = (notes: string[], io: Io) => notes.forEach((note) => void io.stderr(plainText(note)));

await commands('telemetry', 'Reads telemetry files of any producer, by hand.', SUBCOMMANDS);
