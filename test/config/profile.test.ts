import t, { type Test } from 'tap';
import { BENCHMARK, COMPOSE, faults, load } from './fixture.ts';

const SERVICE = '    healthcheck:\n      test: [CMD, healthy]\n';
const TWO = `${COMPOSE}  web:\n    image: \${MAYFLY_IMAGE_SHOP}\n${SERVICE}`;
const telemetry = (...entries: string[]) => `${BENCHMARK}telemetry:\n${entries.map((one) => `  - ${one}\n`).join('')}`;
const profiles = async (t: Test, file: string, ...args: string[]) =>
  (await load(t, file, TWO, args)).telemetry.map(({ service, profile }) => [service, profile]);

t.test('a profile is taken where the file or the flag asks for it', async (t) => {
  const file = telemetry('{service: shop}', '{service: web, profile: {pprof: {port: 6060}}}');
  const pprof = { pprof: { port: 6060, path: '/debug/pprof/profile' } };
  t.same(await profiles(t, file), [
    ['shop', undefined],
    ['web', pprof],
  ]);
  t.same(await profiles(t, file, '--profile'), [
    ['shop', 'cpu'],
    ['web', pprof],
  ]);
  t.same(await profiles(t, file, '--no-profile'), [
    ['shop', undefined],
    ['web', undefined],
  ]);
  t.same(await profiles(t, BENCHMARK, '--no-profile'), []);
});

t.test('what cannot be is refused before anything is built', async (t) => {
  t.same(await faults(t, BENCHMARK, COMPOSE, ['--profile']), [
    '--profile means nothing: the benchmark has no service with telemetry',
  ]);
  t.same(await faults(t, BENCHMARK, COMPOSE, ['--profile', '--no-profile']), [
    '--profile and --no-profile contradict each other',
  ]);
});
