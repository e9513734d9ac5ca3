'use strict';

// The place of these figures in benches/RESULTS.md: between two marks, which the Rust benches keep when they
// rewrite the rest.

const BEGIN = '<!-- node: begin -->';
const END = '<!-- node: end -->';

/**
 * The text with this between the marks; without marks, after its end.
 *
 * @param {string} text
 * @param {string} section
 */
function replaced(text, section) {
  const marked = `${BEGIN}\n\n${section.trimEnd()}\n\n${END}`;
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin === -1 && end === -1) return text === '' ? `${marked}\n` : `${text.trimEnd()}\n\n${marked}\n`;
  if (begin === -1 || end < begin || text.indexOf(BEGIN, begin + 1) !== -1 || text.indexOf(END, end + 1) !== -1) {
    throw new Error(`RESULTS.md has its marks in disorder: one ${BEGIN} and then one ${END} is what can be replaced`);
  }
  return text.slice(0, begin) + marked + text.slice(end + END.length);
}

module.exports = { replaced };
