// The connection to XenStore is lost once, at each request of an operation in turn, before or after
// the request took effect: no key stays of a domain that is not there, and the VM can be used on.
import { expect, it } from 'vitest';
import { machine, vm } from '../../../test/support/toolstack.js';
import { XenstoreClient } from '../../xenstore/client/client.js';
import { MemoryTransport } from '../../xenstore/client/memory-transport.js';
import type { Transport } from '../../xenstore/client/transport.js';
import { type EmbeddedHost, embeddedHost } from '../hosts/embedded-host.js';
import { createToolstack } from './toolstack.js';

const OPTIONS = { profile: 'xapi-26.3', policy: 'best_effort', seed: 1 } as const;

type Loss = 'before' | 'after';

/** A client whose connection is lost once, at the request that the test names. */
function losing({ store: { engine } }: EmbeddedHost) {
  const state = { requests: 0, at: Number.POSITIVE_INFINITY, loss: 'before' as Loss };
  const connect = (): Transport => {
    const inner = new MemoryTransport(engine, 0);
    return {
      start: (events) => inner.start(events),
      send(message) {
        if (state.requests++ !== state.at) return inner.send(message);
        // The reply never arrives.
        const lost = new MemoryTransport(engine, 0);
        lost.start({ message: () => {}, closed: () => {} });
        if (state.loss === 'after' && message.readUInt32LE(8) === 0) lost.send(message);
        lost.close();
        return inner.close();
      },
      close: () => inner.close(),
    };
  };
  return { state, xs: new XenstoreClient(connect(), { reconnect: async () => connect() }) };
}

async function lostAt(operation: 'start' | 'stop' | 'migrateLocal', at: number, loss: Loss) {
  const host = await embeddedHost(machine([2048, 2048], 2), { profile: 'xapi-26.3' });
  const { state, xs } = losing(host);
  const toolstack = await createToolstack({ ...host, xs }, OPTIONS);
  await toolstack.add(vm('a', 2, 256));
  if (operation !== 'start') await toolstack.start('a');
  state.requests = 0;
  state.at = at;
  state.loss = loss;
  await toolstack[operation]('a');
  const { requests } = state;
  const domids = host.xc.domainList().map(({ domid }) => domid);
  const left = host.store.list().filter(({ path }) => /^\/(local\/domain|libxl|xenops\/domain|vm\/[^/]+\/domains)\/\d+$/.test(path));
  const stray = left.filter(({ path }) => !domids.includes(Number(path.split('/').at(-1))));
  return { toolstack, host, requests, domids, stray: stray.map(({ path }) => path) };
}

it.each(['start', 'stop', 'migrateLocal'] as const)('%s', { timeout: 300_000 }, async (operation) => {
  const whole = await lostAt(operation, Number.POSITIVE_INFINITY, 'before');
  expect(whole.requests).toBeGreaterThan(5);
  for (const loss of ['before', 'after'] as const) {
    for (let at = 0; at < whole.requests; at++) {
      const where = `${loss} request ${at}`;
      const { toolstack, domids, stray, host } = await lostAt(operation, at, loss);
      const [state] = toolstack.vms();
      expect(domids, where).toEqual(state!.domid === null ? [0] : [0, state!.domid]);
      expect(stray, where).toEqual([]);
      // It goes on as if nothing had happened.
      if (state!.domid === null) expect((await toolstack.start('a')).failure, where).toBeNull();
      expect((await toolstack.stop('a')).failure, where).toBeNull();
      await toolstack.remove('a');
      expect(host.store.list('/vm').length, where).toBe(1);
    }
  }
});
