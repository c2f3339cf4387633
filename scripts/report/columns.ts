/** Tables on a terminal. The only file that knows cli-table3. */
import { styleText } from 'node:util';
import Table from 'cli-table3';

type Style = Parameters<typeof styleText>[0];

/** Adds the style to a text for a terminal; without `color` the text stays as it is. */
export function styled(style: Style, text: string, color: boolean): string {
  // The caller knows whether its output is a terminal; styleText would look at stdout itself.
  return color ? styleText(style, text, { validateStream: false }) : text;
}

/** Columns without borders, under a head; the first `left` columns are aligned left, the others right. */
export function columns(head: string[], rows: string[][], options: { left?: number; color: boolean }): string {
  const { left = 1, color } = options;
  const none = {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
    left: '',
    'left-mid': '',
    mid: '',
    'mid-mid': '',
    right: '',
    'right-mid': '',
    middle: '  ',
  };
  const table = new Table({
    head: head.map((text) => styled('bold', text, color)),
    chars: none,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
    colAligns: head.map((_, i) => (i < left ? 'left' : 'right')),
  });
  table.push(...rows);
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
