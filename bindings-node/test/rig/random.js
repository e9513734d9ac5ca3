'use strict';

// Random payloads and filters from a seed, made so that they meet: few keys, few values, all kinds of JavaScript.

/** A small generator of numbers that a seed repeats (mulberry32). */
class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  /** A number from 0 up to 1. */
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = this.state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  below(bound) {
    return Math.floor(this.next() * bound);
  }

  chance(odds) {
    return this.next() < odds;
  }

  of(list) {
    return list[this.below(list.length)];
  }
}

const KEYS = ['a', 'b', 'c', 'a', 'b', 'a.b', 'b.c', 'a.b.c', '', 'é', '__proto__', 'constructor', 'length', '0'];

const SCALARS = [
  null, true, false, 0, -0, 1, 2, 1.5, -7, NaN, Infinity, -Infinity, 2 ** 53, 2 ** 53 + 2, -(2 ** 53) - 2, 2 ** 63, 2 ** 64,
  -(2 ** 63), 1e20, -1e20, 1e21, 1e300, 5e-324, 9007199254740993n, -9007199254740993n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n,
  -(2n ** 63n), -(2n ** 63n) - 1n, 7n, '', 'x', 'xyz', 'é', '漢字', '\u{1f600}', '\ud800', 'a\udc00b', '\0', '"\\', '1', 'x'.repeat(300),
  'é'.repeat(200), '10.1.2.3',
];

class Plain {
  constructor(fields) {
    Object.assign(this, fields);
  }

  get b() {
    return 'inherited';
  }
}

/** Defines a field whatever its name is. */
function define(object, key, value, enumerable = true) {
  Object.defineProperty(object, key, { value, enumerable, writable: true, configurable: true });
}

/** An object of some make with random fields. */
function object(random, depth) {
  const fields = {};
  for (let left = random.below(5); left > 0; left -= 1) {
    const key = random.of(KEYS);
    if (random.chance(0.05)) define(fields, key, value(random, depth - 1), false);
    else if (random.chance(0.05)) {
      const shown = value(random, depth - 1);
      Object.defineProperty(fields, key, { get: () => shown, enumerable: true, configurable: true });
    } else define(fields, key, value(random, depth - 1));
  }
  switch (random.below(14)) {
    case 0:
      return Object.defineProperties(Object.create(null), Object.getOwnPropertyDescriptors(fields));
    case 1:
      return Object.defineProperties(Object.create({ a: 'inherited', c: 1 }), Object.getOwnPropertyDescriptors(fields));
    case 2:
      return Object.defineProperties(new Plain({}), Object.getOwnPropertyDescriptors(fields));
    case 3:
      return new Proxy(fields, {});
    case 4:
      return new Proxy(fields, { get: (target, key, self) => (key === 'a' ? 'x' : Reflect.get(target, key, self)) });
    case 5: {
      const shown = random.chance(0.1) ? () => 1 : value(random, depth - 1);
      return { toJSON: () => shown, a: 'hidden' };
    }
    default:
      return fields;
  }
}

/** Any value that JSON has something, or nothing, to say about. */
function value(random, depth) {
  const kind = random.below(depth > 0 ? 24 : 12);
  if (kind < 10) return random.of(SCALARS);
  switch (kind) {
    case 10:
      return random.of([undefined, () => 1, Symbol('s'), Object.assign(() => 1, { toJSON: () => 'x' })]);
    case 11:
      return random.of([
        new Date(0), new Date(NaN), new Number(1), new String('x'), new Boolean(true), Object(7n), new Map([['a', 1]]),
        new Uint8Array([1, 2]), Buffer.from('x'), new Error('x'), /x/, new URL('http://x/'),
      ]);
    case 12:
    case 13:
    case 14: {
      const items = Array.from({ length: random.below(4) }, () => value(random, depth - 1));
      if (random.chance(0.1)) items.length += 1;
      if (random.chance(0.05)) {
        const shown = random.of(SCALARS);
        items.toJSON = () => shown;
      }
      return random.chance(0.1) ? new Proxy(items, {}) : items;
    }
    case 15:
      return Array.from({ length: random.below(4) }, () => object(random, depth - 1));
    case 16:
      return Array.from({ length: random.below(5) }, () => random.of(SCALARS));
    default:
      return object(random, depth);
  }
}

/** Something that may be published. */
function payload(random) {
  if (random.chance(0.03)) return value(random, 3);
  return object(random, 4);
}

/** A value that may stand in a filter. */
function constant(random) {
  for (;;) {
    const scalar = random.of(SCALARS);
    if (typeof scalar === 'number' && !Number.isFinite(scalar)) continue;
    return typeof scalar === 'string' ? scalar.toWellFormed() : scalar;
  }
}

function alternative(random) {
  switch (random.below(10)) {
    case 0:
      return { exists: true };
    case 1:
      return { exists: false };
    case 2:
      return { 'anything-but': random.of(['x', 1, ['x', 'é'], [0, 1, 2]]) };
    case 3:
      return { prefix: random.of(['x', 'é', '1']) };
    case 4:
      return { numeric: random.of([['>', 0], ['<=', 1.5], ['>', 1, '<', 9007199254740993n], ['=', 2 ** 53], ['>=', 2n ** 63n]]) };
    case 5:
      return { suffix: random.of(['z', 'é', '\u{1f600}']) };
    default:
      return constant(random);
  }
}

/** A pattern, which need not be valid. */
function pattern(random, depth = 3) {
  const made = {};
  for (let left = random.chance(0.03) ? 0 : 1 + random.below(2); left > 0; left -= 1) {
    switch (depth > 0 ? random.below(12) : 0) {
      case 1:
        define(made, '$not', pattern(random, depth - 1));
        break;
      case 2:
        define(made, '$or', [pattern(random, depth - 1), pattern(random, depth - 1)]);
        break;
      case 3:
      case 4:
      case 5:
      case 6:
        define(made, random.of(KEYS), pattern(random, depth - 1));
        break;
      default:
        define(made, random.of(KEYS), Array.from({ length: 1 + random.below(2) }, () => alternative(random)));
    }
  }
  return made;
}

module.exports = { Random, payload, pattern };
