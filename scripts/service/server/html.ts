/**
 * HTML by templates: whatever is put in is escaped, unless it is Html itself. Texts of others (commit subjects, refs,
 * reasons) also lose what could turn the page's text round: control and bidirectional characters become `?`. Pure.
 */
import { plainLines, plainText } from '../../core/text.ts';

/** Text that is HTML already. Only this file makes it. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}

export type Value = Html | string | number | null | undefined | false | readonly Value[];

/**
 * `html`<p>${anything}</p>``: strings and numbers escaped, for text and for attributes in double quotes; lists joined;
 * null, undefined and false leave nothing.
 */
export function html(strings: TemplateStringsArray, ...values: Value[]): Html {
  let text = strings[0]!;
  for (let i = 0; i < values.length; i++) text += inserted(values[i]) + strings[i + 1]!;
  return new Html(text);
}

function inserted(value: Value): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(inserted).join('');
  return typeof value === 'number' ? String(value) : escapeHtml(plainText(String(value)));
}

const SIGNS: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (sign) => SIGNS[sign]!);

/** Several lines, for <pre>: line breaks stay. */
export const lines = (text: string): Html => new Html(escapeHtml(plainLines(text)));

const JSON_SIGNS: Record<string, string> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};

/**
 * Data for the page's scripts: a block that no browser executes, and that no text in it can end. Its strings are plain
 * as in html``.
 */
export function jsonBlock(id: string, value: unknown): Html {
  const json = JSON.stringify(value, (_, part: unknown) => (typeof part === 'string' ? plainText(part) : part));
  return html`<script type="application/json" id="${id}">${new Html(json.replace(/[<>&\u2028\u2029]/g, (sign) => JSON_SIGNS[sign]!))}</script>`;
}
