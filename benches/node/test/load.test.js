'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { documentEvent } = require('../load/documents');
const { SHAPES, mixedEvent } = require('../load/shapes');

test('documents have the size that was asked for and are the same each time', () => {
  for (const bytes of [1_000, 64_000]) {
    const text = JSON.stringify(documentEvent(17, 3, bytes));
    assert.ok(text.length >= bytes && text.length < bytes * 1.3, `${text.length} for ${bytes}`);
    assert.equal(text, JSON.stringify(documentEvent(17, 3, bytes)));
    assert.ok(text.indexOf('"id":17') < 100);
  }
});

test('there are twenty shapes, and each admits few', () => {
  assert.equal(SHAPES.length, 20);
  const events = Array.from({ length: 50 }, (_, serial) => mixedEvent(serial));
  for (const [shape, { variables, admits }] of SHAPES.entries()) {
    let hits = 0;
    for (let i = 0; i < 10_000; i += 1) {
      const values = variables(i);
      for (const event of events) hits += Number(admits(event, values));
    }
    assert.ok(hits >= 1 && hits < 50 * 50, `shape ${shape} admits ${hits} times`);
  }
});
