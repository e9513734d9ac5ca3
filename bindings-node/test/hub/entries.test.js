'use strict';

// What the package exports: the same by all ways in, and what its types say.

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');

const distributary = require('../..');
const { PACKAGE, inTime } = require('./rig');

const { Hub } = distributary;

/** @param {string} file */
const types = (file) => readFileSync(join(PACKAGE, '..', file), 'utf8');

/**
 * The members that the types give a class or an interface.
 *
 * @param {string} name
 * @returns {string[]}
 */
function members(name) {
  const [, body] = new RegExp(`^export (?:class|interface) ${name}\\b[^]*?\\{\\n([^]*?)\\n\\}`, 'm').exec(types('index.d.ts')) ?? [];
  assert.ok(body, name);
  return [...body.matchAll(/^ {2}(?!static )(?:readonly )?(\w+)\??[(<:]/gm)].map(([, member]) => member).filter((member) => member !== 'constructor');
}

test('import and require bring the same classes', async () => {
  const { default: all, ...imported } = await import(join(PACKAGE, '..', 'index.mjs'));
  assert.equal(all, distributary);
  assert.deepEqual(Object.keys(imported).sort(), Object.keys(distributary).sort());
  for (const [name, value] of Object.entries(distributary)) assert.equal(imported[name], value, name);
});

test('the types name what is exported, and nothing else', () => {
  const text = ['index.d.ts', 'gateway.d.ts', 'migration.d.ts', 'pipe.d.ts'].map(types).join('\n');
  const named = [...text.matchAll(/^export (?:declare )?(?:class|const|function) (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(named.sort(), Object.keys(distributary).sort());
});

test('objects have the members that their types say', async () => {
  const hub = new Hub({ topicCounters: 1 });
  hub.countTopic('a');
  const subscription = hub.subscribe('a');
  const next = subscription.next();
  const delivery = hub.publish('a', '{}');
  const { value } = await inTime(next);
  for (const [name, object] of Object.entries({
    Hub: hub,
    Subscription: subscription,
    Listener: hub.on('a', () => {}),
    Delivery: delivery,
    Event: value,
    HubStats: hub.stats(),
    Durations: hub.stats().drain,
    TopicStats: hub.topicStats()[0],
    PipeStats: hub.pipeStats(),
    Filter: new distributary.Filter({}),
    LaggedError: new distributary.LaggedError(1),
    DistributaryError: new distributary.DistributaryError('ERR_X', 'x'),
  })) {
    const wanted = name === 'PipeStats' ? ['pipes'] : members(name);
    assert.ok(wanted.length > 0, name);
    for (const member of wanted) assert.ok(member in object, `${name}.${member}`);
  }
  // And counters have no others.
  assert.deepEqual(Object.keys(hub.stats()).sort(), members('HubStats').sort());
  for (const name of ['join', 'allocate']) assert.equal(typeof Hub[name], 'function');
});

test('what is internal does not show', () => {
  const hub = new Hub();
  assert.deepEqual(Object.keys(hub), []);
  assert.deepEqual(Object.keys(hub.subscribe('a')), []);
  assert.deepEqual(Object.keys(hub.on('a', () => {})), []);
});
