'use strict';

// What was measured, as Markdown: the tables of the Rust benches, one level deeper.

const { Unit } = require('./samples');

/** @typedef {import('./samples').Samples} Samples */

/** @type {Record<string, [string[], number]>} */
const SCALES = {
  [Unit.NANOS]: [['ns', 'µs', 'ms', 's'], 1_000],
  [Unit.BYTES]: [['B', 'KiB', 'MiB', 'GiB'], 1_024],
  [Unit.PER_SECOND]: [['/s', 'k/s', 'M/s'], 1_000],
  [Unit.COUNT]: [[''], 1_000],
};

/**
 * What a figure has to be: ours over the peer's, or ours itself.
 *
 * @typedef {object} Target
 * @property {(unit: string) => string} text
 * @property {(ours: Samples, ratio: number) => boolean} holds
 */

/** @type {Record<'ratioAtMost' | 'ratioAtLeast' | 'atMost' | 'atLeast', (bound: number) => Target>} */
const target = {
  ratioAtMost: (most) => ({ text: () => `ratio ≤ ${plain(most)}`, holds: (ours, ratio) => ratio <= most }),
  ratioAtLeast: (least) => ({ text: () => `ratio ≥ ${plain(least)}`, holds: (ours, ratio) => ratio >= least }),
  atMost: (most) => ({ text: (unit) => `≤ ${figure(most, unit)}`, holds: (ours) => ours.median <= most }),
  atLeast: (least) => ({ text: (unit) => `≥ ${figure(least, unit)}`, holds: (ours) => ours.median >= least }),
};

/** One line of a table. */
class Line {
  /**
   * @param {string} what
   * @param {Samples} ours
   * @param {object} [more]
   * @param {Samples} [more.peer]
   * @param {Target} [more.target]
   * @param {string} [more.note] what a reader should know, whether or not the target was reached
   * @param {string} [more.ifMissed] what stands in the way, told in place of the note when the target is missed
   */
  constructor(what, ours, { peer, target, note = '', ifMissed = '' } = {}) {
    this.what = what;
    this.ours = ours;
    this.peer = peer;
    this.target = target;
    this.note = note;
    this.ifMissed = ifMissed;
  }

  /** @returns {boolean | undefined} */
  get reached() {
    return this.target?.holds(this.ours, this.ratio);
  }

  get ratio() {
    return this.peer ? this.ours.over(this.peer) : NaN;
  }

  render() {
    const { what, ours, peer, reached } = this;
    const cells = [
      what,
      withSpread(ours),
      peer ? `${peer.of}: ${withSpread(peer)}` : '',
      peer ? plain(this.ratio) : '',
      this.target ? this.target.text(ours.unit) : '',
      reached === undefined ? '' : reached ? 'yes' : '**no**',
      reached === false && this.ifMissed ? this.ifMissed : this.note,
    ];
    return `| ${cells.join(' | ')} |\n`;
  }
}

/** A row as it stands in the report: a heading, the question, the table. */
class Section {
  /**
   * @param {string} name
   * @param {string} question
   * @param {Line[]} lines
   */
  constructor(name, question, lines) {
    const head = '| what | ours | peer | ratio | target | reached | note |\n|---|---|---|---|---|---|---|\n';
    const table = lines.map((line) => line.render()).join('');
    this.markdown = `### ${name}\n\n${question}\n\n${head}${table}`;
    this.reached = lines.filter((line) => line.reached === true).length;
    this.missed = lines.filter((line) => line.reached === false).map((line) => `${name}: ${line.what}`);
  }
}

/**
 * The whole report.
 *
 * @param {string} machine a table that describes it
 * @param {number} seconds how long it took
 * @param {Section[]} sections
 */
function render(machine, seconds, sections) {
  const reached = sections.reduce((sum, section) => sum + section.reached, 0);
  const missed = sections.flatMap((section) => section.missed);
  const list = missed.length ? `\nMissed:\n\n${missed.map((what) => `- ${what}\n`).join('')}` : '';
  return (
    `## Node\n\n${machine}| run | ${Math.floor(seconds)} s |\n\n` +
    `${reached} of ${reached + missed.length} targets reached.\n${list}\n` +
    'Each contender in a process of its own, in alternating rounds. Figures are medians over rounds, lowest and ' +
    "highest round in brackets; a ratio is the median of the ratios of single rounds, ours over the peer's.\n" +
    sections.map((section) => `\n${section.markdown}`).join('')
  );
}

/** @param {Samples} samples */
function withSpread({ median, lowest, highest, unit, values }) {
  if (values.length === 0) return 'not run';
  const middle = figure(median, unit);
  return values.length === 1 ? middle : `${middle} (${figure(lowest, unit)} – ${figure(highest, unit)})`;
}

/**
 * @param {number} value
 * @param {string} unit
 */
function figure(value, unit) {
  const [scales, step] = SCALES[unit];
  let scale = 0;
  while (Math.abs(value) >= step && scale + 1 < scales.length) {
    value /= step;
    scale += 1;
  }
  return `${plain(value)} ${scales[scale]}`.trimEnd();
}

/**
 * A number with three significant digits.
 *
 * @param {number} value
 */
function plain(value) {
  const magnitude = Math.abs(value);
  const whole = !Number.isFinite(value) || magnitude === 0 || magnitude >= 100;
  const text = whole ? value.toFixed(0) : value.toFixed(2 - Math.floor(Math.log10(magnitude)));
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

exports.Line = Line;
exports.Section = Section;
exports.target = target;
exports.render = render;
exports.figure = figure;
exports.plain = plain;
