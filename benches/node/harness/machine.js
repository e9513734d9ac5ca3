'use strict';

// What the figures were measured on, and with which versions.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** The packages whose versions decide the figures. */
const PACKAGES = [
  'distributary',
  '@graphql-yoga/subscription',
  'graphql',
  'graphql-redis-subscriptions',
  'graphql-subscriptions',
  'ioredis',
  'mqemitter',
  'ws',
];

/**
 * A Markdown table, with a line feed at its end.
 *
 * @param {string} command that wrote the report
 */
function describe(command) {
  const lines = {
    date: new Date().toISOString().slice(0, 10),
    command,
    processor: os.cpus()[0]?.model ?? '',
    cores: os.availableParallelism(),
    memory: `${(os.totalmem() / 2 ** 30).toFixed(1)} GiB`,
    kernel: os.release(),
    node: `${process.version}, V8 ${process.versions.v8}`,
    versions: [...PACKAGES.map(withVersion), redis()].join(', '),
  };
  const table = Object.entries(lines).map(([name, value]) => `| ${name} | ${value} |\n`);
  return `| | |\n|---|---|\n${table.join('')}`;
}

/** @param {string} name */
function withVersion(name) {
  const manifest = path.join(__dirname, '../node_modules', name, 'package.json');
  return `${name} ${JSON.parse(fs.readFileSync(manifest, 'utf8')).version}`;
}

function redis() {
  const version = /v=(\S+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }));
  return `redis-server ${version?.[1] ?? '?'}`;
}

module.exports = { describe };
