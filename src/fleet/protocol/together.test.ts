// Several claims in one entry of the log: each is decided, started and settled by itself.
import { describe, expect, it } from 'vitest';
import { type Claim, claimsOf, decodeMap, encodeClaim, encodeClaims, encodeMap, type LightMap, MOST_TOGETHER } from './entries.js';
import { Owner } from './owner.js';
import { Picture } from './picture.js';
import { Placer } from './placer.js';
import { claimSubject, mapSubject, ownerSubject } from './subjects.js';

const claimOf = (mib: number, start = 's'): Claim => ({ parts: [[0, mib]], vcpus: 1, start });
const LIGHT: LightMap = {
  ...{ epoch: 1, number: 1, vms: 0, drifted: 0, draining: false, runs: '', tags: [], absorbed: [], dead: [], settled: 0, together: true },
  nodes: [{ memoryMib: 100, freeMib: 100, cores: 8, vcpus: 0, cpus: '0-7' }],
};

/** One host with 100 MiB, its owner and a placer, on a log that all of them read at once. */
function fleet(map: LightMap = LIGHT) {
  const entries: { place: number; subject: string; text: string }[] = [];
  const events: string[] = [];
  const flushes: (() => void)[] = [];
  const started = new Set<string>();
  let free = 100;
  const send = (subject: string, text: string) => {
    entries.push({ place: entries.length + 1, subject, text });
  };
  const placer = new Placer({ name: 'p', process: 'x', send, gather: (flush) => flushes.push(flush) });
  const owner = new Owner({
    ...{ host: 'h', name: 'o', leaseMs: 1000, marginMs: 100, send },
    figures: () => ({ ...map, nodes: [{ ...map.nodes[0]!, freeMib: free }], started }),
  });
  let read = 0;
  const settle = () => {
    for (const flush of flushes.splice(0)) flush();
    for (; read < entries.length; read++) {
      placer.read({ ...entries[read]!, pending: 0 });
      owner.read(entries[read]!, 0);
    }
  };
  const claim = (mib: number) =>
    placer.claim('h', claimOf(mib), {
      granted: (id) => events.push(`${id} granted`),
      ended: (id, how) => events.push(`${id} ${how}`),
    });
  const start = (id: string, mib: number) => {
    const admitted = owner.admit(id, 's');
    if (admitted !== 'start') return admitted;
    free -= mib;
    owner.ended(id, true);
    return admitted;
  };
  placer.caughtUp();
  owner.take();
  settle();
  return { placer, owner, entries, events, settle, claim, start, claimTexts: () => entries.filter(({ text }) => text.startsWith('{"b"')) };
}

describe('claims of one moment on one host', () => {
  it('share an entry, and each has its own promise in their order', () => {
    const { claim, settle, events, claimTexts } = fleet();
    for (const mib of [60, 50, 40, 1]) claim(mib);
    settle();
    expect(claimTexts()).toHaveLength(1);
    // The second has no room beside the first. It counts until it is deleted, as any claim does.
    expect(events).toEqual(['p.x-1_0 granted', 'p.x-1_1 refused', 'p.x-1_2 refused', 'p.x-1_3 refused']);
  });

  it('are started, given up and settled one by one, and the entry is deleted when all of them are', () => {
    const { placer, claim, settle, events, start, entries, owner } = fleet();
    const [first, second, third] = [claim(30), claim(30), claim(30)];
    settle();
    expect(start(first, 30)).toBe('start');
    settle();
    placer.giveUp(second);
    settle();
    expect(events.slice(3)).toEqual([`${first} absorbed`, `${second} given up`]);
    const subject = claimSubject('h', 'p.x-1');
    expect(entries.filter((entry) => entry.subject === subject)).toHaveLength(1);
    expect(start(third, 30)).toBe('start');
    settle();
    expect(entries.filter((entry) => entry.subject === subject).at(-1)?.text).toMatch(/^-/);
    expect([owner.openClaims, placer.open, placer.picture.hosts.get('h')?.claims.size]).toEqual([0, 0, 0]);
  });

  it('that are given up are deleted again until the log has the deletion', () => {
    const { placer, claim, settle, entries } = fleet();
    const id = claim(30);
    settle();
    placer.giveUp(id);
    // The connection was lost with it.
    entries.pop();
    settle();
    expect(placer.picture.hosts.get('h')?.claims.size).toBe(1);
    placer.repeatDeletions();
    settle();
    expect(placer.picture.hosts.get('h')?.claims.size).toBe(0);
    const length = entries.length;
    placer.repeatDeletions();
    expect(entries).toHaveLength(length);
  });

  it('that are all given up leave no entry', () => {
    const { placer, claim, settle, entries, owner } = fleet();
    const ids = [claim(10), claim(10)];
    settle();
    for (const id of ids) placer.giveUp(id);
    settle();
    owner.tick(1);
    settle();
    expect(entries.findLast((entry) => entry.subject === claimSubject('h', 'p.x-1'))?.text).toMatch(/^-/);
  });

  it('are at most 32 in an entry', () => {
    const { claim, settle, claimTexts } = fleet();
    for (let vm = 0; vm < MOST_TOGETHER + 1; vm++) claim(1);
    settle();
    expect(claimTexts().map(({ text }) => (JSON.parse(text) as { b: unknown[] }).b.length)).toEqual([MOST_TOGETHER, 1]);
  });

  it('have entries of their own where the host is of an earlier version', () => {
    const { placer, entries } = fleet();
    const { together: _, ...before } = LIGHT;
    placer.read({ place: 99, subject: ownerSubject('old', before.epoch, 'o'), text: '{}', pending: 0 });
    placer.read({ place: 100, subject: mapSubject('old'), text: encodeMap(before), pending: 0 });
    const id = placer.claim('old', claimOf(1), { granted() {}, ended() {} });
    expect(entries.at(-1)).toMatchObject({ subject: claimSubject('old', id), text: encodeClaim(claimOf(1)) });
  });
});

describe('an entry of claims', () => {
  const texts = (count: number) => encodeClaims(Array.from({ length: count }, (_, at) => claimOf(at + 1)));

  it('of 1 or 32 has its claims in their order, all before the next entry', () => {
    for (const count of [1, 32]) {
      const claims = claimsOf('p.x-1', 7, texts(count));
      expect(claims.map(({ claim }) => claim?.parts[0]?.[1])).toEqual(Array.from({ length: count }, (_, at) => at + 1));
      expect(claims.map(({ place }) => place)).toEqual([...claims].map(({ place }) => place).sort((a, b) => a - b));
      expect([claims[0]!.place, claims.at(-1)!.place < 8, new Set(claims.map(({ id }) => id)).size]).toEqual([7, true, count]);
    }
  });

  it.each([
    ['no claim', texts(0)],
    ['33 claims', texts(33)],
    [
      'a claim without memory',
      JSON.stringify({
        b: [
          { p: [[0, 1]], c: 1, s: 's' },
          { p: [], c: 1, s: 's' },
        ],
      }),
    ],
    ['a claim that is null', '{"b":[null]}'],
    ['no list', '{"b":{"length":1}}'],
  ])('with %s is one unreadable claim, which takes the whole host', (_, text) => {
    expect(claimsOf('p.x-1', 7, text)).toEqual([{ id: 'p.x-1', place: 7, claim: null }]);
    const picture = new Picture();
    picture.read({ place: 0.5, subject: ownerSubject('h', 1, 'o'), text: '{}', pending: 0 });
    picture.read({ place: 1, subject: mapSubject('h'), text: encodeMap(LIGHT), pending: 0 });
    picture.read({ place: 2, subject: claimSubject('h', 'p.x-1'), text, pending: 0 });
    expect(picture.freeBefore('h', 3)).toEqual([0]);
  });

  it('that a shorter one replaces leaves the same picture as the shorter one alone', () => {
    const picture = new Picture();
    const subject = claimSubject('h', 'p.x-1');
    picture.read({ place: 0.5, subject: ownerSubject('h', 1, 'o'), text: '{}', pending: 0 });
    picture.read({ place: 1, subject: mapSubject('h'), text: encodeMap(LIGHT), pending: 0 });
    picture.read({ place: 2, subject, text: texts(3), pending: 0 });
    for (const [at, text] of [texts(2), encodeClaim(claimOf(5)), '-'].entries()) {
      picture.read({ place: 3 + at, subject, text, pending: 0 });
      const alone = new Picture();
      alone.read({ place: 0.5, subject: ownerSubject('h', 1, 'o'), text: '{}', pending: 0 });
      alone.read({ place: 1, subject: mapSubject('h'), text: encodeMap(LIGHT), pending: 0 });
      alone.read({ place: 3 + at, subject, text, pending: 0 });
      expect(picture.hosts.get('h')?.claims, text).toEqual(alone.hosts.get('h')?.claims);
    }
  });
});

it('a claim that is written again while its VM starts is not started twice', () => {
  const { owner, claim, settle, entries } = fleet();
  const id = claim(30);
  settle();
  expect(owner.admit(id, 's')).toBe('start');
  const { subject, text } = entries.find((entry) => entry.text.startsWith('{"b"'))!;
  owner.read({ place: 1000, subject, text }, 0);
  expect(owner.admit(id, 's')).toBe('started');
  owner.ended(id, true);
  owner.read({ place: 1001, subject, text }, 0);
  expect(owner.admit(id, 's')).toEqual({ refused: 'the claim is absorbed' });
  expect(decodeMap(entries.findLast((entry) => entry.subject === mapSubject('h'))!.text)?.absorbed).toEqual([id]);
});
