#!/bin/sh
# Runs scripts/commands/ENTRY.ts (of an ENTRY with a folder in it, scripts/ENTRY.ts) under the Node.js that package-lock.json pins: sh scripts/run.sh ENTRY [arguments].
# Installs the Node packages first, when package-lock.json says others than what is there. Exit code 4: it could not.
set -u
entry=$1
shift
case $entry in
*/*) ;;
*) entry=commands/$entry ;;
esac
# Who only measures does not install the tools of the tests.
case $entry in
dev/*) packages=all ;;
*) packages=runtime ;;
esac
root=$(cd "$(dirname "$0")/.." && pwd) || exit 4
modules=$root/node_modules
stamp=$modules/.mayfly-stamp

fail() {
  printf 'mayfly: %s\n' "$1" >&2
  shift
  for hint in "$@"; do printf '%s\n' "$hint" >&2; done
  exit 4
}

# True when the folder holds what the lock file says. The stamp spares the comparison as long as the lock file is older.
current() {
  [ -x "$modules/.bin/node" ] || return 1
  if [ -e "$stamp" ] && ! [ "$root/package-lock.json" -nt "$stamp" ]; then
    case $packages$(cat "$stamp") in runtime*|allall) return 0 ;; esac
  fi
  "$modules/.bin/node" "$root/scripts/setup/lockfile.mjs" "$root" "$packages" || return 1
  { echo "$packages" >"$stamp"; } 2>/dev/null || : # who may not write here compares each time
}

install() {
  command -v npm >/dev/null || fail 'npm is missing; install Node.js 20 or newer with npm, then run the command again'
  log=$root/.mayfly-npm-ci.tmp
  started=$(date +%s)
  if [ "$packages" = all ]; then omit=; else omit=--omit=dev; fi
  echo "installing Node packages (npm ci${omit:+ $omit})" >&2
  echo "$packages" >"$log.begun"
  # shellcheck disable=SC2086 # no flag at all where it is empty
  if ! (cd "$root" && npm ci $omit --loglevel=warn >"$log" 2>&1); then
    tail -n 20 "$log" >&2
    fail "npm ci failed; its last lines are above, all of it in $log" 'run the command again to try just that again'
  fi
  [ -x "$modules/.bin/node" ] || fail "npm ci ended without $modules/.bin/node: the install script of the package node did not run" 'allow install scripts (npm config get ignore-scripts), remove node_modules and run the command again'
  mv "$log.begun" "$stamp" && rm -f "$log"
  echo "done   Node packages ($(($(date +%s) - started)) s)" >&2
}

if ! current; then
  if [ "$entry" = commands/doctor ]; then fail 'the Node packages are missing or others than package-lock.json says' 'fix: npm run setup'; fi
  [ -w "$root" ] || fail "the Node packages are missing or others than package-lock.json says, and this user may not write to $root" 'run npm ci there as its owner'
  # Two commands in one checkout must not install at the same time. Where flock is missing (macOS) they may.
  exec 9>"$root/.mayfly-npm-ci.lock.tmp"
  if command -v flock >/dev/null; then flock 9; fi
  current || install 9>&-
  exec 9>&-
fi

PATH=$modules/.bin:$PATH
# For the processes that Node starts, too: node:sqlite still announces itself as experimental; v8.cjs says what it is for.
NODE_OPTIONS="--disable-warning=ExperimentalWarning --require=\"$root/scripts/setup/v8.cjs\"${NODE_OPTIONS:+ $NODE_OPTIONS}"
# What Node.js has compiled is kept: a command starts in half the time. Where nothing can be written there, it does without.
NODE_COMPILE_CACHE=${NODE_COMPILE_CACHE-$modules/.cache/node}
export PATH NODE_OPTIONS NODE_COMPILE_CACHE
exec "$modules/.bin/node" "$root/scripts/$entry.ts" "$@"
