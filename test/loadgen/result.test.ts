/** docs/schemas/mayfly.load.v1.json, held against real results of the generator; and what is none is refused. */
import t from 'tap';
import schema from '../../docs/schemas/mayfly.load.v1.json' with { type: 'json' };
import type { LoadResultDocument } from '../../loadgen/result.ts';
import { compile } from '../../scripts/config/schema.ts';
import { resultFault } from '../../scripts/measure/load/check-result.ts';
import { closed, measure, open, planFor, serve } from './generator.ts';

const validate = compile(schema);
const faults = (result: unknown): string[] =>
  validate(result) ? [] : validate.errors!.map(({ instancePath, keyword }) => `${instancePath} ${keyword}`);

let real: LoadResultDocument;

t.test('two sides, journeys, and failures of several kinds', async (t) => {
  const url = await serve(t, (request, response) => response.writeHead(request.url === '/bad' ? 503 : 200).end('ok'));
  const gone = await serve(t, (request) => request.socket.destroy());
  const script = `
    import { defineLoad } from 'mayfly/load';
    export default defineLoad(({ http, journey, pair }) => journey('buy', async () => {
      await http.get('/', { name: 'front' });
      await http.get('/bad', { name: 'order', expect: { status: 201 } });
      if (pair % 10 === 0) throw new Error('no luck \\u001b[2J');
    }));`;
  const { result } = await measure(t, script, planFor([url, gone], { keepRows: 7 }));
  real = result;
  t.strictSame(faults(result), []);
  t.match(result.kept, { rows: 7, cap: 7 });
  t.ok(
    new Set(result.sides.flatMap((side) => side.failures.map(({ kind }) => kind))).size >= 3,
    'status, reset, script',
  );
  t.equal(resultFault(result, ['candidate', 'baseline']), null);
});

t.test('a closed model, which has no schedule; and nothing at all', async (t) => {
  const url = await serve(t, (_, response) => response.end('ok'));
  const script = (text: string) => `import { defineLoad } from 'mayfly/load'; export default defineLoad(${text});`;
  const { result } = await measure(t, script(`({ http }) => http.get('/')`), planFor([url], { model: closed(2, 3) }));
  t.strictSame([faults(result), result.sides[0]!.response, result.sides[0]!.startLag], [[], null, null]);
  const idle = await measure(t, script('() => {}'), planFor([url], { model: open(20, 0.2), keepRows: 0 }));
  t.strictSame([faults(idle.result), idle.result.sides[0]!.latency], [[], null]);
});

t.test('what a hostile script prints in its place is refused, by its first fault', async (t) => {
  const [candidate] = real.sides;
  t.match(
    resultFault(
      {
        ...real,
        sides: [
          {
            ...candidate!,
            failures: [{ kind: 'x', detail: '', count: 1, example: { name: '', message: 'x'.repeat(501) } }],
          },
          real.sides[1]!,
        ],
      },
      ['candidate', 'baseline'],
    ),
    'its result does not fit docs/schemas/mayfly.load.v1.json: /sides/0/failures/0/example/message must NOT have more than 500 characters',
  );
  t.match(resultFault({ ...real, sides: 7 } as never, ['candidate']), '/sides must be array');
  t.match(resultFault(null as never, ['candidate']), '/ must be object');
  t.match(
    resultFault({ ...real, window: { startMs: '1', endMs: 2 } } as never, ['candidate', 'baseline']),
    '/window/startMs must be number',
  );
  t.equal(resultFault(real, ['candidate']), 'its result is about candidate and baseline, not candidate');
  t.equal(
    resultFault({ ...real, sides: [candidate!, candidate!] }, ['candidate', 'baseline']),
    'its result is about candidate and candidate, not candidate and baseline',
  );
});
