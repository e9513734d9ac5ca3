'use strict';

// The options of Redis are the engine's: its own tests read the same table, which has all that it knows.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { describe, it } = require('node:test');
const tls = require('node:tls');

const { Hub } = require('../..');

const root = path.join(__dirname, '../../..');
const rows = fs
  .readFileSync(path.join(root, 'core/testdata/redis/options.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((row) => JSON.parse(row));

/** `queue_bytes` is `queueBytes`. */
const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

/** Values that are said in another shape here. */
const SHAPES = {
  sentinel_credentials: ([user, password]) => ({ user, password }),
  modes: Object.fromEntries,
};

/** How defaults are told to people. */
const DEFAULTS = {
  log_length: (events) => events.toLocaleString('en'),
  queue_bytes: (bytes) => `${bytes / 2 ** 20} MiB`,
};

function given({ option, url = 'redis://127.0.0.1:1' }, value) {
  const said = { [camel(option)]: (SHAPES[option] ?? ((it) => it))(value) };
  return option === 'urls' ? said : { url, ...said };
}

const known = rows.flatMap(({ option }) => (option === 'urls' ? ['url', 'urls'] : [camel(option)]));

describe('certificates to trust', () => {
  const one = tls.rootCertificates[0];
  const open = (rootCertificates) => {
    const redis = { url: 'rediss://127.0.0.1:1', rootCertificates };
    new Hub({ redis: /** @type {any} */ (redis) }).close();
  };

  it('are given as tls takes them', () => {
    const commented = `# häll\u00f6\n${one}`;
    for (const given of [one, commented, Buffer.from(one), new TextEncoder().encode(commented), tls.rootCertificates, [Buffer.from(one), one]]) {
      open(given);
    }
  });

  it('are no files, and at least one', () => {
    for (const given of ['/etc/ssl/certs/ca.pem', '', [], Buffer.of(0x30, 0x82)]) {
      assert.throws(() => open(given), { code: 'ERR_BAD_OPTION', message: /redis: rootCertificates hold no certificate/ });
    }
    for (const given of [5, null, [5], {}]) {
      assert.throws(() => open(given), { code: 'ERR_BAD_OPTION', message: /rootCertificates is PEM, as a string, a Buffer or a list/ });
    }
  });
});

describe('the options of Redis', () => {
  const types = fs.readFileSync(path.join(root, 'bindings-node/index.d.ts'), 'utf8');
  const [, body] = /** @type {RegExpMatchArray} */ (/export interface RedisOptions \{\n(.*?)\n\}/s.exec(types));
  const members = new Map([...body.matchAll(/\/\*\*(.*?)\*\/\s*(\w+)\?:/gs)].map(([, told, name]) => [name, told]));

  it('are those of the engine, typed and known', () => {
    assert.deepEqual([...members.keys()], known);
    assert.throws(() => new Hub({ redis: /** @type {any} */ ({ colour: 'red' }) }), (/** @type {Error} */ error) => {
      assert.deepEqual(error.message.split('there are ')[1].split(', '), known);
      return true;
    });
  });

  for (const row of rows) {
    const name = camel(row.option);
    if (row.default !== undefined) {
      it(`${name}: its default is told`, () => {
        const usual = (DEFAULTS[row.option] ?? ((millis) => millis.toLocaleString('en')))(row.default);
        assert.match(members.get(name) ?? '', new RegExp(`Default: ${usual}\\.`));
      });
    }
    if (row.least !== undefined) {
      it(`${name}: ${JSON.stringify(row.least)} can be`, () => {
        new Hub({ redis: given(row, row.least) }).close();
      });
    }
    if (row.bad !== undefined) {
      it(`${name}: ${JSON.stringify(row.bad)} is refused in the engine's words`, () => {
        const words = row.words.replace(row.option, name);
        assert.throws(() => new Hub({ redis: given(row, row.bad) }), (/** @type {Error} */ error) => {
          assert.ok(error instanceof TypeError && error.message.includes(words), String(error));
          return true;
        });
      });
    }
  }
});
