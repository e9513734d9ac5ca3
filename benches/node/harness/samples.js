'use strict';

// Figures and their spread: the values of one figure, one per round.
//
// Figures are medians over rounds; a ratio is the median of the ratios of single rounds, not the ratio of
// medians. Rounds that a contender lacks (it was too slow for as many) are compared with its median.

/** What a figure counts. */
const Unit = Object.freeze({ NANOS: 'nanos', BYTES: 'bytes', PER_SECOND: 'per second', COUNT: 'count' });

class Samples {
  /**
   * @param {string} of whose they are
   * @param {string} unit
   * @param {number[]} values in the order of rounds
   */
  constructor(of, unit, values) {
    this.of = of;
    this.unit = unit;
    this.values = values;
  }

  get median() {
    return median(this.values);
  }

  get lowest() {
    return Math.min(...this.values);
  }

  get highest() {
    return Math.max(...this.values);
  }

  /** @param {Samples} other */
  over(other) {
    const rest = other.median;
    return median(this.values.map((value, round) => value / (other.values[round] ?? rest)));
  }
}

/** @param {number[]} values */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

exports.Unit = Unit;
exports.Samples = Samples;
exports.median = median;
