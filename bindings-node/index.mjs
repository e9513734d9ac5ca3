// The same classes as for `require`: there is one copy of each.

import distributary from './index.js';

export const {
  DistributaryError,
  Event,
  Filter,
  ForwardError,
  Gateway,
  Hub,
  LaggedError,
  MigrationError,
  Moving,
  NotHeardError,
  deny,
  reject,
} = distributary;
export default distributary;
