'use strict';

// The native half. It is private: whatever is public is in this folder's other files.

/** @returns {typeof import('../native')} */
function load() {
  try {
    return require('../native');
  } catch (cause) {
    throw new Error(
      'the native part of distributary is not there for this platform: install the package again without ' +
        '--omit=optional, or build it with cargo by `npm run build` in the package',
      { cause },
    );
  }
}

module.exports = load();
