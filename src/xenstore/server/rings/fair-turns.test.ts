// The rings' share of the server's time: each has a limit in each turn, and waiting requests are
// read later without an event.
import { describe, expect, it } from 'vitest';
import { createEngine } from '../../in-process.js';
import { MESSAGE } from '../../protocol/wire.js';
import { SERVER_LIMITS, type ServerLimits } from '../client-limits.js';
import { FakeXen, RING } from './fake-xen.js';
import { HostRings } from './host-rings.js';

/** 60 names of 40 characters: their list is more than two rings. */
const WIDE = Array.from({ length: 60 }, (_, i) => `/wide/${String(i).padStart(40, 'x')}\0`);

function open(limits: Partial<ServerLimits> = {}) {
  const xen = new FakeXen();
  let clock = 0;
  const engine = createEngine({ personality: 'xenstored', nowMs: () => clock });
  const rings = new HostRings(engine, { doors: xen.doors(), domainState: () => 'lives' }, { ...SERVER_LIMITS, ...limits }, () => {});
  engine.onDomain = (domid, introduced) => (introduced ? rings.attach(domid) : rings.detach(domid));
  const events = () => {
    while (xen.pending.length > 0) rings.turn();
  };
  const turn = () => {
    events();
    rings.flush();
  };
  const ask = (domid: number, type: number, payload: string) => {
    xen.send(domid, type, payload);
    turn();
    return xen.received(domid);
  };
  ask(0, MESSAGE.introduce, '5\x00123\x007\0');
  ask(0, MESSAGE.write, '/local/domain/5\0');
  ask(0, MESSAGE.setPermissions, '/local/domain/5\0n5\0');
  for (const path of WIDE) ask(0, MESSAGE.mkdir, path);
  ask(0, MESSAGE.setPermissions, '/wide\0r0\0');
  const words = (domid: number) => new Uint32Array(xen.pages.get(domid)!);
  /** The domain has read what is in its ring. */
  const read = (domid: number) => {
    words(domid)[514] = words(domid)[515]!;
    xen.pending.push(domid + 100);
  };
  return { xen, engine, rings, events, turn, ask, words, read, pass: (ms: number) => (clock += ms) };
}

describe('a ring', () => {
  it('that the domain fills as fast as it is read leaves time for others', () => {
    const { xen, engine, rings, words } = open({ turnBytes: 2 * RING });
    let more = 400;
    const long = `${'x'.repeat(100)}\0`;
    const process = engine.process.bind(engine);
    engine.process = (client, request) => {
      process(client, request);
      words(5)[514] = words(5)[515]!;
      if (client.domid === 5 && more-- > 0) xen.send(5, MESSAGE.read, long);
    };
    xen.send(5, MESSAGE.read, long);
    const before = words(5)[512]!;
    rings.turn();
    const share = words(5)[512]!;
    expect(share - before).toBeLessThan(3 * RING);
    expect(more).toBeGreaterThan(0);
    // The rest is read without an event.
    rings.flush();
    expect(words(5)[512]).toBeGreaterThan(share);
  });

  it('whose domain exceeded its rate is read again when it may go on, without an event', () => {
    const { xen, rings, turn, ask, pass, words } = open();
    ask(0, MESSAGE.transactionStart, '\0');
    let answers = 0;
    for (; answers < 3000 && ask(5, MESSAGE.write, '/local/domain/5/name\0x').length > 0; answers++);
    expect(answers).toBeLessThan(3000);
    turn();
    expect(xen.received(5)).toEqual([]);
    pass(60_000);
    rings.flush();
    rings.flush();
    expect(xen.received(5)).toEqual([[MESSAGE.write, 'OK\0']]);
    expect(words(5)[512]).toBe(words(5)[513]);
  });

  it('gets no reply for a change of a request that waited, if the change may be lost', () => {
    const { xen, engine, rings, turn, read } = open({ waitingReplyBytes: 64 });
    xen.send(5, MESSAGE.directory, '/wide\0');
    xen.send(5, MESSAGE.write, '/local/domain/5/name\0lost');
    turn();
    const isWritten = () => [...engine.nodes('/local/domain/5')].some(({ value }) => value === 'lost');
    expect(isWritten()).toBe(false);
    for (let parts = 0; parts < 5 && !isWritten(); parts++) {
      read(5);
      turn();
    }
    expect(isWritten()).toBe(true);
    rings.uncertain();
    expect(xen.unbound).toEqual([105]);
  });

  it('of a domain that a request which waited has released is not written to', () => {
    const { xen, events, rings, read } = open({ waitingReplyBytes: 64 });
    xen.send(0, MESSAGE.directory, '/wide\0');
    xen.send(0, MESSAGE.release, '5\0');
    events();
    rings.flush();
    for (let parts = 0; parts < 5 && xen.released.length === 0; parts++) {
      read(0);
      xen.send(5, MESSAGE.read, 'name\0');
      events();
      rings.flush();
    }
    rings.flush();
    expect(xen.released).toEqual([5]);
    for (const [page, then] of xen.gone) expect(Buffer.from(page).equals(then)).toBe(true);
  });
});
