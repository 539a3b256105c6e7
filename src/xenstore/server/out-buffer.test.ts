// What waits for one client, as the bytes of xs_wire.h; and what a domain's connections hold
// together.
import { describe, expect, test } from 'vitest';
import { createEngine } from '../in-process.js';
import { encodeMessage, MESSAGE } from '../protocol/wire.js';
import { SERVER_LIMITS } from './client-limits.js';
import { DomainLedger } from './domain-ledger.js';
import { OutBuffer } from './out-buffer.js';
import { Session } from './session.js';

function buffer(limit = 1_000_000) {
  const account = { waitingBytes: 0 };
  let dirty = 0;
  const out = new OutBuffer(limit, account, () => dirty++);
  const waiting = () => Buffer.from(out.bytes.subarray(out.start, out.end));
  return { out, account, waiting, dirty: () => dirty };
}

describe('bytes that wait', () => {
  test('are messages with their header, short texts and long ones', () => {
    const { out, waiting, account } = buffer();
    const long = 'é'.repeat(100);
    out.reply(MESSAGE.read, 0x01020304, 0xfffefdfc, 'short');
    out.reply(MESSAGE.read, 1, 0, long);
    out.event('/a', long);
    const wanted = Buffer.concat([
      encodeMessage(MESSAGE.read, 0x01020304, 0xfffefdfc, 'short'),
      encodeMessage(MESSAGE.read, 1, 0, long),
      encodeMessage(MESSAGE.watchEvent, 0, 0, `/a\0${long}\0`),
    ]);
    expect(waiting().equals(wanted)).toBe(true);
    expect(out.length).toBe(wanted.length);
    expect(account.waitingBytes).toBe(wanted.length);
    expect(out.replies).toBe(2);
  });

  test('keep their order while some are sent and more come', () => {
    const { out, waiting, account } = buffer();
    const all: Buffer[] = [];
    let sent = 0;
    for (let at = 0; at < 200; at++) {
      const text = String(at).repeat(50 + (at % 60));
      all.push(encodeMessage(MESSAGE.read, at, 0, text));
      out.reply(MESSAGE.read, at, 0, text);
      const some = Math.min(out.length, at % 3 === 0 ? 120 : 0);
      out.sent(some);
      sent += some;
    }
    const whole = Buffer.concat(all);
    expect(waiting().equals(whole.subarray(sent))).toBe(true);
    expect(account.waitingBytes).toBe(whole.length - sent);
    // Nothing waited once the first was sent.
    expect(out.replies).toBe(199);
    out.sent(out.length);
    expect([out.length, out.replies, account.waitingBytes]).toEqual([0, 0, 0]);
    out.raw(Buffer.from('before'));
    expect([waiting().toString(), account.waitingBytes]).toEqual(['before', 6]);
  });

  test('are told of once, and when there are more than may be; nothing comes after that', () => {
    const { out, dirty, waiting } = buffer(100);
    out.reply(MESSAGE.read, 1, 0, 'x'.repeat(20));
    out.reply(MESSAGE.read, 2, 0, 'x'.repeat(20));
    expect([dirty(), out.overflowed]).toEqual([1, false]);
    // 72 bytes wait: 28 more are the limit.
    out.reply(MESSAGE.read, 3, 0, 'x'.repeat(12));
    expect([dirty(), out.overflowed, out.length]).toEqual([1, false, 100]);
    out.event('/', '');
    expect([dirty(), out.overflowed]).toEqual([2, true]);
    const before = waiting();
    out.reply(MESSAGE.read, 4, 0, '');
    out.event('/', '');
    expect(waiting().equals(before)).toBe(true);
    expect([dirty(), out.replies]).toEqual([2, 3]);
  });

  test('hold an event once while the client is behind, and again when it has read', () => {
    const { out } = buffer();
    const size = 16 + '/a\0t\0'.length;
    out.event('/a', 't');
    out.event('/a', 't');
    expect(out.length).toBe(2 * size);
    out.behind = true;
    for (let times = 0; times < 3; times++) out.event('/a', 't');
    expect(out.length).toBe(3 * size);
    out.event('/a', 'u');
    expect(out.length).toBe(4 * size);
    out.sent(out.length);
    expect(out.behind).toBe(false);
    out.event('/a', 't');
    out.event('/a', 't');
    expect(out.length).toBe(2 * size);
    out.behind = true;
    out.event('/a', 't');
    expect(out.length).toBe(3 * size);
  });

  test('give a large buffer back when all of them are sent', () => {
    const { out } = buffer();
    out.reply(MESSAGE.read, 1, 0, 'x'.repeat(100_000));
    expect(out.bytes.length).toBeGreaterThan(100_000);
    out.sent(out.length - 1);
    expect(out.bytes.length).toBeGreaterThan(100_000);
    out.sent(1);
    expect(out.bytes.length).toBeLessThan(70_000);
  });
});

const read = (requestId: number, path = 'fat') => encodeMessage(MESSAGE.read, requestId, 0, `${path}\0`);

function domain(domid: number, limits: Partial<typeof SERVER_LIMITS> = {}, personality: 'xenstored' | 'oxenstored' = 'xenstored') {
  const all = { ...SERVER_LIMITS, ...limits };
  const engine = createEngine({ personality });
  const ledger = new DomainLedger(all);
  const dom0 = new Session(engine, 0, all, ledger.account(0), () => {});
  const send = (session: Session, bytes: Buffer) => session.receive(bytes as never, bytes.length);
  send(dom0, encodeMessage(MESSAGE.introduce, 1, 0, `${domid}\0${1}\0${1}\0`));
  send(dom0, encodeMessage(MESSAGE.write, 1, 0, `/local/domain/${domid}/fat\0${'x'.repeat(1000)}`));
  send(dom0, encodeMessage(MESSAGE.setPermissions, 1, 0, `/local/domain/${domid}/fat\0n${domid}\0`));
  dom0.out.sent(dom0.out.length);
  const connect = (of = domid) => {
    const session = new Session(engine, of, all, ledger.account(of), () => {});
    ledger.add(session);
    return session;
  };
  return { engine, ledger, connect, send, dom0 };
}

describe('a session', () => {
  test('of domain 0 is read until too many bytes of replies wait, and goes on when fewer do', () => {
    const { connect, send } = domain(3, { waitingReplyBytes: 3000 });
    const session = connect(0);
    const question = read(1, '/local/domain/3/fat');
    send(session, Buffer.concat(Array.from({ length: 10 }, () => question)));
    // Each answer has 1,016 bytes: the third is within the limit, the fourth is not.
    expect([session.out.replies, session.listens, session.canResume]).toEqual([3, false, false]);
    expect(session.unanswered).toHaveLength(7 * question.length);
    expect(session.heldBytes).toBe(3 * 1016 + 7 * question.length);
    session.out.sent(48);
    // Exactly 3,000 bytes wait.
    expect([session.out.length, session.listens, session.canResume]).toEqual([3000, true, true]);
    session.resume();
    expect([session.out.replies, session.unanswered.length]).toEqual([4, 6 * question.length]);
    session.out.sent(session.out.length);
    session.resume();
    session.out.sent(session.out.length);
    session.resume();
    expect([session.out.replies, session.unanswered.length, session.canResume]).toEqual([3, 0, false]);
  });

  test('keeps what is no whole message, and cannot go on with it alone', () => {
    const { connect, send } = domain(3);
    const session = connect(0);
    send(session, read(1, '/none').subarray(0, 15));
    expect([session.unanswered.length, session.canResume, session.out.replies]).toEqual([15, false, 0]);
    session.resume();
    expect([session.unanswered.length, session.out.replies]).toEqual([15, 0]);
    send(session, Buffer.concat([read(1, '/none').subarray(15), read(2, '/none').subarray(0, 18)]));
    expect([session.unanswered.length, session.out.replies]).toEqual([18, 1]);
    session.close();
    expect([session.unanswered.length, session.listens, session.ending]).toEqual([0, false, true]);
    send(session, read(2, '/none').subarray(18));
    expect(session.out.replies).toBe(1);
  });

  test('of a guest waits while all connections of its domain hold too much', () => {
    const { connect, send, ledger } = domain(3, { waitingReplyBytes: 2500 });
    const [one, two] = [connect(), connect()];
    send(one, Buffer.concat([read(1), read(2)]));
    ledger.charge(one);
    expect([one.listens, two.listens]).toEqual([true, true]);
    send(two, Buffer.concat([read(1), read(2)]));
    expect([two.out.replies, one.listens, two.listens]).toEqual([1, false, false]);
    one.out.sent(one.out.length);
    expect([one.listens, two.listens, two.canResume]).toEqual([true, true, true]);
  });

  test('of a guest that is behind waits for its replies, by the quota of outstanding requests', () => {
    const { connect, send, ledger, engine } = domain(3);
    const { outstanding } = engine.quota;
    const [one, two] = [connect(), connect()];
    send(one, Buffer.concat(Array.from({ length: outstanding - 1 }, (_, at) => encodeMessage(MESSAGE.getDomainPath, at, 0, '1\0'))));
    ledger.charge(one);
    one.out.behind = true;
    expect([one.account.waitingReplies, one.listens, two.listens]).toEqual([outstanding - 1, true, true]);
    send(one, encodeMessage(MESSAGE.getDomainPath, 1, 0, '1\0'));
    expect(one.listens).toBe(false);
    expect(two.listens).toBe(true);
    ledger.charge(one);
    expect([one.account.waitingReplies, two.listens]).toEqual([outstanding, false]);
    one.out.sent(one.out.length);
    ledger.charge(one);
    expect([one.account.waitingReplies, one.listens, two.listens]).toEqual([0, true, true]);
  });
});

describe("a domain's connections", () => {
  test('are as many as may be, guests together as well; domain 0 has its own', () => {
    const { ledger, connect } = domain(3, { connections: 2, guestConnections: 2, allGuestConnections: 3 });
    expect(ledger.admits(3)).toBe(true);
    const [first] = [connect(3), connect(3)];
    expect([ledger.admits(3), ledger.admits(4)]).toEqual([false, true]);
    connect(4);
    expect([ledger.admits(4), ledger.admits(5)]).toEqual([false, false]);
    ledger.delete(first);
    // A second time changes nothing.
    ledger.delete(first);
    expect([ledger.admits(3), ledger.admits(4), ledger.admits(5)]).toEqual([true, true, true]);
    connect(5);
    expect([ledger.admits(3), ledger.admits(0)]).toEqual([false, true]);
    connect(0);
    expect(ledger.admits(0)).toBe(true);
    connect(0);
    expect(ledger.admits(0)).toBe(false);
  });

  test('lose the one with the most when they hold too much; what it held is then free', () => {
    const { ledger, connect, send } = domain(3, { guestWaitingBytes: 5000 });
    const [little, much] = [connect(), connect()];
    send(much, Buffer.concat([read(1), read(2), read(3)]));
    send(little, read(1));
    expect(ledger.charge(little)).toBeUndefined();
    const rest = read(2).subarray(0, 18);
    send(little, Buffer.concat([encodeMessage(MESSAGE.getDomainPath, 1, 0, '1\0'), rest]));
    // 4 answers of 1,016 bytes and one of 32, and 18 bytes that are not answered.
    expect(little.account.waitingBytes + little.account.unansweredBytes).toBe(4 * 1016 + 32 + 18);
    send(little, read(2).subarray(18));
    expect(ledger.charge(little) === much).toBe(true);
    const { account } = little;
    ledger.delete(much);
    expect([account.waitingBytes, account.waitingReplies, account.unansweredBytes]).toEqual([2 * 1016 + 32, 3, 0]);
    expect(ledger.charge(little)).toBeUndefined();
    ledger.delete(little);
    expect([account.waitingBytes, account.waitingReplies]).toEqual([0, 0]);
  });

  test('hold the limit exactly, domain 0 its own', () => {
    const limits = { guestWaitingBytes: 1016, dom0WaitingBytes: 2032 };
    const { ledger, connect, send } = domain(3, limits);
    const guest = connect();
    send(guest, read(1));
    expect(ledger.charge(guest)).toBeUndefined();
    send(guest, Buffer.of(0));
    expect(ledger.charge(guest) === guest).toBe(true);
    const dom0 = connect(0);
    send(dom0, Buffer.concat([read(1, '/local/domain/3/fat'), read(2, '/local/domain/3/fat')]));
    expect(ledger.charge(dom0)).toBeUndefined();
    send(dom0, Buffer.of(0));
    expect(ledger.charge(dom0) === dom0).toBe(true);
  });

  test('share what is read in one turn; of domain 0 each has it all', () => {
    const { ledger, connect } = domain(3, { turnBytes: 100 });
    const [one, two, other, dom0] = [connect(), connect(), connect(4), connect(0)];
    ledger.beginTurn();
    expect(ledger.allowance(one)).toBe(100);
    ledger.noteRead(one, 60);
    expect([one, two, other].map((each) => ledger.allowance(each))).toEqual([40, 40, 100]);
    ledger.noteRead(two, 50);
    expect(ledger.allowance(one)).toBe(0);
    ledger.noteRead(dom0, 70);
    expect(ledger.allowance(dom0)).toBe(100);
    ledger.beginTurn();
    expect(ledger.allowance(two)).toBe(100);
  });
});
