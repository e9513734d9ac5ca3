'use strict';

// The rows of the report, in its order.

/** @type {import('../harness/rounds').Row[]} */
module.exports = [
  require('./equality'),
  require('./redis'),
  require('./mix'),
  ...require('./json'),
  require('./burst'),
  require('./fanout'),
  require('./sockets'),
  require('./memory'),
];
