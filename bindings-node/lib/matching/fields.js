'use strict';

// The fields that filters name, as a tree of keys: what of a payload has to be looked at.
//
// A payload is walked by its own keys, not by those of the filters. That is what JSON does, so inherited and hidden
// properties stay out and a key with dots (`{ 'a.b': 1 }` spells the field of `{ a: { b: 1 } }`) is noticed where it
// stands; and it is quicker, for V8 keeps the keys of objects of one shape in a list. Payloads of one topic mostly are
// of one shape, so a node remembers which key came at which position and where it led.
//
// An object of very many keys is the exception: V8 has no list of those. There a node asks for the keys that would lead
// somewhere, one by one.

/** How many keys of an object a node remembers by position. */
const REMEMBERED = 32;

/** Beyond how many keys an object is wide. */
const WIDE = 128;

/** How many payloads are asked for single keys before the keys of one are gone through again. */
const WHILE_WIDE = 100;

/** How many single keys may be asked for. */
const SPELLINGS = 256;

/** A key on the way to some field, or the field itself. */
class Node {
  /** The number of the field, or -1 if only fields below are named. */
  field = -1;

  /** @type {Map<string, Node>} */
  #children = new Map();

  /** Whether some child has children, so that a key with a dot may lead somewhere. */
  #hasGrandchildren = false;

  /** Keys by position, and the nodes they led to. @type {string[]} */
  keys = [];

  /** @type {(Node | null)[]} */
  steps = [];

  /** For how many more payloads this is taken for wide. */
  #wide = 0;

  /** Every key that leads somewhere; null if they are too many. @type {readonly string[] | null | undefined} */
  #spellings;

  /** Whether some field lies below. */
  get isInner() {
    return this.#children.size > 0;
  }

  /**
   * Where a key leads that came at a position of an object, or null.
   *
   * @param {string} key
   * @param {number} position
   * @returns {Node | null}
   */
  step(key, position) {
    if (this.keys[position] === key) return this.steps[position];
    const step = this.#find(key);
    if (position >= 0 && position < REMEMBERED && position <= this.keys.length) {
      this.keys[position] = key;
      this.steps[position] = step;
    }
    return step;
  }

  /**
   * @param {string} key
   * @returns {Node | null}
   */
  #find(key) {
    const child = this.#children.get(key);
    if (child !== undefined) return child;
    if (!this.#hasGrandchildren || !key.includes('.')) return null;
    /** @type {Node | undefined} */
    let node = this;
    for (const segment of key.split('.')) {
      node = node.#children.get(segment);
      if (node === undefined) return null;
    }
    return node;
  }

  /**
   * The keys to ask an object for one by one, if objects here have too many to go through.
   *
   * @returns {readonly string[] | null}
   */
  asked() {
    if (this.#wide === 0) return null;
    this.#wide -= 1;
    return this.#spellings ?? null;
  }

  /**
   * Whether an object of so many keys should better be asked for single ones, from now on.
   *
   * @param {number} keys
   */
  isTooWide(keys) {
    if (keys <= WIDE) return false;
    if (this.#spellings === undefined) {
      const spellings = [...this.#spelt('')];
      this.#spellings = spellings.length > SPELLINGS ? null : spellings;
    }
    if (this.#spellings === null) return false;
    this.#wide = WHILE_WIDE;
    return true;
  }

  /**
   * @param {string} before
   * @returns {Generator<string>}
   */
  *#spelt(before) {
    for (const [segment, child] of this.#children) {
      yield before + segment;
      yield* child.#spelt(`${before}${segment}.`);
    }
  }

  /**
   * The tree of some fields.
   *
   * @param {readonly string[]} fields segments with dots between them
   */
  static tree(fields) {
    const root = new Node();
    fields.forEach((field, number) => {
      let node = root;
      const segments = field.split('.');
      segments.forEach((segment, depth) => {
        let child = node.#children.get(segment);
        if (child === undefined) node.#children.set(segment, (child = new Node()));
        if (depth < segments.length - 1) node.#hasGrandchildren = true;
        node = child;
      });
      node.field = number;
    });
    return root;
  }
}

exports.Node = Node;
