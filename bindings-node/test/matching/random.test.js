'use strict';

// A matcher says of any payload what each of its filters says by itself of the JSON of that payload.

const assert = require('node:assert/strict');
const { inspect } = require('node:util');
const { test } = require('node:test');

const { Filter } = require('../../lib/filter');
const { Matcher } = require('../../lib/matching/matcher');
const { plainJson } = require('../rig/json');
const { Random, pattern, payload } = require('../rig/random');

const SEED = Number(process.env.SEED ?? 1);
const ROUNDS = Number(process.env.ROUNDS ?? 60);

function filters(random, count) {
  const made = [];
  while (made.length < count) {
    const where = pattern(random);
    try {
      made.push({ where, filter: new Filter(where) });
    } catch (error) {
      assert.equal(error.code, 'ERR_BAD_FILTER', inspect(where));
    }
  }
  return made;
}

for (let seed = SEED; seed < SEED + 3; seed += 1) {
  test(`verdicts on random payloads, seed ${seed}`, () => {
    const random = new Random(seed);
    let matches = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const matcher = new Matcher();
      const members = new Map();
      for (const member of filters(random, 1 + random.below(60))) members.set(matcher.add(member.filter, member), member);
      const later = filters(random, 20);
      for (let event = 0; event < 40; event += 1) {
        const value = payload(random);
        const text = plainJson(value);
        const isObject = text?.startsWith('{') ?? false;
        const expected = [...members.values()].filter(({ filter }) => (isObject ? filter.matches(text) : filter.isAll));
        const told = () => `seed ${seed}, round ${round}, event ${event}: ${inspect(value, { depth: 9 })} as ${text}`;
        const found = matcher.match(value);
        assert.deepEqual(found.map(({ where }) => where), expected.map(({ where }) => where), told());
        assert.ok(found.every((member, at) => member === expected[at]), told());
        assert.deepEqual(matcher.matchBytes(text ?? ''), expected, told());
        assert.deepEqual(matcher.matchBytes(Buffer.from(text ?? '')), expected, told());
        // By itself a filter takes bytes for JSON.
        const alone = random.chance(0.1) && typeof value !== 'string' && !(value instanceof Uint8Array);
        for (const { filter } of alone ? members.values() : []) {
          assert.equal(filter.matches(value), isObject ? filter.matches(text) : filter.isAll, told());
        }
        matches += found.length;
        if (random.chance(0.2)) {
          const [ticket, member] = random.of([...members]);
          assert.ok(matcher.remove(ticket));
          assert.ok(!matcher.remove(ticket));
          members.delete(ticket);
          const next = random.chance(0.5) ? member : later.pop();
          if (next !== undefined) members.set(matcher.add(next.filter, next), next);
          else if (members.size === 0) break;
        }
      }
    }
    assert.ok(matches > ROUNDS * 40, `only ${matches} matches`);
  });
}
