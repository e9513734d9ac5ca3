'use strict';

// Rounds: ours and the peers take turns, so that whatever else the machine does hits all of them alike. A round
// runs each contender once, and each round starts with another one.

const children = require('./children');
const { Samples, Unit } = require('./samples');

/**
 * @typedef {object} Contender
 * @property {string} name
 * @property {number} [rounds] fewer than the row has, for one that is slow
 * @property {string[]} [flags] of Node
 * @property {() => Promise<number[]>} run in a process of its own
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {string} question
 * @property {number} rounds
 * @property {[string, string][]} figures what each of its contenders yields: name and unit
 * @property {Contender[]} contenders
 * @property {(of: Of) => import('./report').Line[]} lines
 *
 * @typedef {(contender: string, figure?: string) => import('./samples').Samples} Of the figures of a contender
 */

/**
 * Lets the contenders of a row take their turns; the answer is the row's lines.
 *
 * @param {Row} row
 * @param {number} [most] rounds
 */
async function measure(row, most = Infinity) {
  const { contenders } = row;
  /** @type {Map<string, number[][]>} */
  const rounds = new Map(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < Math.min(row.rounds, most); round += 1) {
    for (let turn = 0; turn < contenders.length; turn += 1) {
      const contender = contenders[(round + turn) % contenders.length];
      if (round >= (contender.rounds ?? Infinity)) continue;
      rounds.get(contender.name)?.push(await children.measure(row.name, contender));
    }
  }
  return row.lines((name, figure = row.figures[0][0]) => {
    const place = row.figures.findIndex(([known]) => known === figure);
    const values = rounds.get(name);
    if (place === -1 || !values) throw new Error(`${row.name} has no figure ${figure} of ${name}`);
    return new Samples(name, row.figures[place][1], values.map((figures) => figures[place]));
  });
}

exports.measure = measure;
exports.Unit = Unit;
