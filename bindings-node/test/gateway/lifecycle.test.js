'use strict';

// From the start of a gateway to its end, however that comes: closed, drained, with its process or its worker thread.

const assert = require('node:assert/strict');
const { fork } = require('node:child_process');
const { once } = require('node:events');
const net = require('node:net');
const path = require('node:path');
const { describe, it } = require('node:test');
const { Worker } = require('node:worker_threads');

const { Gateway } = require('../../lib/gateway');
const { Hub } = require('../../lib/hub');
const { connect, heard, refused, serve, speak, stream, until, within } = require('./rig');

const authorize = () => ({ topics: 'a' });

/** A program that starts a gateway and does what it is told. */
const PROGRAM = path.join(__dirname, 'program.js');

describe('a gateway', () => {
  it('listens where it is told, and says where that is', async (t) => {
    const server = await serve(t, { authorize, listen: { port: 0 }, admin: { host: 'localhost', port: 0 } });
    const { address, adminAddress } = server.gateway;
    assert.equal(address.address, '127.0.0.1');
    assert.equal(address.family, 'IPv4');
    assert.notEqual(adminAddress.port, address.port);
    const host = adminAddress.family === 'IPv6' ? `[${adminAddress.address}]` : adminAddress.address;
    const metrics = await fetch(`http://${host}:${adminAddress.port}/metrics`);
    assert.match(await metrics.text(), /distributary/);
    const health = await fetch(`http://${host}:${adminAddress.port}/healthz`);
    assert.equal(health.status, 200);
    assert.equal(await server.gateway.start(), server.gateway);
  });

  it('has no address before it starts, and none when it is closed', async () => {
    const gateway = new Gateway(new Hub(), { listen: '127.0.0.1:0', authorize });
    assert.equal(gateway.address, null);
    assert.throws(() => gateway.stats(), { code: 'ERR_CLOSED' });
    await assert.rejects(gateway.drain(1), { code: 'ERR_CLOSED' });
    const never = new Gateway(new Hub(), { listen: '127.0.0.1:0', authorize });
    await never.close();
    await assert.rejects(never.start(), { code: 'ERR_CLOSED' });
    await gateway.start();
    assert.notEqual(gateway.address, null);
    assert.equal(gateway.adminAddress, null);
    await gateway.close();
    assert.equal(gateway.address, null);
    assert.throws(() => gateway.stats(), { code: 'ERR_CLOSED' });
    await assert.rejects(gateway.start(), { code: 'ERR_CLOSED' });
    await assert.rejects(gateway.drain(1), { code: 'ERR_CLOSED' });
    await gateway.close();
  });

  it('is not started where somebody else listens', async (t) => {
    const taken = net.createServer().listen(0, '127.0.0.1');
    t.after(() => taken.close());
    await once(taken, 'listening');
    const { port } = taken.address();
    for (const [options, name] of [
      [{ listen: `127.0.0.1:${port}` }, 'listen'],
      [{ listen: '127.0.0.1:0', admin: { port } }, 'admin'],
    ]) {
      const gateway = new Gateway(new Hub(), { authorize, ...options });
      await assert.rejects(gateway.start(), (error) => {
        assert.equal(error.code, 'ERR_LISTEN');
        assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}, which was given as \`${name}\`: .*in use`));
        return true;
      });
      await assert.rejects(gateway.start(), { code: 'ERR_CLOSED' });
      await gateway.close();
    }
    const nowhere = new Gateway(new Hub(), { authorize, listen: 'no-such-host.invalid:1' });
    await assert.rejects(nowhere.start(), { code: 'ERR_LISTEN' });
    const path = new Gateway(new Hub(), { authorize, listen: '127.0.0.1:0', path: '/a b' });
    await assert.rejects(path.start(), { code: 'ERR_BAD_OPTION', message: /no client can ask for the path/ });
  });

  it('closes its clients with 1001, tells of their end, and then is closed', async (t) => {
    const ended = heard();
    const server = await serve(t, { authorize, onEnd: ended });
    const [plain, json] = [await connect(t, server.ws), await speak(t, server.ws)];
    const events = await stream(t, server.http);
    await server.gateway.close();
    assert.equal(ended.waiting(), 3);
    for (let i = 0; i < 3; i += 1) assert.deepEqual((await ended.next())[1], { reason: 'closed', code: 1001 });
    assert.equal((await plain.closed()).code, 1001);
    assert.equal((await json.closed()).code, 1001);
    await within('end', events.ended);
    await assert.rejects(connect(t, server.ws), /ECONNREFUSED/);
  });

  it('closes its clients when the hub is closed', async (t) => {
    const ended = heard();
    const server = await serve(t, { authorize, onEnd: ended });
    const client = await connect(t, server.ws);
    server.hub.close();
    assert.equal((await client.closed()).code, 1001);
    assert.deepEqual((await ended.next())[1], { reason: 'closed', code: 1001 });
  });

  it('of a closed hub turns newcomers away, says so to whoever asks for its health, and does not start', async (t) => {
    const asked = heard();
    const server = await serve(t, {
      admin: { port: 0 },
      authorize(request) {
        asked(request);
        return { topics: 'a' };
      },
    });
    const health = async () => (await fetch(`http://127.0.0.1:${server.gateway.adminAddress.port}/healthz`)).status;
    assert.equal(await health(), 200);
    server.hub.close();
    assert.equal(await health(), 503);
    const { status, headers } = await refused(server.ws);
    assert.equal(status, 503);
    assert.match(headers['retry-after'], /^\d+$/);
    assert.equal((await fetch(server.http, { headers: { accept: 'text/event-stream' } })).status, 503);
    assert.equal(asked.waiting(), 0);
    const late = new Gateway(server.hub, { listen: '127.0.0.1:0', authorize });
    await assert.rejects(late.start(), { code: 'ERR_CLOSED', name: 'DistributaryError', message: /the hub is closed/ });
    await late.close();
  });

  it('drains no later because it is told to drain again', async (t) => {
    const server = await serve(t, { authorize });
    await Promise.all(Array.from({ length: 5 }, () => connect(t, server.ws)));
    const began = performance.now();
    const first = server.gateway.drain(300);
    const second = server.gateway.drain(60_000);
    await within('both drains', Promise.all([first, second]));
    assert.ok(performance.now() - began < 8_000);
  });

  it('is closed while it starts, and while it drains', async (t) => {
    const gateway = new Gateway(new Hub(), { listen: '127.0.0.1:0', authorize });
    const starting = gateway.start();
    await gateway.close();
    await starting;
    assert.equal(gateway.address, null);

    const server = await serve(t, { authorize });
    const client = await connect(t, server.ws);
    const draining = server.gateway.drain(3_600_000);
    await new Promise((resolve) => setImmediate(resolve));
    await within('close', server.gateway.close());
    await within('drain', draining);
    assert.ok([1001, 1012].includes((await client.closed()).code));
  });

  it('turns those away who are being asked about when it is closed', async (t) => {
    const asked = heard();
    const server = await serve(t, {
      authorize(request) {
        asked(request);
        return new Promise(() => {});
      },
    });
    const ended = connect(t, server.ws).then(
      () => 'open',
      () => 'refused',
    );
    const [request] = await asked.next();
    await within('close', server.gateway.close());
    assert.equal(await within('refusal', ended), 'refused');
    assert.equal(request.signal.aborted, true);
  });

  it('drains: everybody goes within the time, is told when to come back, and newcomers are refused', async (t) => {
    const ended = heard();
    const server = await serve(t, { authorize, admin: { port: 0 }, onEnd: ended });
    const clients = await Promise.all(Array.from({ length: 20 }, () => speak(t, server.ws)));
    const began = performance.now();
    const draining = server.gateway.drain(400);
    for (const client of clients) client.socket.on('close', () => (client.gone = performance.now() - began));
    await until('draining', async () => {
      const answer = await fetch(`http://127.0.0.1:${server.gateway.adminAddress.port}/healthz`);
      return (await answer.text()).includes('draining');
    });
    const { status, headers } = await refused(server.ws);
    assert.equal(status, 503);
    assert.match(headers['retry-after'], /^\d+$/);
    await within('drain', draining);
    for (const client of clients) {
      const { code } = await client.closed();
      assert.equal(code, 1012);
      let message;
      do message = await client.json();
      while (message.type !== 'reconnect');
      assert.ok(message.after_ms > 0);
    }
    const times = clients.map((client) => client.gone).sort((a, b) => a - b);
    assert.ok(times.at(-1) - times[0] > 200, `all within ${times.at(-1) - times[0]} ms`);
    for (let i = 0; i < 20; i += 1) assert.equal((await ended.next())[1].reason, 'drained');
    await assert.rejects(server.gateway.drain(), { code: 'ERR_BAD_OPTION' });
  });

  it('takes a hub and options, and nothing else', () => {
    const hub = new Hub();
    const listen = '127.0.0.1:0';
    for (const [given, options, message] of [
      [{}, { listen, authorize }, /hub is a Hub, not an object/],
      [undefined, { listen, authorize }, /hub is a Hub, not undefined/],
      [hub, undefined, /give `authorize`/],
      [hub, { listen }, /give `authorize`/],
      [hub, { authorize }, /give `listen`/],
      [hub, { authorize: 1, listen }, /authorize is a function, not 1/],
      [hub, { authorize, listen, onopen() {} }, /there is no option "onopen"/],
      [hub, { authorize, listen: 8080 }, /options are an object, not 8080/],
      [hub, { authorize, listen: '8080' }, /listen is a host and a port/],
      [hub, { authorize, listen: { port: 65_536 } }, /port is a whole number from 0 to 65535/],
      [hub, { authorize, listen: { host: 'a' } }, /listen: give a port/],
      [hub, { authorize, listen: { host: 1, port: 1 } }, /host is a string/],
      [hub, { authorize, listen, path: 'a' }, /path is a text that begins with '\/'/],
      [hub, { authorize, listen, jsonProtocol: 1 }, /jsonProtocol is a boolean/],
      [hub, { authorize, listen, limits: { connection: 1 } }, /limits: there is no option "connection"/],
      [hub, { authorize, listen, limits: { connections: 0 } }, /connections is a whole number from 1/],
      [hub, { authorize, listen, limits: { handshakeTimeout: 0 } }, /handshakeTimeout is a time in milliseconds, more than 0/],
      [hub, { authorize, listen, limits: { retryAfter: 5 } }, /retryAfter is the earliest and the latest time/],
      [hub, { authorize, listen, limits: { retryAfter: [5, 1] } }, /lies after the latest/],
      [hub, { authorize, listen, limits: { ping: { every: 5 } } }, /give timeout too/],
      [hub, { authorize, listen, limits: { ping: 5 } }, /ping: options are an object/],
      [hub, { authorize, listen, limits: { fragment: 10 } }, /fragment is a whole number from 1024/],
      [hub, { authorize, listen, limits: { slice: { time: 0 } } }, /time is a time in milliseconds/],
      [hub, { authorize, listen, backlog: { messages: 0 } }, /messages is a whole number from 1/],
    ]) {
      assert.throws(() => new Gateway(given, options), (error) => {
        assert.ok(error instanceof TypeError);
        assert.equal(error.code, 'ERR_BAD_OPTION');
        assert.match(error.message, message);
        return true;
      });
    }
  });
});

describe('the process', () => {
  /** Runs the program, and gives what it said last and how it ended. */
  async function run(t, what) {
    const child = fork(PROGRAM, [what], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    t.after(() => child.kill('SIGKILL'));
    let errors = '';
    child.stderr.on('data', (chunk) => (errors += chunk));
    const exited = once(child, 'exit');
    const said = heard();
    child.on('message', (message) => said(message));
    return { child, said, exited: () => within('exit', exited), errors: () => errors };
  }

  it('lives while a gateway listens, and ends when it is closed', async (t) => {
    const program = await run(t, 'close');
    const [port] = await program.said.next();
    await assert.rejects(within('exit', once(program.child, 'exit'), 300));
    const client = await connect(t, `ws://127.0.0.1:${port}`);
    program.child.send('go');
    assert.deepEqual(await program.exited(), [0, null], program.errors());
    assert.equal((await client.closed()).code, 1001);
  });

  it('ends with a gateway that does not keep it, though not before what it waits for', async (t) => {
    const program = await run(t, 'unref');
    assert.deepEqual(await program.exited(), [3, null], program.errors());
  });

  it('may exit with clients that are connected and asked about', async (t) => {
    const program = await run(t, 'exit');
    const [port] = await program.said.next();
    const clients = await Promise.all(Array.from({ length: 20 }, () => connect(t, `ws://127.0.0.1:${port}`)));
    for (const { socket } of clients) socket.send('x');
    connect(t, `ws://127.0.0.1:${port}/never`).catch(() => {});
    program.child.send('go');
    assert.deepEqual(await program.exited(), [7, null], program.errors());
    for (const client of clients) await client.closed();
  });

  it('is told of an onError that throws as of any exception', async (t) => {
    const program = await run(t, 'throw');
    const [port] = await program.said.next();
    connect(t, `ws://127.0.0.1:${port}`).catch(() => {});
    assert.deepEqual(await program.exited(), [1, null]);
    assert.match(program.errors(), /Error: onError/);
  });
});

describe('a worker thread', () => {
  it('serves by a gateway of its own, and can be terminated with clients connected', async (t) => {
    const hub = new Hub();
    const worker = new Worker(PROGRAM, { argv: ['worker'], workerData: { token: hub.share() } });
    t.after(() => worker.terminate());
    const [port] = await within('port', once(worker, 'message'));
    const url = `ws://127.0.0.1:${port}`;
    const clients = await Promise.all(Array.from({ length: 20 }, () => connect(t, url)));
    hub.publish('a', 'x');
    for (const client of clients) assert.equal(await client.next(), 'x');
    const asked = connect(t, `${url}/never`).then(
      () => 'open',
      () => 'refused',
    );
    await within('asked', once(worker, 'message'));
    for (const { socket } of clients) socket.send('x');
    await within('end', worker.terminate());
    for (const client of clients) assert.ok([1001, 1006].includes((await client.closed()).code));
    assert.equal(await within('refusal', asked), 'refused');
    // The process goes on, and so does the hub.
    const server = await serve(t, { hub, authorize });
    const client = await connect(t, server.ws);
    hub.publish('a', 'y');
    assert.equal(await client.next(), 'y');
  });
});
