'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Filter } = require('../../lib/filter');
const { Matcher } = require('../../lib/matching/matcher');

/** A matcher whose members are the names of filters. */
function matcherOf(filters) {
  const matcher = new Matcher();
  for (const [name, where] of Object.entries(filters)) matcher.add(new Filter(where), name);
  return matcher;
}

test('members come in the order in which they joined', () => {
  const matcher = new Matcher();
  const tickets = [];
  for (let n = 0; n < 30; n += 1) tickets.push(matcher.add(new Filter(n % 3 ? { a: [n % 5, 1] } : {}), n));
  assert.ok(tickets.every((ticket, at) => at === 0 || ticket > tickets[at - 1]));
  // Numbers that became free are given again, to members who come last.
  for (const n of [0, 7, 15, 16, 29]) assert.ok(matcher.remove(tickets[n]));
  for (let n = 30; n < 40; n += 1) matcher.add(new Filter({ a: 1 }), n);
  const found = matcher.match({ a: 1 });
  assert.deepEqual(found, [...found].sort((a, b) => a - b));
  assert.deepEqual(found.slice(-10), [30, 31, 32, 33, 34, 35, 36, 37, 38, 39]);
  assert.equal(matcher.size, 35);
});

test('many who share a filter, and many more than one answer has room for', () => {
  const matcher = new Matcher();
  const shared = new Filter({ a: 1 });
  const tickets = Array.from({ length: 5_000 }, (_, n) => matcher.add(n % 2 ? shared : new Filter({ a: [1, n] }), n));
  const all = Array.from({ length: 5_000 }, (_, n) => n);
  assert.deepEqual(matcher.match({ a: 1 }), all);
  assert.deepEqual(matcher.matchBytes('{"a":1}'), all);
  for (let n = 0; n < 5_000; n += 3) assert.ok(matcher.remove(tickets[n]));
  assert.deepEqual(matcher.match({ a: 1 }), all.filter((n) => n % 3));
  for (const ticket of tickets) matcher.remove(ticket);
  assert.equal(matcher.size, 0);
  assert.deepEqual(matcher.match({ a: 1 }), []);
});

test('what is removed twice, or was never there, is not there', () => {
  const matcher = new Matcher();
  const first = matcher.add(new Filter({ a: 1 }), 'first');
  assert.equal(matcher.remove(first), true);
  const second = matcher.add(new Filter({ a: 1 }), 'second');
  for (const ticket of [first, 0, -1, second + 1, NaN, 0.5]) assert.equal(matcher.remove(ticket), false);
  assert.deepEqual(matcher.match({ a: 1 }), ['second']);
});

test('nobody gives an empty array that nobody can change', () => {
  const matcher = matcherOf({ one: { a: 1 } });
  const none = matcher.match({ a: 2 });
  assert.deepEqual(none, []);
  assert.ok(Object.isFrozen(none));
  assert.deepEqual(new Matcher().match({}), []);
  assert.notEqual(matcher.match({ a: 1 }), matcher.match({ a: 1 }));
});

test('what is no object is met by filters that ask for nothing', () => {
  const matcher = matcherOf({ all: {}, missing: { a: [{ exists: false }] } });
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  for (const payload of [undefined, null, 1, 'a', 1n, true, Symbol('s'), () => 1, [], [{}], { toJSON: () => [] }, new Date(0), revoked.proxy]) {
    assert.deepEqual(matcher.match(payload), ['all']);
  }
  for (const json of ['', 'no json', '[]', '1', '{"a":', Buffer.alloc(0), Buffer.from([0xff])]) {
    assert.deepEqual(matcher.matchBytes(json), ['all']);
  }
  assert.deepEqual(matcher.match({}), ['all', 'missing']);
  assert.deepEqual(matcher.matchBytes(new Uint8Array(Buffer.from(' {} '))), ['all', 'missing']);
});

test('fields that nobody names are not read', () => {
  const matcher = matcherOf({ id: { id: 1 }, tags: { tags: [7] }, below: { users: { name: 'ann' } } });
  const payload = {
    id: 1,
    tags: [{}, 7],
    users: [{ name: 'ann', get age() { return assert.fail('not asked for'); } }],
    get secret() { return assert.fail('not asked for'); },
    toString() { return assert.fail('not asked for'); },
  };
  payload.itself = payload;
  payload.users.push(payload);
  assert.deepEqual(matcher.match(payload), ['id', 'tags', 'below']);
});

test('a field whose value throws is missing, and the others are read', () => {
  const matcher = matcherOf({ id: { id: 1 }, bad: { bad: [{ exists: true }] }, missing: { id: 1, bad: [{ exists: false }] } });
  const fail = () => { throw new Error('not an error of the publisher'); };
  for (const bad of [
    Object.defineProperty({ id: 1 }, 'bad', { get: fail, enumerable: true }),
    { id: 1, bad: { toJSON: fail } },
    { id: 1, get bad() { return { get toJSON() { return fail(); } }; } },
    { id: 1, bad: new Proxy({}, { get: fail, ownKeys: fail, getOwnPropertyDescriptor: fail }) },
    new Proxy({ id: 1, bad: 1 }, { get: (target, key) => (key === 'bad' ? fail() : target[key]) }),
  ]) {
    assert.deepEqual(matcher.match(bad), ['id', 'missing']);
    for (const [where, verdict] of [[{ id: 1 }, true], [{ bad: [{ exists: true }] }, false], [{ bad: [{ exists: false }] }, true]]) {
      assert.equal(new Filter(where).matches(bad), verdict);
    }
  }
  assert.deepEqual(matcher.match(new Proxy({ id: 1 }, { ownKeys: fail })), []);
});

test('cycles are followed as far as a field goes', () => {
  const matcher = matcherOf({ deep: { self: { self: { id: 1 } } }, list: { list: { id: 2 } } });
  const payload = { id: 1, list: [{ id: 3 }] };
  payload.self = payload;
  payload.list.push(payload.list, { id: 2 });
  assert.deepEqual(matcher.match(payload), ['deep', 'list']);
});

test('numbers are those that JSON writes', () => {
  const exact = (value) => matcherOf({ yes: { n: value } });
  for (const value of [0, 1.5, -7, 2 ** 53, 2 ** 53 + 2, -(2 ** 60), 2 ** 63, 1e21, 1.7976931348623157e308, 9007199254740993n, 2n ** 64n - 1n]) {
    const matcher = exact(value);
    assert.deepEqual(matcher.match({ n: value }), ['yes'], String(value));
    assert.deepEqual(matcher.match({ n: [value] }), ['yes'], String(value));
    assert.deepEqual(matcher.match({ n: Object(value) }), ['yes'], String(value));
    const text = typeof value === 'bigint' ? `${value}` : JSON.stringify(value);
    assert.deepEqual(matcher.matchBytes(`{"n":${text}}`), ['yes'], String(value));
  }
  assert.deepEqual(exact(9007199254740993n).match({ n: 9007199254740992 }), []);
  assert.deepEqual(exact(0).match({ n: -0 }), ['yes']);
  // JSON writes 2 ** 63 with fewer digits than it has.
  assert.deepEqual(exact(2n ** 63n).match({ n: 2 ** 63 }), []);
  for (const none of [NaN, Infinity, -Infinity, null]) assert.deepEqual(matcherOf({ yes: { n: null } }).match({ n: none }), ['yes']);
  const above = matcherOf({ yes: { n: [{ numeric: ['>', 2n ** 64n - 1n] }] } });
  assert.deepEqual(above.match({ n: 2n ** 64n }), ['yes']);
  assert.deepEqual(above.match({ n: 1e300 }), ['yes']);
});

test('more values, longer strings and more strings than one call takes', () => {
  const names = Array.from({ length: 40 }, (_, n) => `f${n}`);
  const matcher = matcherOf(Object.fromEntries(names.map((name, n) => [name, { [name]: `value ${n}` }])));
  const payload = Object.fromEntries(names.map((name, n) => [name, `value ${n}`]));
  assert.deepEqual(matcher.match(payload), names);
  for (const length of [250, 251, 252, 253, 254, 255, 256, 257, 1_000, 70_000]) {
    for (const unit of ['x', 'é', '漢', '\u{1f600}', 'x\u{1f600}é']) {
      const long = unit.repeat(length);
      assert.deepEqual(matcherOf({ yes: { a: long.slice(0, 60_000 / 6), b: 'end' } }).match({ a: long, b: 'end' }), long.length > 10_000 ? [] : ['yes']);
      assert.deepEqual(matcherOf({ yes: { a: [{ prefix: unit }], b: [{ suffix: 'end' }] } }).match({ a: long, b: `${long}end` }), ['yes']);
    }
  }
  const many = Array.from({ length: 1_000 }, (_, n) => n);
  assert.deepEqual(matcherOf({ yes: { list: 999 }, no: { list: 1_000 } }).match({ list: many }), ['yes']);
  assert.deepEqual(matcher.match(payload), names, 'nothing is left of the questions before');
});

test('a lone surrogate is what UTF-8 makes of it', () => {
  const matcher = matcherOf({ replaced: { a: '\ufffd' }, other: { a: [{ exists: true }], b: 1 } });
  assert.deepEqual(matcher.match({ a: '\ud800', b: 1 }), ['replaced', 'other']);
  assert.deepEqual(matcher.match({ a: ['\udc00', {}], b: 1 }), ['replaced', 'other']);
});

test('a member may publish, join and leave while an answer is gone through', () => {
  const matcher = new Matcher();
  const heard = [];
  const tickets = new Map();
  const join = (name, where, act) => tickets.set(name, matcher.add(new Filter(where), () => { heard.push(name); act?.(); }));
  const publish = (payload) => matcher.match(payload).forEach((member) => member());
  join('inner', { b: 1 });
  join('first', { a: 1 }, () => publish({ b: 1 }));
  join('second', { a: 1 }, () => {
    matcher.remove(tickets.get('second'));
    join('late', { a: 1 });
  });
  join('third', { a: 1 });
  publish({ a: 1 });
  assert.deepEqual(heard.splice(0), ['first', 'inner', 'second', 'third']);
  publish({ a: 1 });
  assert.deepEqual(heard, ['first', 'inner', 'third', 'late']);
});

test('code of the payload may publish, add and remove while it is read', () => {
  const matcher = matcherOf({ a: { a: 1 }, both: { a: 1, b: 'x' } });
  const other = matcherOf({ other: { c: 'y', b: 'x' } });
  const inner = [];
  const nesting = {
    b: 'x',
    get a() {
      inner.push(other.match({ c: 'y', b: 'x' }), matcher.match({ b: 'x', a: 1 }), other.matchBytes('{"b":"x","c":"y"}'));
      return 1;
    },
  };
  assert.deepEqual(matcher.match(nesting), ['a', 'both']);
  assert.deepEqual(inner, [['other'], ['a', 'both'], ['other']]);
  let ticket;
  const joining = {
    get a() {
      ticket ??= matcher.add(new Filter({ z: 1, a: 1 }), 'new');
      return 1;
    },
    b: 'x',
    z: 1,
  };
  assert.deepEqual(matcher.match(joining), ['a', 'both', 'new']);
  const restless = {
    get a() {
      const filter = new Filter({ [`field${Math.random()}`]: [{ exists: true }] });
      matcher.add(filter, 'restless');
      return 1;
    },
  };
  assert.deepEqual(matcher.match(restless), ['a']);
});

test('fields that come and go with their filters', () => {
  const matcher = new Matcher();
  matcher.add(new Filter({ keep: 1 }), 'keep');
  for (let n = 0; n < 200; n += 1) {
    const ticket = matcher.add(new Filter({ [`f${n}`]: { deep: n } }), n);
    const payload = { keep: 1, [`f${n}`]: { deep: n }, [`f${n - 1}`]: { deep: n - 1 } };
    assert.deepEqual(matcher.match(payload), ['keep', n]);
    matcher.remove(ticket);
    assert.deepEqual(matcher.match(payload), ['keep']);
  }
});

test('objects of many keys', () => {
  const filters = { plain: { 'k500': 500 }, deep: { a: { b: { c: 1 } } }, missing: { k9999: [{ exists: false }], k1: 1 }, hidden: { hidden: 1 } };
  const matcher = matcherOf(filters);
  const fields = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`k${n}`, n]));
  const wide = (more) => Object.defineProperty({ ...fields, ...more }, 'hidden', { value: 1, configurable: true });
  for (let round = 0; round < 250; round += 1) {
    const told = `round ${round}`;
    assert.deepEqual(matcher.match(wide({ a: { b: { c: 1 } } })), ['plain', 'deep', 'missing'], told);
    assert.deepEqual(matcher.match(wide({ 'a.b': { c: 1 } })), ['plain', 'deep', 'missing'], told);
    assert.deepEqual(matcher.match(wide({ a: { 'b.c': [{}, 3, 2] } })), ['plain', 'missing'], told);
    assert.deepEqual(matcher.match(wide({ a: { 'b.c': [2, 1] } })), ['plain', 'deep', 'missing'], told);
    assert.deepEqual(matcher.match(Object.create({ k500: 500 }, { k1: { value: 1, enumerable: true } })), ['missing'], told);
    assert.deepEqual(matcher.match({ k1: 1, a: wide({ 'b.c': 1 }) }), ['deep', 'missing'], told);
    assert.deepEqual(matcher.match(wide({ list: [{}], k9999: [{}, 7] })), ['plain'], told);
  }
  for (const [name, where] of Object.entries(filters)) {
    assert.equal(new Filter(where).matches(wide({ 'a.b.c': 1 })), name !== 'hidden');
    assert.equal(new Filter(where).matches(wide({ 'a.b.c': 1 })), name !== 'hidden');
  }
});

test('fields that are named later are read off what goes the exact way, too', () => {
  const matcher = matcherOf({ list: { list: { id: 1 } } });
  const payload = { list: [{ id: 1 }], later: { on: 2 } };
  assert.deepEqual(matcher.match(payload), ['list']);
  matcher.add(new Filter({ later: { on: 2 } }), 'later');
  assert.deepEqual(matcher.match(payload), ['list', 'later']);
});

test('a filter without values is refused, and the matcher stays whole', () => {
  const matcher = matcherOf({ one: { a: 1 } });
  assert.throws(() => matcher.add(new Filter({ a: { $var: 'x' } }), 'two'), { code: 'ERR_BAD_VARIABLE' });
  assert.equal(matcher.size, 1);
  assert.deepEqual(matcher.match({ a: 1 }), ['one']);
});
