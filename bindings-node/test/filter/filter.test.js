'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Filter } = require('../../lib/filter');

const bad = (code, message) => (error) => {
  assert.ok(error instanceof Error);
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

test('a filter comes from an object, from text and from a filter', () => {
  const filter = new Filter({ document: { id: [42] } });
  for (const same of [new Filter('{"document.id": 42}'), new Filter(filter), Filter.from(filter), filter.bind({})]) {
    assert.ok(same.equals(filter));
    assert.ok(same.matches({ document: { id: 42 } }));
    assert.ok(!same.matches({ document: { id: 43 } }));
  }
  assert.equal(Filter.from(filter), filter);
  assert.equal(Filter.from(undefined), undefined);
  assert.ok(new Filter({}).isAll && !filter.isAll);
  assert.ok(filter.isIndexed && !new Filter({ a: [{ 'anything-but': 1 }] }).isIndexed);
  assert.equal(filter.explain(), 'equality of document.id');
});

test('what is no filter is an error that names the place', () => {
  for (const [where, message] of [
    [42, /an object such as/],
    [null, /not null/],
    [[], /not an array/],
    [() => 1, /not a function/],
    ['{', /filter: /],
    [{ id: undefined }, /^filter\.id: undefined/],
    [{ a: { b: [1, NaN] } }, /^filter\.a\.b\[1\]: NaN/],
    [{ a: [Infinity] }, /^filter\.a\[0\]: Infinity/],
    [{ 'a b': () => 1 }, /^filter\["a b"\]: a function/],
    [{ a: Symbol('s') }, /^filter\.a: a symbol/],
    [{ a: new Map() }, /^filter\.a: a Map/],
    [{ a: [new Uint8Array(1)] }, /^filter\.a\[0\]: a Uint8Array/],
    [{ a: new (class {})() }, /^filter\.a: an object is no plain object/],
    [{ size: [{ numeric: ['>', '9'] }] }, /at size\[0\]\.numeric\[1\]: found "9"/],
    [{ id: 2n ** 64n }, /at id: found 18446744073709551616/],
    [{ a: '\ud800' }, /filter: /],
    [{ a: 'x'.repeat(70_000) }, /at most 65536 bytes/],
  ]) {
    assert.throws(() => new Filter(where), bad('ERR_BAD_FILTER', message));
  }
  const itself = { a: {} };
  itself.a.b = itself;
  assert.throws(() => new Filter(itself), bad('ERR_BAD_FILTER', /^filter\.a\.b: here it holds itself/));
  const thrown = new Error('mine');
  assert.throws(() => new Filter({ get a() { throw thrown; } }), (error) => error === thrown);
});

test('dates, wrappers and what has toJSON stand for what JSON makes of them', () => {
  assert.ok(new Filter({ at: new Date(0) }).matches({ at: '1970-01-01T00:00:00.000Z' }));
  assert.ok(new Filter({ a: [Object('x'), Object(1), Object(5n)] }).matches('{"a":5}'));
  assert.ok(new Filter({ a: { toJSON: () => [7] } }).matches({ a: 7 }));
});

test('variables are bound, as many as are asked for', () => {
  const template = new Filter({ id: [{ $var: 'id' }], role: [{ $var: 'roles' }] });
  assert.deepEqual(template.variables, ['id', 'roles']);
  const bound = template.bind({ id: 9007199254740993n, roles: ['a', 'b'], other: new Map(), more: () => 1 });
  assert.deepEqual(bound.variables, []);
  assert.ok(bound.equals(new Filter('{"id":9007199254740993,"role":["b","a"]}')));
  assert.ok(!bound.matches('{"id":9007199254740992,"role":"a"}'));
  assert.ok(bound.matches({ id: 9007199254740993n, role: 'b' }));
  const lax = new Filter({ id: 1, room: [{ $var: 'room', optional: true }] });
  assert.ok(lax.bind({}).equals(new Filter({ id: 1 })));
  assert.ok(lax.bind({ room: undefined }).equals(new Filter({ id: 1 })));
  assert.ok(lax.bind(Object.create(null)).equals(new Filter({ id: 1 })));
  assert.ok(lax.bind(Object.create({ room: 2 })).equals(new Filter({ id: 1 })), 'only own properties are values');
});

test('a variable without a usable value is an error that names it', () => {
  const template = new Filter({ id: [{ $var: 'id' }] });
  for (const [values, message] of [
    [{}, /variable "id" at id/],
    [{ id: undefined }, /variable "id" at id/],
    [{ id: { prefix: 'x' } }, /an object/],
    [{ id: [[1]] }, /variable "id"/],
    [{ id: [] }, /variable "id"/],
    [{ id: NaN }, /^variables\.id: NaN/],
    [{ id: [1, undefined] }, /^variables\.id\[1\]: undefined/],
    [{ id: 2n ** 64n }, /^variables\.id: an integer within 64 bits/],
    [{ id: -(2n ** 63n) - 1n }, /^variables\.id: an integer within 64 bits/],
    [{ id: [1, 2 ** 64] }, /^variables\.id: an integer within 64 bits/],
    [null, /an object of names and values, not null/],
    [[1], /not an array/],
    [1, /not 1/],
  ]) {
    assert.throws(() => new Filter(template, values), bad('ERR_BAD_VARIABLE', message));
  }
  for (const use of [() => template.native, () => template.matches({}), () => template.isAll, () => Filter.from(template)]) {
    assert.throws(use, bad('ERR_BAD_VARIABLE', /no value for "id"/));
  }
  assert.throws(() => Filter.from(undefined, { id: 1 }), bad('ERR_BAD_VARIABLE', /no filter/));
  assert.ok(template.bind({ id: 2n ** 64n - 1n }).matches('{"id":18446744073709551615}'));
  assert.ok(template.bind({ id: 1e21 }).matches({ id: 1e21 }));
  assert.ok(template.bind({ id: 2 ** 63 }).matches({ id: 2 ** 63 }));
});

test('texts in use stay compiled, and thousands of others do not stay', () => {
  const template = new Filter({ kept: [{ $var: 'x' }] });
  for (let n = 0; n < 5_000; n += 1) {
    assert.ok(new Filter({ passing: n }).matches({ passing: n }));
    if (n % 100 === 0) assert.ok(new Filter({ kept: [{ $var: 'x' }] }, { x: n }).equals(template.bind({ x: n })));
  }
  assert.throws(() => new Filter('{"passing":[]}'), { code: 'ERR_BAD_FILTER' });
  assert.throws(() => new Filter('{"passing":[]}'), { code: 'ERR_BAD_FILTER' });
});

test('a payload that cannot be read is met by a filter that asks for nothing', () => {
  for (const payload of [undefined, null, 1, [], [{ a: 1 }], () => 1, { toJSON: () => 1 }, { toJSON() { throw new Error('no'); } }]) {
    assert.ok(new Filter({}).matches(payload));
    assert.ok(!new Filter({ a: [{ exists: false }] }).matches(payload));
  }
  assert.ok(!new Filter({ a: [{ exists: false }] }).matches('no json'));
  assert.ok(new Filter({}).matches('no json'));
});
