import t from 'tap';
import { commandLine, parseSlash, type SlashCommand, slashHelp } from '../../../scripts/service/server/slash.ts';

const BENCHMARKS = ['shop', 'caddy'];
const run = (more: object = {}) => ({ kind: 'run', overrides: {}, ...more });

const UNDERSTOOD: [comment: string, command: object | undefined][] = [
  ['/bench', run()],
  ['  /bench  ', run()],
  ['\n\r\n\t\n/bench\nThanks!', run()],
  ['/bench shop', run({ benchmark: 'shop' })],
  [
    '/bench variant=scaled against-variant=single',
    run({ overrides: { variant: 'scaled', against_variant: 'single' } }),
  ],
  ['/bench rate=500 duration=2m against=v1.2', run({ against: 'v1.2', overrides: { rate: '500', duration: '2m' } })],
  ['/bench\tcaddy\tduration=1m30s', run({ benchmark: 'caddy', overrides: { duration: '1m30s' } })],
  ['/bench rate=0.5', run({ overrides: { rate: '0.5' } })],
  ['/bench against=origin/main~3', run({ against: 'origin/main~3' })],
  ['/bench against=HEAD^', run({ against: 'HEAD^' })],
  ['/bench commit=1F2E3D4', run({ commit: '1f2e3d4' })],
  [`/bench shop commit=${'a'.repeat(64)}`, run({ benchmark: 'shop', commit: 'a'.repeat(64) })],
  ['/bench cancel', { kind: 'cancel' }],
  ['/bench accept worth it: rate=500 @all', { kind: 'accept', reason: 'worth it: rate=500 @all' }],
  ['/bench unaccept', { kind: 'unaccept' }],
  ['/bench help', { kind: 'help' }],
  ['/bench help me', { kind: 'help' }],
  ['', undefined],
  ['please /bench', undefined],
  ['> /bench', undefined],
  ['Thanks\n/bench', undefined],
  ['/benchmark', undefined],
  ['/Bench', undefined],
  ['/bench=shop', undefined],
];

for (const [comment, command] of UNDERSTOOD) {
  t.test(`${JSON.stringify(comment)} is ${command ? 'understood' : 'no command'}`, async (t) =>
    t.strictSame(parseSlash(comment, BENCHMARKS), command),
  );
}

const WRONG: [comment: string, words: RegExp][] = [
  ['/bench shpo', /there is no benchmark "shpo" for this repository \(did you mean shop\?\); there is shop, caddy/],
  ['/bench cancle', /did you mean cancel\?/],
  ['/bench shop caddy', /"caddy" is one word too many/],
  ['/bench cancel shop', /cancel stands alone/],
  ['/bench accept', /accept needs a reason, such as \/bench accept the new check is worth 3 %/],
  ['/bench unaccept shop', /unaccept stands alone/],
  ['/bench acept', /did you mean accept\?/],
  [
    '/bench rats=5',
    /"rats" is not known \(did you mean rate\?\); allowed here: rate, duration, variant, against-variant, against, commit/,
  ],
  ['/bench constructor=5', /"constructor" is not known/],
  ['/bench target=https://example.org i-own-this-target', /"target" is not known/], // no comment sends a load outside
  ['/bench variant=-x', /variant must be a variant of the benchmark such as variant=scaled, got "-x"/],
  [
    '/bench against-variant=A',
    /against-variant must be a variant of the benchmark such as against-variant=single, got "A"/,
  ],
  ['/bench rate=', /rate must be .* such as rate=500, got ""/],
  ['/bench rate=0', /rate must be/],
  ['/bench rate=-1', /rate must be/],
  ['/bench rate=1e9', /rate must be/],
  ['/bench rate=1000001', /rate must be/],
  ['/bench rate=1 rate=2', /rate is there twice/],
  ['/bench duration=0s', /duration must be/],
  ['/bench duration=2', /duration must be/],
  ['/bench duration=1s1h', /duration must be/],
  ['/bench against=--output=/etc/passwd', /against must be/],
  ['/bench against=$(touch${IFS}x)', /against must be/],
  ['/bench against=a;b', /against must be/],
  ['/bench against=`id`', /against must be/],
  ['/bench against=refs/pull/7/head', /against must be/],
  ['/bench against=pull/7/head', /against must be/],
  ['/bench against=worktree', /against must be/],
  ['/bench commit=HEAD', /commit must be a hash of at least 7 digits/],
  ['/bench commit=abc123', /commit must be a hash/],
  ['/bench commit=../../x', /commit must be a hash/],
  ['/bench $(touch x)', /there is no benchmark "\$\(touch"/],
  [`/bench ${'x'.repeat(600)}`, /more than 500 characters/],
];

for (const [comment, words] of WRONG) {
  t.test(`${JSON.stringify(comment).slice(0, 60)} is wrong, and it says why`, async (t) =>
    t.match(parseSlash(comment, BENCHMARKS), { kind: 'wrong', text: words }),
  );
}

t.test('what is kept of a comment means what the comment meant', async (t) => {
  for (const comment of [...UNDERSTOOD.map(([one]) => one), ...WRONG.map(([one]) => one)]) {
    const line = commandLine(comment);
    t.strictSame(
      line === undefined ? undefined : parseSlash(line, BENCHMARKS),
      parseSlash(comment, BENCHMARKS),
      comment.slice(0, 60),
    );
  }
});

t.test('every command of the help is one', async (t) => {
  const shown = [...slashHelp(BENCHMARKS).matchAll(/^\| `([^`]+)`/gm)].map(([, command]) => command!);
  t.ok(shown.length >= 6);
  for (const command of shown)
    t.not(parseSlash(command, BENCHMARKS)?.kind, 'wrong' satisfies SlashCommand['kind'], command);
  t.equal(parseSlash(slashHelp(BENCHMARKS), BENCHMARKS), undefined, 'and the help itself is none');
});
