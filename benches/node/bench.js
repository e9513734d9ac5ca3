'use strict';

// The Node package beside its peers: every figure that the project promises for it, measured in one run on one
// machine.
//
//   node bench.js --all               writes its section of benches/RESULTS.md
//   node bench.js --only memory ...   prints these rows
//   node bench.js --quick             prints all rows after one round each: figures are noise, the checks are not
//   node bench.js --list              says which there are
//
// A row answers a question that a user asks. Ours and the peers do the same job in alternating rounds, each
// delivery is counted, and a run that lost one is an error, not a figure. Targets that are missed stay in the
// table as missed.

const fs = require('node:fs');
const path = require('node:path');

const children = require('./harness/children');
const machine = require('./harness/machine');
const { Section, render } = require('./harness/report');
const results = require('./harness/results');
const rounds = require('./harness/rounds');
const rows = require('./rows');

const USAGE = 'usage: node bench.js --all | --quick | --only ROW... | --list';
const RESULTS = path.join(__dirname, '../RESULTS.md');

/** @param {string[]} args */
async function main([order, ...names]) {
  switch (order) {
    case '--all':
      return all();
    case '--quick':
      for (const row of rows) await print(row, 1);
      return;
    case '--only':
      if (names.length === 0) throw new Error(USAGE);
      for (const name of names) await print(find(name));
      return;
    case '--list':
      for (const { name, question } of rows) console.log(`${name.padEnd(14)} ${question}`);
      return;
    case '--case': {
      const contender = find(names[0]).contenders.find(({ name }) => name === names[1]);
      if (!contender) throw new Error(`${names[0]} has no contender ${names[1]}`);
      return children.act(contender.run);
    }
    default:
      throw new Error(USAGE);
  }
}

/** @param {string} name */
function find(name) {
  const row = rows.find((known) => known.name === name);
  if (!row) throw new Error(`there is no row ${name}: --list names them`);
  return row;
}

/**
 * @param {rounds.Row} row
 * @param {number} [most] rounds
 */
async function print(row, most) {
  const section = new Section(row.name, row.question, await rounds.measure(row, most));
  console.log(section.markdown);
}

async function all() {
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1_000;
  const sections = [];
  for (const row of rows) {
    console.error(`${seconds().toFixed(0).padStart(4)} s  ${row.name}`);
    sections.push(new Section(row.name, row.question, await rounds.measure(row)));
  }
  const report = render(machine.describe('`make bench-node`'), seconds(), sections);
  const old = fs.existsSync(RESULTS) ? fs.readFileSync(RESULTS, 'utf8') : '';
  fs.writeFileSync(RESULTS, results.replaced(old, report));
  console.error(`${seconds().toFixed(0).padStart(4)} s  written: ${RESULTS}`);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.stack ?? error);
  process.exit(1);
});
