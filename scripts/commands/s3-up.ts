/** npm run s3:up: the data folder's bucket over S3. */

import { command, wholeNumber } from '../app/command.ts';
import { withContext } from '../app/open.ts';
import { gatewayUp } from '../archive/gateway.ts';
import { EXIT } from '../core/errors.ts';

await command(
  {
    name: 's3:up',
    about: 'Serves the folder bucket over S3 on 127.0.0.1, and writes the object-store configuration for --objstore.',
    flags: [{ name: 'port', value: 'N', help: 'port on 127.0.0.1; default 9580, or the one it had' }],
  },
  async (io, { text }) => {
    const port =
      text('port') === undefined
        ? undefined
        : wholeNumber('port', text('port'), { least: 1024, most: 65_535, fallback: 0 });
    const { endpoint, configFile, folder } = await withContext({ quiet: false, images: ['versitygw'] }, (ctx) =>
      gatewayUp(port, ctx),
    );
    io.stdout(
      [
        `S3       http://${endpoint}, bucket mayfly: ${folder}`,
        `keys     ${configFile}`,
        `         npm run bench -- --objstore=${configFile}`,
        `         npm run archive:up -- --objstore=${configFile}`,
      ].join('\n'),
    );
    return EXIT.pass;
  },
);
