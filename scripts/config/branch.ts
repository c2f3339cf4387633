/** Names of branches. Pure. */

/** Whether git takes this for the name of a branch (git check-ref-format --branch). */
export const isBranch = (name: string): boolean =>
  name.length <= 250 &&
  !/[\p{Cc} ~^:?*[\\]|\.\.|@\{|\/\/|^[-/]|[/.]$/u.test(name) &&
  name !== '@' &&
  name.split('/').every((part) => !part.startsWith('.') && !part.endsWith('.lock'));
