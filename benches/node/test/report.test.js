'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Line, Section, figure, plain, render, target } = require('../harness/report');
const { replaced } = require('../harness/results');
const { Samples, Unit } = require('../harness/samples');

const nanos = (/** @type {string} */ of, /** @type {number[]} */ ...values) => new Samples(of, Unit.NANOS, values);

test('numbers keep three digits', () => {
  const cases = /** @type {const} */ ([
    [0.0001, '0.0001'],
    [0.012345, '0.0123'],
    [1.2, '1.2'],
    [12.345, '12.3'],
    [1234.5, '1235'],
    [100, '100'],
  ]);
  for (const [value, text] of cases) assert.equal(plain(value), text);
  assert.equal(figure(1_500, Unit.NANOS), '1.5 µs');
  assert.equal(figure(3 * 1_048_576, Unit.BYTES), '3 MiB');
  assert.equal(figure(2_500_000, Unit.PER_SECOND), '2.5 M/s');
});

test('a ratio is taken round by round, and against the median where the peer has fewer rounds', () => {
  assert.equal(nanos('ours', 1, 10, 2).over(nanos('peer', 2, 20, 4)), 0.5);
  assert.equal(nanos('ours', 4, 2, 2).over(nanos('peer', 2)), 1);
});

test('a missed target is said to be missed, and why', () => {
  const ours = nanos('ours', 6);
  const peer = nanos('peer', 60);
  const reached = (/** @type {any} */ target) => new Line('x', ours, { peer, target }).reached;
  assert.equal(reached(target.atMost(5)), false);
  assert.equal(reached(target.atLeast(6)), true);
  assert.equal(reached(target.ratioAtMost(0.2)), true);
  assert.equal(reached(target.ratioAtLeast(0.2)), false);
  assert.equal(reached(undefined), undefined);
  const line = new Line('x', ours, { peer, target: target.atMost(5), note: 'a note', ifMissed: 'a reason' });
  assert.equal(line.render(), '| x | 6 ns | peer: 60 ns | 0.1 | ≤ 5 ns | **no** | a reason |\n');
});

test('the report counts and names what was missed', () => {
  const lines = [
    new Line('first', nanos('ours', 6), { target: target.atMost(5) }),
    new Line('second', nanos('ours', 6), { target: target.atMost(7) }),
    new Line('third', nanos('ours', 6)),
  ];
  const text = render('| machine |\n', 12.7, [new Section('row', 'A question?', lines)]);
  assert.match(text, /^1 of 2 targets reached\.$/m);
  assert.match(text, /^Missed:\n\n- row: first$/m);
  assert.match(text, /^\| run \| 12 s \|$/m);
  assert.match(text, /^### row\n\nA question\?\n\n\| what \|/m);
});

test('the section takes its own place and leaves the rest alone', () => {
  const begin = '<!-- node: begin -->';
  const end = '<!-- node: end -->';
  const first = replaced('# Results\n\nrest\n', '## Node\n\nold\n');
  assert.equal(first, `# Results\n\nrest\n\n${begin}\n\n## Node\n\nold\n\n${end}\n`);
  assert.equal(replaced(first, '## Node\n\nnew\n'), first.replace('old', 'new'));
  assert.equal(replaced(`${first}after\n`, 'new'), `${first}after\n`.replace('## Node\n\nold', 'new'));
  assert.equal(replaced('', 'new'), `${begin}\n\nnew\n\n${end}\n`);
  assert.throws(() => replaced(`${begin}\n`, 'new'), /marks/);
  assert.throws(() => replaced(`${end}\n${begin}\n`, 'new'), /marks/);
  assert.throws(() => replaced(first + first, 'new'), /marks/);
});
