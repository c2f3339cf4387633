/**
 * node lockfile.mjs ROOT all|runtime: exit code 0 when ROOT/node_modules holds what ROOT/package-lock.json says, else 1.
 * runtime: the packages of the tests and tools may be missing.
 * Plain JavaScript, since it runs before anything is known to be installed.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

process.exitCode = isCurrent(process.argv[2], process.argv[3] === 'runtime') ? 0 : 1;

/** npm writes what it installed into node_modules/.package-lock.json, in the form of the lock file. */
function isCurrent(root, runtimeOnly) {
  const wanted = packages(join(root, 'package-lock.json'));
  const installed = packages(join(root, 'node_modules', '.package-lock.json'));
  if (!wanted || !installed) return false;
  const strange = Object.keys(installed).some(
    (path) =>
      installed[path].version !== wanted[path]?.version || installed[path].integrity !== wanted[path]?.integrity,
  );
  // Optional packages of other platforms are in the lock file only.
  const missing = Object.keys(wanted).some(
    (path) =>
      path !== '' &&
      !(path in installed) &&
      !wanted[path].optional &&
      !wanted[path].devOptional &&
      !(runtimeOnly && wanted[path].dev),
  );
  return !strange && !missing;
}

function packages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}
