// Lets the examples find the package, and what it is developed with, without an `npm install` in each of their folders.

import { register } from 'node:module';

register('./resolve-hooks.mjs', import.meta.url);
