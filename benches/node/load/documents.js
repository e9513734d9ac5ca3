'use strict';

// Events as an editor of documents sends them: `document.id` early, then an author, blocks of text, marks and
// comments in nested arrays, which have ids of their own.

const { random } = require('./random');

const WORDS = (
  'about after again album always answer around because before between border branch carry change clear company ' +
  'copy country cover create current decide deliver document draft early editor engine enough every example ' +
  'field figure filter finish follow garden general green group heavy history house idea index inside island ' +
  'journal keep kind language large later letter line little machine margin matter meeting minute month morning ' +
  'moment nothing number offer office order other paper people picture place point present problem project ' +
  'question quiet reader reason record report river round season second section signal simple small sound square ' +
  'state station story street subject summer system table thing thought through together topic travel under until ' +
  'value village voice water weather window winter without world writer yellow "quoted" café naïve'
).split(' ');

/**
 * An event about a document, so large that its JSON has about so many bytes (a few percent more).
 *
 * @param {number} id of the document
 * @param {number} serial of the event
 * @param {number} bytes
 */
function documentEvent(id, serial, bytes) {
  const dice = random(serial * 7_919 + id);
  const event = {
    type: 'document.changed',
    serial,
    document: {
      id,
      title: text(dice, 5),
      author: person(dice),
      workspace: { id: dice.below(500), name: text(dice, 2), plan: 'team' },
      updatedAt: '2026-03-01T12:34:56.789Z',
      blocks: /** @type {object[]} */ ([]),
      comments: /** @type {object[]} */ ([]),
    },
  };
  let size = JSON.stringify(event).length;
  while (size < bytes) {
    const room = bytes - size;
    const [list, made] =
      dice.below(4) === 0 && room > 400
        ? [event.document.comments, comment(dice)]
        : [event.document.blocks, block(dice, Math.min(60, Math.max(2, Math.floor(room / 12))))];
    list.push(made);
    size += JSON.stringify(made).length + 1;
  }
  return event;
}

/** @typedef {ReturnType<typeof random>} Dice */

/** @param {Dice} dice @param {number} words */
function text(dice, words) {
  return Array.from({ length: words }, () => dice.of(WORDS)).join(' ');
}

/** @param {Dice} dice */
function person(dice) {
  return { id: dice.below(100_000), name: text(dice, 2), role: dice.of(['editor', 'owner', 'viewer']) };
}

/** @param {Dice} dice @param {number} words */
function block(dice, words) {
  const marks = Array.from({ length: dice.below(3) }, () => ({
    id: dice.below(1_000_000),
    kind: dice.of(['bold', 'link', 'code']),
    range: [dice.below(100), 100 + dice.below(100)],
  }));
  return { id: dice.below(1_000_000), kind: dice.of(['paragraph', 'heading', 'list']), text: text(dice, words), marks };
}

/** @param {Dice} dice */
function comment(dice) {
  return { id: dice.below(1_000_000), author: person(dice), text: text(dice, 12), resolved: dice.below(2) === 1 };
}

module.exports = { documentEvent };
