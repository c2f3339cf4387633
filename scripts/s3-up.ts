/** npm run s3:up: the data folder's bucket over S3. */
import { gatewayUp } from './archive/gateway.ts';
import { command } from './command.ts';
import { EXIT, UsageError } from './errors.ts';
import { withContext } from './open.ts';

await command(
  { name: 's3:up', about: 'Serves the folder bucket over S3 on 127.0.0.1, and writes the object-store configuration for --objstore.', flags: [{ name: 'port', value: 'N', help: 'port on 127.0.0.1; default 9580, or the one it had' }] },
  async (io, { text }) => {
    const port = text('port') === undefined ? undefined : Number(text('port'));
    if (port !== undefined && !(Number.isInteger(port) && port > 1023 && port < 65_536)) throw new UsageError(`--port must be a whole number from 1024 to 65535, got ${JSON.stringify(text('port'))}`);
    const { endpoint, configFile, folder } = await withContext({ quiet: false, images: ['versitygw'] }, (ctx) => gatewayUp(port, ctx));
    io.stdout([`S3       http://${endpoint}, bucket mayfly: ${folder}`, `keys     ${configFile}`, `         npm run bench -- --objstore=${configFile}`, `         npm run archive:up -- --objstore=${configFile}`].join('\n'));
    return EXIT.pass;
  },
);
