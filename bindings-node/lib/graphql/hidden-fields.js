'use strict';

// A warning for filters that can never match, because payloads have what they ask for where JSON does not show it.
//
// A getter of a class or a field of a prototype is not seen by a filter, as it would not be in JSON; a closure sees it.
// Nothing is read here but whether keys are there, so that no getter runs.

/** How many payloads of a trigger are looked at. */
const LOOKS = 3;

class HiddenFields {
  #trigger;
  #fields;
  #left = LOOKS;

  /**
   * @param {string} trigger
   * @param {import('../filter').Filter} filter
   */
  constructor(trigger, filter) {
    this.#trigger = trigger;
    this.#fields = filter.native.fields();
  }

  /** Looks at a payload that nobody wanted, if it is one of the first. @param {any} payload */
  look(payload) {
    if (this.#left === 0) return;
    this.#left--;
    const field = this.#fields.find((name) => isHidden(payload, name.split('.')));
    if (field === undefined) return;
    this.#left = 0;
    process.emitWarning(
      `a filter on ${this.#trigger} asks for ${field}, which payloads inherit and do not have as their own: filters see ` +
        'what JSON.stringify shows. Publish plain objects, or give the class a toJSON()',
      { type: 'DistributaryWarning', code: 'DISTRIBUTARY_HIDDEN_FIELD' },
    );
  }
}

/**
 * @param {any} object
 * @param {string[]} path
 */
function isHidden(object, path) {
  try {
    for (const key of path) {
      if (typeof object !== 'object' || object === null || key in Object.prototype || Array.isArray(object)) return false;
      if ('toJSON' in object) return false;
      const own = Object.getOwnPropertyDescriptor(object, key);
      if (own === undefined) return key in object;
      object = own.value;
    }
  } catch {
    // A proxy that does not tell.
  }
  return false;
}

exports.HiddenFields = HiddenFields;
