'use strict';

// A panic in the native half is an error here, and not the end of the process. No call is known that makes one, so this
// reads the source for the places that Node enters it by.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { describe, it } = require('node:test');

const folder = path.join(__dirname, '../../src');
const sources = fs
  .readdirSync(folder, { recursive: true })
  .map(String)
  .filter((name) => name.endsWith('.rs'))
  .map((name) => ({ name, text: fs.readFileSync(path.join(folder, name), 'utf8') }));

/** Where the expression is found in all sources, as `file: name`, and the other thing that it takes. */
function found(expression) {
  return sources.flatMap(({ name, text }) =>
    [...text.matchAll(expression)].map(({ groups }) => ({ at: `${name}: ${groups?.name}`, code: groups?.code ?? '' })),
  );
}

describe('panics are caught', () => {
  it('in every exported function', () => {
    const functions = found(/#\[napi\b(?<code>(?:\[\]|[^\]])*)\]\n(?:\s*(?:\/\/[^\n]*|#\[[^\]]*\]))*\s*pub fn (?<name>\w+)/g);
    assert.ok(functions.length > 50, String(functions.length));
    assert.deepEqual(functions.filter(({ code }) => !code.includes('catch_unwind')), []);
  });

  it('in every task for the pool of threads', () => {
    const tasks = found(/fn (?<name>compute)\((?<code>.*?)\n {4}\}/gs);
    assert.ok(tasks.length > 0);
    assert.deepEqual(tasks.filter(({ code }) => !code.includes('catch_unwind(')), []);
  });
});
