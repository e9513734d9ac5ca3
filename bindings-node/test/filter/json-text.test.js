'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { jsonText } = require('../../lib/json-text');
const { plainJson } = require('../rig/json');
const { Random, payload } = require('../rig/random');

const LAX = { code: 'ERR_X', name: 'it' };
const STRICT = { ...LAX, strict: true };

test('a lax text is what JSON.stringify gives, BigInt aside', () => {
  const random = new Random(7);
  let texts = 0;
  for (let round = 0; round < 5_000; round += 1) {
    const value = payload(random);
    const expected = plainJson(value);
    if (expected === undefined) assert.throws(() => jsonText(value, LAX), { code: 'ERR_X', message: /^it: / });
    else {
      // Lone surrogates are escaped here and replaced there.
      const text = jsonText(value, LAX).replace(/\\u[dD][89a-fA-F][0-9a-fA-F]{2}/g, '\ufffd');
      assert.equal(text, expected);
      texts += 1;
    }
  }
  assert.ok(texts > 4_000);
});

test('a BigInt keeps its digits, whatever its toJSON', () => {
  assert.equal(jsonText({ a: [2n ** 70n] }, LAX), '{"a":[1180591620717411303424]}');
  // eslint-disable-next-line no-extend-native
  Object.defineProperty(BigInt.prototype, 'toJSON', { value: () => 'text', configurable: true });
  try {
    assert.equal(jsonText({ a: 1n, b: Object(2n) }, LAX), '{"a":1,"b":"text"}');
  } finally {
    delete BigInt.prototype.toJSON;
  }
});

test('what has no text is an error with the path', () => {
  const cycle = { list: [1, {}] };
  cycle.list[1].back = cycle.list;
  for (const naming of [LAX, STRICT]) {
    assert.throws(() => jsonText(cycle, naming), { code: 'ERR_X', message: /^it\.list\[1\]\.back: here it holds itself/ });
    assert.throws(() => jsonText(undefined, naming), { code: 'ERR_X', message: /^it: undefined has no JSON/ });
    assert.throws(() => jsonText(() => 1, naming), { code: 'ERR_X', message: /^it: a function has no JSON/ });
  }
  const twice = {};
  assert.equal(jsonText([twice, twice, 1n], LAX), '[{},{},1]', 'twice is not a cycle');
  let deep = 1n;
  for (let level = 0; level < 2_000; level += 1) deep = [deep];
  assert.throws(() => jsonText(deep, LAX), { code: 'ERR_X', message: /levels deep/ });
});

test('a strict text leaves nothing out', () => {
  for (const value of [{ a: undefined }, [undefined], { a: () => 1 }, { a: Symbol('s') }, NaN, { a: [-Infinity] }, [, 1]]) {
    assert.throws(() => jsonText(value, STRICT), { code: 'ERR_X' });
    assert.doesNotThrow(() => jsonText(value, LAX));
  }
  for (const value of [new Set(), { a: /x/ }, [Promise.resolve()], { a: new ArrayBuffer(1) }, new WeakMap()]) {
    assert.throws(() => jsonText(value, STRICT), { code: 'ERR_X', message: /is no plain object/ });
  }
  assert.equal(jsonText({ a: [1, 'x', null, true, -0], ['__proto__']: 1 }, STRICT), '{"a":[1,"x",null,true,0],"__proto__":1}');
});

test('whatever code of the value throws comes through', () => {
  const mine = new Error('mine');
  const value = { toJSON() { throw mine; } };
  for (const naming of [LAX, STRICT]) assert.throws(() => jsonText({ a: value }, naming), (error) => error === mine);
});
