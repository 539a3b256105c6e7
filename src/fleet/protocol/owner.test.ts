// The owner's decision on claims that no placer could decide: it is the same as the log's.
import { describe, expect, it } from 'vitest';
import { decodeMap, encodeClaim, type LightMap } from './entries.js';
import { Leases } from './leases.js';
import { Owner } from './owner.js';
import { claimSubject } from './subjects.js';

/** A host of one node with 100 MiB, whose entries come back from the log when `echo` is called. */
function hostOf100(more: Partial<Pick<LightMap, 'tags' | 'cpuPercent'>> = {}) {
  const sent: { subject: string; text: string }[] = [];
  let place = 0;
  const owner = new Owner({
    ...{ host: 'x', name: 'x-1', leaseMs: 1000, marginMs: 100 },
    figures: () => ({
      nodes: [{ memoryMib: 100, freeMib: 100, cores: 8, vcpus: 0, cpus: '0-7' }],
      ...{ vms: 0, drifted: 0, draining: false, runs: '', tags: [], started: new Set<string>(), ...more },
    }),
    send: (subject, text) => sent.push({ subject, text }),
  });
  const read = (subject: string, text: string) => owner.read({ place: ++place, subject, text }, 0);
  const echo = () => {
    for (const { subject, text } of sent.splice(0)) read(subject, text);
  };
  const claim = (id: string, mib: number) => read(claimSubject('x', id), encodeClaim({ parts: [[0, mib]], vcpus: 1, start: 's' }));
  owner.take();
  echo();
  echo();
  const restart = () => {
    place = 0;
    sent.splice(0);
    owner.restart();
  };
  return { owner, sent, read, echo, claim, restart };
}

it('a start is admitted behind all earlier claims only', () => {
  const { owner, claim } = hostOf100();
  claim('p.x-1', 60);
  claim('p.x-2', 60);
  claim('p.x-3', 40);
  expect(owner.admit('p.x-2', 's')).toBe('later');
  expect(owner.admit('p.x-1', 's')).toBe('start');
  expect(owner.admit('p.x-3', 's')).toBe('later');
});

it('a claim whose start failed holds its memory until the log says so: its placer may still count on it', () => {
  const { owner, sent, echo, claim } = hostOf100();
  claim('p.x-1', 60);
  claim('p.x-2', 60);
  expect(owner.admit('p.x-1', 's')).toBe('start');
  owner.ended('p.x-1', false);
  expect(decodeMap(sent.at(-1)!.text)?.dead).toEqual(['p.x-1']);
  expect(owner.admit('p.x-2', 's')).toBe('later');
  echo();
  expect(owner.admit('p.x-2', 's')).toBe('start');
});

it("a placer's dead claims, however many, are named by maps that can be read, and all deleted", () => {
  const { owner, sent, echo, claim } = hostOf100();
  for (let at = 1; at <= 10_000; at++) claim(`p.x-${at}`, 1);
  for (let second = 20; owner.openClaims > 0 && second < 60; second++) {
    owner.tick(second * 1000);
    const maps = sent.filter(({ subject }) => subject === 'h.x.m');
    for (const { text } of maps) expect(decodeMap(text)).not.toBeNull();
    while (sent.length > 0) echo();
  }
  expect(owner.openClaims).toBe(0);
  claim('q.x-1', 100);
  expect(owner.admit('q.x-1', 's')).toBe('start');
});

it('the lease of a process with a claim counts, also after a time in which nothing was heard', () => {
  const { owner, sent, claim } = hostOf100();
  claim('p.x-1', 60);
  const isDead = () => sent.flatMap(({ text }) => decodeMap(text)?.dead ?? []).includes('p.x-1');
  for (let nowMs = 900; nowMs < 20_000; nowMs += 900) {
    owner.heard('p.x', nowMs);
    owner.tick(nowMs);
  }
  // This process slept for an hour.
  owner.restartLeases(3_600_000);
  for (let nowMs = 3_600_100; nowMs < 3_605_000; nowMs += 900) {
    owner.tick(nowMs);
    owner.heard('p.x', nowMs);
  }
  expect(isDead()).toBe(false);
  owner.tick(3_610_000);
  expect(isDead()).toBe(true);
});

it('takes a new epoch when a forged deletion hides its maps, and its placers see the host again', () => {
  const { owner, sent, read } = hostOf100();
  expect(owner.epoch).toBe(1);
  // One that no map of this epoch has been sent for, and such as only their placer writes.
  for (const text of ['-', '-1.1', '-2.1', '-999999999.1']) read('h.x.r.p.x-1', text);
  owner.tick(100);
  expect(sent.filter(({ subject }) => subject.includes('.o.'))).toEqual([]);
  read('h.x.r.p.x-1', '-1.999999999999999');
  owner.tick(200);
  expect(sent.map(({ subject }) => subject)).toEqual(['h.x.o.2.x-1']);
  for (const { subject, text } of sent.splice(0)) read(subject, text);
  expect([owner.isOwner, owner.epoch]).toEqual([true, 2]);
  expect(sent.map(({ subject }) => subject)).toEqual(['h.x.m']);
});

it('remembers the leases of processes with claims only, however many others a placer names', () => {
  const leases = new Leases();
  leases.follow('p.x', 0);
  for (let at = 0; at < 10_000; at++) leases.heard(`p.other-${at}`, 1);
  expect([leases.size, leases.lastMs('p.x'), leases.lastMs('p.other-1')]).toEqual([1, 0, 0]);
});

it('a host that no map can describe publishes none, rather than one after the other that nobody reads', () => {
  expect(() => hostOf100({ tags: ['x'.repeat(129)] })).toThrow(/more nodes, CPUs, tags or text/);
});

it('the use of the CPUs is in each map, and no reason for one', () => {
  const more = { cpuPercent: 10 };
  const { owner, sent, echo } = hostOf100(more);
  more.cpuPercent = 90;
  owner.publish();
  expect(sent).toEqual([]);
  // A map a lease: it says that the owner lives.
  owner.tick(2000);
  expect(sent.map(({ text }) => decodeMap(text)?.cpuPercent)).toEqual([90]);
  echo();
});

describe('another log', () => {
  it('is read from its beginning; the host is taken again, and a start under way keeps its memory', () => {
    const { owner, sent, echo, claim, restart } = hostOf100();
    claim('p.x-1', 60);
    claim('p.x-2', 30);
    expect(owner.admit('p.x-1', 's')).toBe('start');
    restart();
    expect(owner.newest).toBeNull();
    expect(owner.admit('p.x-2', 's')).toMatchObject({ refused: expect.stringContaining('does not own') });
    owner.take();
    echo();
    expect(owner.isOwner).toBe(true);
    // Greater than in the old log, which a placer may have read.
    expect(owner.epoch).toBe(2);
    expect(owner.admit('p.x-1', 's')).toBe('started');
    expect(owner.admit('p.x-2', 's')).toBe('later');
    claim('q.x-1', 60);
    expect(owner.admit('q.x-1', 's')).toBe('later');
    owner.ended('p.x-1', false);
    expect(decodeMap(sent.at(-1)!.text)?.dead).toEqual(['p.x-1']);
    echo();
    echo();
    expect(owner.admit('q.x-1', 's')).toBe('start');
  });

  it('does not start again what was settled in the old one', () => {
    const { owner, echo, claim, restart } = hostOf100();
    claim('p.x-1', 60);
    owner.refuse('p.x-1');
    restart();
    owner.take();
    echo();
    claim('p.x-1', 60);
    expect(owner.admit('p.x-1', 's')).toMatchObject({ refused: expect.stringContaining('dead') });
  });
});

it('says when somebody has taken the last epoch, and takes none that nobody can read', () => {
  const { owner, sent, read } = hostOf100();
  read('h.x.o.999999999.rogue', '{}');
  expect(owner.wasReplaced).toBe(true);
  expect(() => owner.tick(1e6)).toThrow(/no epoch is left for this host: purge h\.x\.o\.999999999\.rogue/);
  expect(sent.filter(({ subject }) => subject.includes('.o.'))).toEqual([]);
});
