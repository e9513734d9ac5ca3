'use strict';

// The native half. It is private: whatever is public is in this folder's other files.

/** @returns {typeof import('../native')} */
function load() {
  try {
    return require('../native');
  } catch (cause) {
    throw new Error(
      `the native part of distributary was not loaded (${reason(cause)}): build it with cargo by \`npm run build\` in ` +
        'the package if it is missing, and start Node such that it loads addons',
      { cause },
    );
  }
}

/**
 * What the first attempt to load it failed with; each further one has the one before it as its cause.
 *
 * @param {any} error
 */
function reason(error) {
  while (error.cause instanceof Error) error = error.cause;
  return String(error.message).split('\n', 1)[0];
}

module.exports = load();
