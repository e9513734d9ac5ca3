'use strict';

const contenders = require('../contenders/sockets');
const { canPin, pin } = require('../harness/cores');
const { Unit } = require('../harness/rounds');
const { Line, target } = require('../harness/report');
const { median } = require('../harness/samples');
const { Fleet, clock } = require('../load/clients');
const { Heartbeat } = require('../load/heartbeat');
const { turn, until } = require('../load/subscribers');

const CLIENTS = 10_000;
const LEAVING = 500;
const BROADCASTS = 9;
const WARM = 4;

const COST = 'processor time of a send';
const LAST = 'until the last client has it, per send';
const LEFT = '500 leave';
const BLOCK = 'longest block';

/** @param {contenders.Contender} contender */
const contender = ({ name, open }) => ({
  name,
  async run() {
    pin(process.pid, 0);
    const { WebSocketServer } = require('ws');
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, backlog: 4_096, perMessageDeflate: false });
    await new Promise((resolve) => server.on('listening', resolve));
    let closed = 0;
    let lastClosed = 0;
    server.on('connection', (socket) => {
      socket.on('error', () => {});
      socket.on('close', () => {
        closed += 1;
        lastClosed = clock();
      });
    });
    const fleet = new Fleet();
    await fleet.connect(/** @type {import('node:net').AddressInfo} */ (server.address()).port, CLIENTS);
    await until(() => server.clients.size === CLIENTS, () => `${server.clients.size} of ${CLIENTS} clients`);
    const { bytes, send } = open(server.clients);

    const costs = [];
    const times = [];
    for (let broadcast = 0; broadcast < WARM + BROADCASTS; broadcast += 1) {
      globalThis.gc?.();
      const { received } = await fleet.expect(bytes * CLIENTS);
      await turn();
      const before = process.cpuUsage();
      const started = clock();
      send();
      const last = await received;
      const { user, system } = process.cpuUsage(before);
      if (broadcast < WARM) continue;
      costs.push(((user + system) * 1_000) / CLIENTS);
      times.push((last - started) / CLIENTS);
    }
    if (closed > 0) throw new Error(`${closed} clients left too early`);

    const { left } = await fleet.leaveAtNext(LEAVING);
    const heartbeat = new Heartbeat();
    await turn();
    heartbeat.begin();
    for (let broadcast = 0; broadcast < 10; broadcast += 1) send();
    await until(() => closed >= LEAVING, () => `${closed} of ${LEAVING} have been seen to leave`);
    heartbeat.stop();
    const took = lastClosed - (await left);
    return [median(costs), median(times), took, heartbeat.longest];
  },
});

/** @type {import('../harness/rounds').Row} */
module.exports = {
  name: 'sockets',
  question:
    `One event of 4 KB to 10,000 clients of \`ws\` in other processes${canPin() ? ', on another core' : ''}; ` +
    'then ten such events at once, and 500 clients leave when the first arrives: from the last of them having closed ' +
    "its socket until all 'close' events were seen.",
  rounds: 3,
  figures: [
    [COST, Unit.NANOS],
    [LAST, Unit.NANOS],
    [LEFT, Unit.NANOS],
    [BLOCK, Unit.NANOS],
  ],
  contenders: [contenders.pipe, contenders.bare, contenders.buffer, contenders.mastodon].map(contender),
  lines(of) {
    const { pipe, bare, buffer, mastodon } = contenders;
    const line = (/** @type {string} */ figure, /** @type {contenders.Contender} */ peer, more = {}) =>
      new Line(figure, of(pipe.name, figure), { peer: of(peer.name, figure), ...more });
    const noDearer = { target: target.ratioAtMost(1.1) };
    return [
      line(COST, bare, noDearer),
      line(COST, buffer),
      line(COST, mastodon),
      line(LAST, bare),
      line(LAST, buffer),
      line(LAST, mastodon),
      line(LEFT, bare),
      line(LEFT, buffer),
      line(LEFT, mastodon, { target: target.ratioAtMost(1 / 20) }),
      line(BLOCK, bare),
      line(BLOCK, buffer),
      line(BLOCK, mastodon, { note: 'during those ten events' }),
    ];
  },
};
