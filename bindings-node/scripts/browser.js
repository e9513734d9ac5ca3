'use strict';

// Puts the browser client into the package. Its source is `examples/browser` of the repository, which has a package of
// its own; an npm package holds only what lies in its folder. What is copied is an ES module, and says so by its name,
// for this package is CommonJS.

const { copyFileSync, existsSync, mkdirSync } = require('node:fs');
const path = require('node:path');

const FILES = {
  'distributary.js': 'distributary.mjs',
  'distributary.min.js': 'distributary.min.mjs',
  'distributary.d.ts': 'distributary.d.mts',
};

const from = path.join(__dirname, '../../examples/browser');
const to = path.resolve(process.argv[2] ?? path.join(__dirname, '../browser'));

if (!existsSync(from)) {
  console.error(`${from} is not there: run this in a checkout of the whole repository`);
  process.exit(1);
}
mkdirSync(to, { recursive: true });
for (const [source, target] of Object.entries(FILES)) copyFileSync(path.join(from, source), path.join(to, target));
