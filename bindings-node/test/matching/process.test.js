'use strict';

// What a matcher does to its process: memory, threads, and switches of Node's.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const { join } = require('node:path');
const { test } = require('node:test');

const LIB = join(__dirname, '../../lib');
const PRELUDE = `
  const assert = require('node:assert/strict');
  const { Filter } = require(${JSON.stringify(join(LIB, 'filter'))});
  const { Matcher } = require(${JSON.stringify(join(LIB, 'matching/matcher'))});
`;

function run(flags, script) {
  return execFileSync(process.execPath, [...flags, '-e', PRELUDE + script], { encoding: 'utf8', timeout: 60_000 });
}

test('it makes no code from strings', () => {
  const told = run(['--disallow-code-generation-from-strings'], `
    assert.throws(() => new Function('1'), EvalError);
    const matcher = new Matcher();
    matcher.add(new Filter({ a: { b: [1] }, 'c.d': 'x' }), 'yes');
    console.log(matcher.match({ a: [{ b: 1 }], c: { d: 'x' } }), matcher.match({ a: { b: 1 }, c: { d: 'x' } }));
  `);
  assert.equal(told.trim(), "[ 'yes' ] [ 'yes' ]");
});

test('a matcher that is gone gives its memory back', () => {
  const told = run(['--expose-gc'], `
    const filters = Array.from({ length: 100 }, (_, id) => new Filter({ id, name: 'name ' + id }));
    async function round() {
      for (let n = 0; n < 200; n += 1) {
        const matcher = new Matcher();
        for (const filter of filters) matcher.add(filter, {});
        assert.equal(matcher.match({ id: 7, name: 'name 7' }).length, 1);
      }
      gc();
      await new Promise(setImmediate);
    }
    (async () => {
      for (let n = 0; n < 5; n += 1) await round();
      const before = process.memoryUsage.rss();
      for (let n = 0; n < 25; n += 1) await round();
      console.log((process.memoryUsage.rss() - before) / 1e6);
    })();
  `);
  // 500,000 members, some 100 bytes each: 50 MB if they stayed.
  assert.ok(Number(told) < 20, `${told} MB grown`);
});

test('a matcher that is kept stays as large as it is', () => {
  const told = run(['--expose-gc'], `
    const template = new Filter({ id: [{ $var: 'id' }] });
    const matcher = new Matcher();
    const tickets = [];
    function churn(times) {
      for (let n = 0; n < times; n += 1) {
        tickets.push(matcher.add(template.bind({ id: n % 5_000 }), {}));
        matcher.match({ id: n % 5_000, list: [{}] });
        matcher.match({ id: 'x'.repeat(n % 100_000 === 0 ? 1_000_000 : 10) });
        if (tickets.length > 1_000) matcher.remove(tickets.shift());
      }
      gc();
      return process.memoryUsage.rss();
    }
    (async () => {
      const settle = () => new Promise(setImmediate);
      churn(50_000);
      await settle();
      const before = churn(50_000);
      for (let n = 0; n < 4; n += 1) { churn(50_000); await settle(); }
      console.log((churn(50_000) - before) / 1e6);
    })();
  `);
  assert.ok(Number(told) < 30, `${told} MB grown`);
});

test('worker threads have desks of their own', () => {
  const told = run([], `
    const { Worker } = require('node:worker_threads');
    const script = ${JSON.stringify(PRELUDE)} + \`
      const { parentPort } = require('node:worker_threads');
      const matcher = new Matcher();
      matcher.add(new Filter({ n: 1 }), 'one');
      let hits = 0;
      for (let n = 0; n < 20000; n += 1) hits += matcher.match({ n: n % 2, list: [n] }).length;
      parentPort.postMessage(hits);
      setInterval(() => matcher.match({ n: 1 }), 1);
    \`;
    const workers = Array.from({ length: 3 }, () => new Worker(script, { eval: true }));
    const matcher = new Matcher();
    matcher.add(new Filter({ n: 2 }), 'two');
    for (let n = 0; n < 20000; n += 1) assert.equal(matcher.match({ n: 2 }).length, 1);
    let left = workers.length;
    for (const worker of workers) {
      worker.on('message', async (hits) => {
        assert.equal(hits, 10000);
        await worker.terminate();
        assert.equal(matcher.match({ n: 2 }).length, 1);
        if (--left === 0) console.log('done');
      });
    }
  `);
  assert.equal(told.trim(), 'done');
});
