// The same streams from the gateway: the sockets are written, pinged, timed out and closed on native threads. JavaScript
// is asked once for each client, and never for a delivery.

import { Gateway, reject } from 'distributary';
import { PATHS, Refusal, selectorOf } from './streams.js';

/**
 * @param {import('distributary').Hub} hub
 * @param {import('./people.js').People} people
 * @param {number} port
 */
export async function serve(hub, people, port) {
  const gateway = new Gateway(hub, {
    listen: { port },
    path: PATHS,
    // A token may come as the name of a protocol; so none of the gateway's own.
    jsonProtocol: false,
    async authorize(request) {
      const [offered] = request.protocols;
      try {
        const selector = await selectorOf(people, new URL(request.url, 'http://localhost'), request.bearer ?? offered);
        // Browsers want the protocol that they offered to be chosen.
        return { ...selector, protocol: offered };
      } catch (error) {
        if (error instanceof Refusal) return reject(error.status, { body: `${error.message}\n` });
        throw error;
      }
    },
  });
  await gateway.start();
  return {
    address: `127.0.0.1:${gateway.address.port}`,
    async close() {
      // Clients leave spread over some time, and do not all come back at once.
      await gateway.drain(2_000);
      await gateway.close();
    },
  };
}
