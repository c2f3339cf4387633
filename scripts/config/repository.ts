/** Is a build's repository on another host (https://..., git@host:path), not a folder of this one? Pure. */
export const isUrl = (repository: string): boolean => /^[a-z+]+:\/\//i.test(repository) || /^[^/]+@[^/]+:/.test(repository);
