/** npm run s3:down: stops the S3 gateway. The bucket stays. */

import { command } from '../app/command.ts';
import { withContext } from '../app/open.ts';
import { gatewayDown } from '../archive/gateway.ts';
import { EXIT } from '../core/errors.ts';

await command({ name: 's3:down', about: 'Stops the S3 gateway. The bucket and its keys stay.' }, async (io) => {
  const { containers } = await withContext({ quiet: false, images: [] }, (ctx) => gatewayDown(ctx));
  io.stdout(containers.length > 0 ? 'the S3 gateway is stopped; its bucket stays' : 'the S3 gateway was not up');
  return EXIT.pass;
});
