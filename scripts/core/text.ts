/**
 * Text of others (commit messages, log lines, build output) made safe for a terminal. Pure. Every stage may import it.
 */
import { stripVTControlCharacters } from 'node:util';

/**
 * One line: escape sequences are gone; any other character that could move the cursor or turn the text round is a `?`.
 */
export function plainText(text: string): string {
  return stripVTControlCharacters(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
}

/** The same for several lines: line breaks stay, a tab is a space. */
export function plainLines(text: string): string {
  return text
    .split(/\r?\n/)
    .map((line) => plainText(line.replaceAll('\t', ' ')))
    .join('\n');
}

/** "1 block", "2 blocks", "10,000 blocks". */
export const plural = (count: number, thing: string): string =>
  `${count.toLocaleString('en')} ${thing}${count === 1 ? '' : 's'}`;
