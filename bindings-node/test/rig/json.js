'use strict';

// JSON.stringify with two differences, done as plainly as can be: what others are held against.

/** The text of a value: a BigInt is an integer, a lone surrogate what UTF-8 makes of it. Undefined if there is none. */
function plainJson(value) {
  const text = JSON.stringify(value, (_, shown) => {
    if (shown instanceof BigInt) shown = shown.valueOf();
    if (typeof shown === 'bigint') return `\u0001${shown}\u0001`;
    if (shown instanceof String) shown = String(shown);
    return typeof shown === 'string' ? shown.toWellFormed() : shown;
  });
  return text?.replace(/"\\u0001(-?\d+)\\u0001"/g, '$1');
}

/** What a text holds, large integers as BigInt. */
function exactParse(text) {
  const marked = text.replace(/(?<=[[:,]\s*)-?\d{16,}(?=\s*[,\]}])/g, '"\\u0001$&"');
  return JSON.parse(marked, (_, value) => (typeof value === 'string' && value.startsWith('\u0001') ? BigInt(value.slice(1)) : value));
}

module.exports = { plainJson, exactParse };
