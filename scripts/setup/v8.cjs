// Loaded into every process of Node.js that a command starts (scripts/run.sh, by NODE_OPTIONS, which takes no flags of
// V8).
// Node.js 24 may never end: at its exit a thread that compiles with Maglev, or in the background with Sparkplug, waits
// for a garbage collection of the main thread, which waits for that thread (nodejs/node#64274, #54918). Neither
// compiler
// was on in Node.js 22. Without them a start takes some 20 ms more, and what computes for seconds an eighth longer.
const v8 = require('node:v8');

if (Number.parseInt(process.versions.node, 10) >= 24) {
  v8.setFlagsFromString('--no-maglev');
  v8.setFlagsFromString('--no-concurrent-sparkplug');
}
