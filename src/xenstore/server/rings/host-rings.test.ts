// The rings of a host over a fake Xen.
import { beforeEach, describe, expect, it } from 'vitest';
import { createEngine } from '../../in-process.js';
import { MESSAGE } from '../../protocol/wire.js';
import type { Personality } from '../../store/limits.js';
import { SERVER_LIMITS } from '../client-limits.js';
import { EXCEPTIONS, FakeXen, HEADER, RING } from './fake-xen.js';
import { HostRings } from './host-rings.js';

describe.each<Personality>(['xenstored', 'oxenstored'])('the rings of a host, as %s', (personality) => {
  let xen: FakeXen;
  let rings: HostRings;
  let log: string[];
  const turn = () => {
    while (xen.pending.length > 0) rings.turn();
    rings.flush();
  };
  const ask = (domid: number, type: number, payload: string) => {
    xen.send(domid, type, payload);
    turn();
    return xen.received(domid);
  };

  beforeEach(() => {
    xen = new FakeXen();
    log = [];
    const engine = createEngine({ personality });
    const domainState = (domid: number) => xen.states.get(domid) ?? 'lives';
    rings = new HostRings(engine, { doors: xen.doors(), domainState }, SERVER_LIMITS, (line) => log.push(line));
    engine.onDomain = (domid, introduced) => (introduced ? rings.attach(domid) : rings.detach(domid));
    engine.onPort = (domid) => rings.rebind(domid);
    // oxenstored knows Domain-0 by its introduction.
    if (personality === 'oxenstored') ask(0, MESSAGE.introduce, '0\x000\x001\0');
    ask(0, MESSAGE.introduce, '5\x00123\x007\0');
    ask(0, MESSAGE.write, '/local/domain/5\0');
    ask(0, MESSAGE.setPermissions, '/local/domain/5\0n5\0');
  });

  it('answers dom0 and a guest, and tells each of changes that it watches', () => {
    expect(ask(5, MESSAGE.write, 'name\0guest')).toEqual([[MESSAGE.write, 'OK\0']]);
    expect(ask(0, MESSAGE.read, '/local/domain/5/name\0')).toEqual([[MESSAGE.read, 'guest']]);
    ask(0, MESSAGE.watch, '/local/domain/5\0mine\0');
    expect(ask(5, MESSAGE.write, 'data\0x')).toEqual([[MESSAGE.write, 'OK\0']]);
    expect(xen.received(0)).toEqual([[MESSAGE.watchEvent, '/local/domain/5/data\0mine\0']]);
  });

  it('binds the new event channel of a domain that is introduced again', () => {
    expect(xen.bound.at(-1)).toEqual([5, 7]);
    expect(ask(0, MESSAGE.introduce, '5\x00123\x008\0')).toEqual([[MESSAGE.introduce, 'OK\0']]);
    expect(xen.bound.at(-1)).toEqual([5, 8]);
    expect(xen.unbound).toEqual([105]);
    expect(xen.released).toEqual([]);
    expect(ask(5, MESSAGE.write, 'name\0guest')).toEqual([[MESSAGE.write, 'OK\0']]);
  });

  it('reads what follows an introduction as it is, whatever the new domain has in its ring', () => {
    xen.mapped = (domid) => xen.send(domid, MESSAGE.read, `${'x'.repeat(200)}\0`);
    xen.send(0, MESSAGE.introduce, '6\x00124\x009\0');
    xen.send(0, MESSAGE.write, '/after\0value');
    xen.send(0, MESSAGE.read, '/after\0');
    turn();
    expect(xen.received(0)).toEqual([
      [MESSAGE.introduce, 'OK\0'],
      [MESSAGE.write, 'OK\0'],
      [MESSAGE.read, 'value'],
    ]);
    turn();
    expect(xen.received(6)).toEqual([[MESSAGE.error, expect.stringMatching(/^(EACCES|ENOENT)\0$/)]]);
  });

  it('sends a new domain no event before it has asked for something', () => {
    expect(xen.notified.filter((port) => port === 105)).toEqual([]);
    ask(5, MESSAGE.directory, '/\0');
    expect(xen.notified).toContain(105);
  });

  it('holds an answer that is larger than the ring until the domain has read', () => {
    for (let i = 0; i < 40; i++) ask(0, MESSAGE.mkdir, `/wide/${'x'.repeat(60)}${i}\0`);
    xen.send(0, MESSAGE.directory, '/wide\0');
    turn();
    const page = new Uint32Array(xen.pages.get(0)!);
    expect((page[515]! - page[514]!) >>> 0).toBe(RING);
    const parts: number[] = [];
    for (let reads = 0; reads < 5; reads++) {
      while (page[514] !== page[515]) parts.push(new Uint8Array(xen.pages.get(0)!)[RING + (page[514]!++ % RING)]!);
      xen.pending.push(100);
      turn();
    }
    const whole = Buffer.from(parts);
    expect(whole.readUInt32LE(12)).toBe(whole.length - HEADER);
    expect(
      whole
        .toString('latin1', HEADER)
        .split('\0')
        .filter((name) => name !== ''),
    ).toHaveLength(40);
  });

  it('closes the ring of a domain that breaks it, and of no other', () => {
    new Uint32Array(xen.pages.get(5)!)[513]! += 5000;
    xen.pending.push(105);
    turn();
    expect(xen.unbound).toEqual([105]);
    expect(xen.released).toEqual([5]);
    expect(log.at(-1)).toMatch(/^the ring of domain 5 is closed: its indices are \d+ bytes apart/);
    expect(ask(0, MESSAGE.read, '/local/domain/5\0')).toEqual([[MESSAGE.read, '']]);
  });

  it('tells of a domain that shut down, and releases it when it is gone', () => {
    ask(0, MESSAGE.watch, '@releaseDomain\0end\0');
    const happened = (state: 'shut down' | 'gone') => {
      xen.states.set(5, state);
      xen.pending.push(EXCEPTIONS);
      turn();
      return xen.received(0);
    };
    expect(happened('shut down')).toEqual([[MESSAGE.watchEvent, '@releaseDomain\0end\0']]);
    expect(happened('shut down')).toEqual([]);
    expect(happened('gone')).toEqual([[MESSAGE.watchEvent, '@releaseDomain\0end\0']]);
    expect(xen.released).toEqual([5]);
    expect(ask(0, MESSAGE.isDomainIntroduced, '5\0')).toEqual([[MESSAGE.isDomainIntroduced, 'F\0']]);
  });

  it('gives no reply for a change that may be lost', () => {
    xen.send(5, MESSAGE.write, 'name\0lost');
    while (xen.pending.length > 0) rings.turn();
    rings.uncertain();
    rings.flush();
    expect(xen.received(5)).toEqual([]);
    expect(xen.unbound).toEqual([105]);
  });
});
