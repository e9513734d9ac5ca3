'use strict';

// The examples of the README that say so are run as they stand; all of them have to be JavaScript.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const { readFileSync } = require('node:fs');
const path = require('node:path');
const { it } = require('node:test');
const vm = require('node:vm');

const ROOT = path.join(__dirname, '../..');
const BLOCK = /^```js( run)?\n(.*?)^```$/gms;

/** Parts of an application, as a body of statements or as the properties of an object. */
function parses(code) {
  const rest = code.replace(/^import .*$/gm, '');
  for (const text of [`(async () => {${rest}\n})`, `({${rest}\n})`]) {
    try {
      new vm.Script(text);
      return true;
    } catch {
      // Perhaps it is the other.
    }
  }
  return false;
}

for (const file of ['README.md', '../README.md']) {
  const blocks = [...readFileSync(path.join(ROOT, file), 'utf8').matchAll(BLOCK)];
  assert.ok(blocks.length > 0, `${file} has examples`);
  for (const [index, [, run, code]] of blocks.entries()) {
    it(`${file}: example ${index + 1} is JavaScript`, () => assert.ok(parses(code), code));
    if (!run) continue;
    it(`${file}: example ${index + 1} says what its comment says`, () => {
      // A package finds itself by its own name.
      const said = execFileSync(process.execPath, ['--input-type=module', '-e', code], {
        cwd: ROOT,
        encoding: 'utf8',
        timeout: 20_000,
      });
      const [, expected] = /console\.log\(.*\); \/\/ (.*)$/m.exec(code) ?? [];
      assert.equal(said.trim(), expected);
    });
  }
}
