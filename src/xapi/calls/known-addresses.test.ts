import { describe, expect, it } from 'vitest';
import { cheapUser } from '../../../test/support/cheap-user.js';
import { KNOWN_ADDRESSES, KNOWN_MS, KnownAddresses, networkOf } from './known-addresses.js';
import { SESSION_LIMITS, Sessions } from './sessions.js';
import { parseUsers } from './users.js';

describe('the network that a stranger is charged to', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2:ffff::9', '2001:db8:1:2::/64'],
    ['2001:db8::9', '2001:db8:0:0::/64'],
    ['2001:db8::1:2:3:4', '2001:db8:0:0::/64'],
    ['2001:db8::1:2:3:4:5', '2001:db8:0:1::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
    ['', ''],
  ])('%s: %s', (address, network) => expect(networkOf(address)).toBe(network));
});

const lines = [cheapUser('root', 'admin', 'a'), cheapUser('eye', 'read-only', 'b')];
const NEAR = ['2001:db8::1', '2001:db8::2:3'] as const;

describe('a principal', () => {
  it('is one for all strangers of a /64, and another one for an address with a login', async () => {
    const sessions = new Sessions(() => parseUsers(lines.join('\n'), 'users'));
    const stranger = { name: 'address 2001:db8:0:0::/64', rank: 'stranger' };
    expect(NEAR.map((one) => sessions.principalAt(one))).toEqual([stranger, stranger]);
    await sessions.login('eye', 'b', '', NEAR[0]);
    expect(NEAR.map((one) => sessions.principalAt(one))).toEqual([
      { name: `address ${NEAR[0]}`, rank: 'known', user: 'user eye' },
      stranger,
    ]);
  });

  it('is a stranger again once the user is removed, and an administrator while the role says so', async () => {
    let users = parseUsers(lines.join('\n'), 'users');
    const sessions = new Sessions(() => users);
    await sessions.login('root', 'a', '', 'home');
    // A login of somebody else there does not take it away.
    await sessions.login('eye', 'b', '', 'home');
    expect(sessions.principalAt('home')).toEqual({ name: 'address home', rank: 'root', user: 'user root' });
    users = parseUsers(lines[1]!, 'users');
    expect(sessions.principalAt('home').rank).toBe('stranger');
  });

  it('who guesses passwords waits at every address of its /64', async () => {
    const sessions = new Sessions(() => parseUsers(lines.join('\n'), 'users'));
    const refusal = (address: string) => sessions.login('root', 'x', '', address).catch((error: Error) => error.message);
    for (let guess = 0; guess < SESSION_LIMITS.freeGuesses + 1; guess++) await refusal(`2001:db8::${guess}`);
    expect(await refusal('2001:db8::ffff')).toMatch(/Too many attempts/);
    expect(await refusal('2001:db8:0:1::')).not.toMatch(/Too many attempts/);
  });
});

describe('known addresses', () => {
  it("that are too many push out those of the user with the most, never another one's", () => {
    const known = new KnownAddresses(() => 0);
    known.add('home', 'root', 'root');
    for (let index = 0; index <= KNOWN_ADDRESSES; index++) known.add(`far-${index}`, 'eye', 'known');
    expect(known.get('home')).toMatchObject({ user: 'root' });
    expect([known.get('far-0'), known.get('far-1'), known.get('far-2')]).toEqual([null, null, expect.anything()]);
  });

  it('are forgotten after a day', () => {
    let now = 0;
    const known = new KnownAddresses(() => now);
    known.add('::ffff:192.0.2.7', 'root', 'root');
    now = KNOWN_MS - 1;
    expect(known.get('192.0.2.7')).not.toBeNull();
    now = KNOWN_MS;
    expect(known.get('192.0.2.7')).toBeNull();
  });
});

describe('sessions of all users that are too many', () => {
  it("end the least recently used one of the user with the most, never another one's", async () => {
    const users = parseUsers(['root', 'a', 'b'].map((name) => cheapUser(name, 'admin', 'x')).join('\n'), 'users');
    const sessions = new Sessions(() => users, { ...SESSION_LIMITS, sessions: 10, sessionsOfUser: 6 });
    const { ref } = await sessions.login('root', 'x', '', 'home');
    for (const user of ['a', 'b', 'a', 'b']) {
      for (let index = 0; index < 6; index++) await sessions.login(user, 'x', '', 'far');
    }
    expect(sessions.count).toBe(10);
    expect(sessions.get(ref).user).toBe('root');
  });
});
