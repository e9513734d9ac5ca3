'use strict';

// Whatever is wrong is an error with a code, and with a message that names the call, the thing and what to do.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { DistributaryError, Filter, Hub } = require('../..');
const { drained, inTime } = require('./rig');

const hub = new Hub({ history: [{ topics: 'h', events: 1 }] });
const open = () => hub.subscribe('open');
const nothing = () => {};
const transferred = () => {
  const bytes = new Uint8Array(8);
  structuredClone(bytes, { transfer: [bytes.buffer] });
  return bytes;
};

/** What is done, the code, and what the message says. @type {[string, () => unknown, string, RegExp][]} */
const CASES = [
  ['an option of the hub that there is not', () => new Hub({ slices: 4 }), 'ERR_BAD_OPTION', /new Hub\(options\): there is no option "slices": there are overflow, budget, /],
  ['options that are no object', () => new Hub(7), 'ERR_BAD_OPTION', /options are an object, not 7/],
  ['options that are null', () => new Hub(null), 'ERR_BAD_OPTION', /not null/],
  ['a slice of nothing', () => new Hub({ slice: 0 }), 'ERR_BAD_OPTION', /slice is a whole number from 1 to 1000, not 0/],
  ['a slice that is text', () => new Hub({ slice: '4' }), 'ERR_BAD_OPTION', /slice .* not "4"/],
  ['no bytes at all', () => new Hub({ bytes: 0 }), 'ERR_BAD_OPTION', /bytes/],
  ['bytes beyond what numbers hold', () => new Hub({ bytes: 2 ** 60 }), 'ERR_BAD_OPTION', /bytes/],
  ['a policy that there is not', () => new Hub({ overflow: 'drop_oldest' }), 'ERR_BAD_OPTION', /one of 'drop-oldest', .* not "drop_oldest"/],
  ['a budget of no events', () => new Hub({ budget: { events: 0 } }), 'ERR_BAD_OPTION', /budget.events/],
  ['a budget with a misspelt bound', () => new Hub({ budget: { event: 1 } }), 'ERR_BAD_OPTION', /budget: there is no option "event"/],
  ['a history that is no list', () => new Hub({ history: { topics: 'a' } }), 'ERR_BAD_OPTION', /history is a list/],
  ['a history without topics', () => new Hub({ history: [{ events: 1 }] }), 'ERR_BAD_OPTION', /history\[0\].topics is a pattern, not undefined/],
  ['a history of a malformed pattern', () => new Hub({ history: [{ topics: '[a' }] }), 'ERR_BAD_PATTERN', /\[a/],
  ['strict filters that are no boolean', () => new Hub({ strictFilters: 1 }), 'ERR_BAD_OPTION', /strictFilters is a boolean/],
  ['a sharing bound that is negative', () => new Hub({ shareFrom: -1 }), 'ERR_BAD_OPTION', /shareFrom/],

  ['a topic that is no string', () => hub.publish(7, ''), 'ERR_BAD_TOPIC', /hub.publish\(topic, payload\): the topic is a string, not 7/],
  ['an empty topic', () => hub.publish('', ''), 'ERR_BAD_TOPIC', /empty/],
  ['a topic that is too long', () => hub.publish('x'.repeat(1_025), ''), 'ERR_BAD_TOPIC', /1025 bytes, at most 1024/],
  ['no payload', () => hub.publish('a'), 'ERR_BAD_PAYLOAD', /payload: undefined has no JSON/],
  ['a function as payload', () => hub.publish('a', nothing), 'ERR_BAD_PAYLOAD', /a function/],
  ['a symbol as payload', () => hub.publish('a', Symbol('x')), 'ERR_BAD_PAYLOAD', /a symbol/],
  ['a payload that holds itself', () => { const a = {}; a.b = { a }; hub.publish('a', a); }, 'ERR_BAD_PAYLOAD', /payload.b.a.*itself/],
  ['an option of publish that there is not', () => hub.publish('a', '', { keys: 'a' }), 'ERR_BAD_OPTION', /there is no option "keys"/],
  ['a key that is no string', () => hub.publish('a', '', { key: 7 }), 'ERR_BAD_OPTION', /key is a string, not 7/],
  ['attributes that are a list', () => hub.publish('a', '', { attributes: [1] }), 'ERR_BAD_OPTION', /attributes is an object/],
  ['an attribute that is an object', () => hub.publish('a', '', { attributes: { x: {} } }), 'ERR_BAD_OPTION', /attributes.x is a string, .* not an object/],
  ['an attribute that is undefined', () => hub.publish('a', '', { attributes: { x: [undefined] } }), 'ERR_BAD_OPTION', /attributes.x/],
  ['an attribute that is no number', () => hub.publish('a', '', { attributes: { x: NaN } }), 'ERR_BAD_PAYLOAD', /"x" is no number/],
  ['an attribute beyond 64 bits', () => hub.publish('a', '', { attributes: { x: 2n ** 64n } }), 'ERR_BAD_PAYLOAD', /"x" is an integer that 64 bits/],
  ['an attribute below 64 bits', () => hub.publish('a', '', { attributes: { x: -(2n ** 63n) - 1n } }), 'ERR_BAD_PAYLOAD', /64 bits/],
  ['giving away what is not of allocate', () => hub.publish('a', Buffer.alloc(9), { transfer: true }), 'ERR_BAD_PAYLOAD', /Hub.allocate/],
  ['giving away a string', () => hub.publish('a', 'x', { transfer: true }), 'ERR_BAD_PAYLOAD', /Hub.allocate/],
  ['allocating nothing', () => Hub.allocate(0), 'ERR_BAD_OPTION', /size/],
  ['allocating without a size', () => Hub.allocate(), 'ERR_BAD_OPTION', /size/],
  ['an event that the hub cannot hold', () => new Hub({ bytes: 1_000 }).publish('a', Buffer.alloc(2_000)), 'ERR_TOO_LARGE', /option `bytes` of the hub/],

  ['a Proxy of bytes', () => hub.publish('a', new Proxy(Buffer.alloc(2), {})), 'ERR_BAD_PAYLOAD', /payload: a Proxy of bytes/],
  ['bytes that have been transferred', () => hub.publish('a', transferred()), 'ERR_BAD_PAYLOAD', /transferred or given away/],
  ['a buffer that has been transferred', () => hub.publish('a', transferred().buffer), 'ERR_BAD_PAYLOAD', /transferred or given away/],
  ['bytes that the options transfer', () => {
    const bytes = new Uint8Array(8);
    hub.publish('a', bytes, { get key() { return structuredClone('k', { transfer: [bytes.buffer] }); } });
  }, 'ERR_BAD_PAYLOAD', /transferred or given away/],

  ['a filter in both places', () => hub.subscribe({ topics: 'a', where: { x: [1] } }, { where: { y: [1] } }), 'ERR_BAD_OPTION', /where is given twice/],
  ['topics in both places', () => hub.subscribe('a', { topics: 'b' }), 'ERR_BAD_OPTION', /topics is given twice/],
  ['a filter that is an error', () => new Filter(new Error('x')), 'ERR_BAD_FILTER', /a Error is no plain object/],
  ['a filter of what is inherited', () => new Filter(Object.create({ user: [1] })), 'ERR_BAD_FILTER', /no plain object/],
  ['a filter of a class', () => new Filter(new (class Wanted { #user = [1]; get user() { return this.#user; } })()), 'ERR_BAD_FILTER', /a Wanted is no plain object/],
  ['a filter named by a symbol', () => new Filter({ [Symbol('user')]: [1] }), 'ERR_BAD_FILTER', /a symbol names them/],
  ['a filter that cannot be seen', () => new Filter(Object.defineProperty({}, 'user', { value: [1] })), 'ERR_BAD_FILTER', /not enumerable/],
  ['a filter within which something is no plain object', () => new Filter({ a: { b: new Map() } }), 'ERR_BAD_FILTER', /filter\.a\.b: a Map is no plain object/],
  ['a filter of another copy', () => new Filter(new (class Filter {})()), 'ERR_BAD_FILTER', /another copy/],
  ['a comparison with no filter', () => new Filter({ a: 1 }).equals({ a: 1 }), 'ERR_BAD_FILTER', /a Filter, not an object/],

  ['no selector', () => hub.subscribe(), 'ERR_BAD_SELECTOR', /a topic, a list of topics, or \{ topics, patterns, where \}, not undefined/],
  ['a selector of nothing', () => hub.subscribe({}), 'ERR_BAD_SELECTOR', /at least one topic or pattern/],
  ['an empty list of topics', () => hub.subscribe([]), 'ERR_BAD_SELECTOR', /at least one topic or pattern/],
  ['a list with something else', () => hub.subscribe(['a', 7]), 'ERR_BAD_SELECTOR', /topics holds strings, not 7/],
  ['topics that are a number', () => hub.subscribe({ topics: 7 }), 'ERR_BAD_SELECTOR', /topics is a string or a list of strings, not 7/],
  ['more names than a selector may have', () => hub.subscribe(Array.from({ length: 10_001 }, (_, i) => `t${i}`)), 'ERR_BAD_SELECTOR', /10001/],
  ['a malformed pattern', () => hub.subscribe({ patterns: 'a[' }), 'ERR_BAD_PATTERN', /a\[/],
  ['an option of subscribe that there is not', () => hub.subscribe('a', { onlag: 'skip' }), 'ERR_BAD_OPTION', /there is no option "onlag"/],
  ['a misspelt name in a selector', () => hub.subscribe({ topic: 'a' }), 'ERR_BAD_OPTION', /there is no option "topic"/],
  ['a malformed filter', () => hub.subscribe('a', { where: { id: [{ prefx: 'x' }] } }), 'ERR_BAD_FILTER', /prefx/],
  ['a filter that is a function', () => hub.subscribe('a', { where: nothing }), 'ERR_BAD_FILTER', /a function/],
  ['a variable without a value', () => hub.subscribe('a', { where: { id: { $var: 'id' } } }), 'ERR_BAD_VARIABLE', /"id"/],
  ['variables without a filter', () => hub.subscribe('a', { variables: { id: 1 } }), 'ERR_BAD_VARIABLE', /where/],
  ['a filter that would be scanned', () => new Hub({ strictFilters: true }).subscribe('a', { where: { id: [{ 'anything-but': 'x' }] } }), 'ERR_BAD_FILTER', /cannot be indexed/],
  ['a lag policy that there is not', () => hub.subscribe('a', { onLag: 'drop' }), 'ERR_BAD_OPTION', /'throw', 'skip'/],
  ['a signal that is none', () => hub.subscribe('a', { signal: {} }), 'ERR_BAD_OPTION', /signal is an AbortSignal/],
  ['a position that is none', () => hub.subscribe('h', { from: 'x' }), 'ERR_BAD_POSITION', /two hexadecimal numbers/],
  ['a position that is a number', () => hub.subscribe('h', { from: 7 }), 'ERR_BAD_POSITION', /not 7/],
  ['a position of a topic that is a number', () => hub.subscribe('h', { from: { h: 7 } }), 'ERR_BAD_POSITION', /from.h is a position, not 7/],
  ['a position of another hub', () => hub.subscribe('h', { from: '1-1' }), 'ERR_POSITION', /another epoch/],

  ['no handler', () => hub.on('a'), 'ERR_BAD_OPTION', /the handler is a function, not undefined/],
  ['a handler among the options', () => hub.on({ topics: 'a', handler: nothing }, nothing), 'ERR_BAD_OPTION', /there is no option "handler"/],
  ['an onLag of a handler that is a word', () => hub.on('a', nothing, { onLag: 'skip' }), 'ERR_BAD_OPTION', /onLag is a function/],
  ['an onError that is none', () => hub.on('a', nothing, { onError: 7 }), 'ERR_BAD_OPTION', /onError is a function/],

  ['batches of nothing', () => open().batches({ max: 0 }), 'ERR_BAD_OPTION', /max is a whole number from 1/],
  ['an option of batches that there is not', () => open().batches({ size: 1 }), 'ERR_BAD_OPTION', /there is no option "size"/],
  ['adding nothing', () => open().add(), 'ERR_BAD_SELECTOR', /subscription.add\(names\)/],
  ['adding an empty topic', () => open().add(''), 'ERR_BAD_TOPIC', /empty/],
  ['adding a malformed pattern', () => open().add({ patterns: ['['] }), 'ERR_BAD_PATTERN', /\[/],
  ['adding a filter', () => open().add({ topics: 'a', where: {} }), 'ERR_BAD_OPTION', /there is no option "where"/],
  ['removing the last name', () => open().remove('open'), 'ERR_BAD_SELECTOR', /./],

  ['a position of what is no topic', () => hub.position(7), 'ERR_BAD_TOPIC', /hub.position\(topic\)/],
  ['counting an empty topic', () => hub.countTopic(''), 'ERR_BAD_TOPIC', /empty/],
  ['joining nothing', () => Hub.join(), 'ERR_NO_HUB', /undefined stands for no hub .* hub.share\(\)/],
  ['joining what was never shared', () => Hub.join(`hub:${process.pid}:4711`), 'ERR_NO_HUB', /stands for no hub/],
  ['joining a hub of another process', () => Hub.join('hub:1:1'), 'ERR_NO_HUB', /of this process/],
  ['joining with options of the hub', () => Hub.join(hub.share(), { bytes: 1 }), 'ERR_BAD_OPTION', /there is no option "bytes": there are slice, shareFrom/],
];

for (const [name, act, code, message] of CASES) {
  test(`${name} is ${code}`, () => {
    const before = hub.stats().subscriptions;
    assert.throws(act, (/** @type {any} */ error) => {
      assert.equal(error.code, code, error.stack);
      assert.match(error.message, message);
      // A variable may also be missing where nothing is of the wrong type.
      if (code !== 'ERR_BAD_VARIABLE') {
        assert.ok(error instanceof (code.startsWith('ERR_BAD_') ? TypeError : DistributaryError), error.stack);
      }
      return true;
    });
    // Those that were opened to try something on them are garbage, but not collected yet.
    assert.ok(hub.stats().subscriptions - before <= 1);
  });
}

test('what was refused leaves nothing behind', async () => {
  const other = new Hub();
  for (let i = 0; i < 100; i += 1) {
    assert.throws(() => other.subscribe({ topics: 'a', patterns: '[' }));
    assert.throws(() => other.on({ topics: ['a', ''] }, nothing));
  }
  assert.equal(other.stats().subscriptions, 0);
  const subscription = other.subscribe('a');
  other.publish('a', 'x');
  assert.equal((await inTime(subscription.next())).value.text(), 'x');
  await drained(other);
});

test('a filter may be given compiled, as text, or with variables', async () => {
  const other = new Hub();
  const found = [];
  const template = new Filter({ id: [{ $var: 'id' }] });
  for (const [i, where] of [[0, new Filter({ id: 1 })], [1, '{"id":[1]}'], [2, template.bind({ id: 1 })], [3, { id: { $var: 'id' } }], [4, {}]]) {
    other.on({ topics: 'a', where, ...(i === 3 && { variables: { id: [1, 2n ** 60n] } }) }, () => found.push(i));
  }
  other.publish('a', { id: 1 });
  other.publish('a', { id: 2n ** 60n });
  await drained(other);
  assert.deepEqual(found.sort(), [0, 1, 2, 3, 3, 4, 4]);
});
