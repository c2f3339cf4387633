import t from 'tap';
import { plainLines, plainText } from '../../scripts/core/text.ts';

t.test('one line of others: no escape sequence, no control character, no change of direction', async (t) => {
  for (const [text, plain] of [
    ['the café at 5 €', 'the café at 5 €'],
    ['red \u001b[31mline\u001b[0m', 'red line'],
    ['\u001b]8;;http://x\u0007link\u001b]8;;\u0007', 'link'],
    ['\u001b[2J\u001b[Hgone', 'gone'],
    ['a\u001bb\u009b2Jc', /^[^\p{Cc}]*$/u],
    ['a\rb\nc\td\u0007\u0000', 'a?b?c?d??'],
    ['\u202etxt.exe\u2028x', '?txt.exe?x'],
  ] as const) {
    if (typeof plain === 'string') t.equal(plainText(text), plain);
    else t.match(plainText(text), plain);
  }
});

t.test('several lines keep their line breaks', async (t) => {
  t.equal(plainLines('a\tb\r\n  \u001b[1mc\u001b[0m\n\rd'), 'a b\n  c\n?d');
});
