// Greedy thin clients: what POST /cli does before a login is little, charged, and soon over.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { thinCliOf } from '../../src/cli/answers/serve-thin-cli.js';
import { parseUsers } from '../../src/xapi/calls/users.js';
import { cheapUser } from '../support/cheap-user.js';
import { type TestDaemon, testDaemon, testFront } from '../support/daemon.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const end of ends.splice(0).reverse()) await end();
});

async function served(): Promise<{ daemon: TestDaemon; open: () => Promise<Socket> }> {
  const users = parseUsers(cheapUser('root', 'admin', 'x'), 'users');
  const daemon = await testDaemon({ users: () => users });
  const front = await testFront(daemon, { thinCli: thinCliOf(daemon), failed: () => {} });
  ends.push(
    () => daemon.close(),
    () => front.close(),
  );
  const open = async (): Promise<Socket> => {
    const socket = connect({ host: '127.0.0.1', port: front.port, allowHalfOpen: true });
    ends.push(() => socket.destroy());
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  };
  return { daemon, open };
}

const GREETING = Buffer.concat([Buffer.from('XenSource thin CLI protocol'), Buffer.from([0, 0, 0, 0, 2, 0, 0, 0])]);
const requestOf = (words: readonly string[]): string => {
  const body = words.join('\n');
  return `POST /cli HTTP/1.0\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
};

/** All that the server sends until it closes. */
async function answerTo(socket: Socket, words: readonly string[]): Promise<string> {
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('latin1');
  });
  socket.once('end', () => socket.end());
  socket.write(requestOf(words));
  socket.write(GREETING);
  await once(socket, 'close');
  return answer;
}

const many = (count: number) => Array.from({ length: count }, (_, index) => `a${index}`);

it.each([
  ['help on one word after the other', ['help', ...many(20_000)]],
  ['help on one command again and again', ['help', ...Array.from({ length: 20_000 }, () => 'vm-list')]],
  ['help on as many words as a command may have', ['help', ...many(1000)]],
  ['a command that needs a login, of many words', ['vm-list', ...many(20_000)]],
  ['a command that there is not, of many words', ['vm-lost', ...many(20_000)]],
])('%s: a short answer', { timeout: 60_000 }, async (_, words) => {
  const { open } = await served();
  expect((await answerTo(await open(), words)).length).toBeLessThan(1000);
});

it('help on 32 commands at a time is given, and each once', async () => {
  const { open } = await served();
  const answer = await answerTo(await open(), ['help', ...many(31), 'vm-list', 'vm-list']);
  expect(answer.match(/command name/g)).toHaveLength(1);
  expect(answer.match(/Unknown command 'a\d+'/g)).toHaveLength(31);
});

it.each([
  ['a part of the request', 'POST /cli HTTP/1.0\r\n'],
  ['no greeting', requestOf(['help'])],
  ['a part of the greeting', `${requestOf(['help'])}XenSource`],
  ['a whole command', requestOf(['help']) + GREETING.toString('latin1')],
  ['a command in a session that there is not', requestOf(['session_id=none', 'event-wait', 'class=vm']) + GREETING.toString('latin1')],
])('a client that sends %s and no more is disconnected', async (_, text) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { daemon, open } = await served();
  const socket = await open();
  socket.resume();
  socket.write(Buffer.from(text, 'latin1'));
  // The server has the text once it has greeted, or soon.
  for (let turn = 0; turn < 200; turn++) await new Promise((done) => setImmediate(done));
  vi.advanceTimersByTime(59_000);
  for (let turn = 0; turn < 200; turn++) await new Promise((done) => setImmediate(done));
  expect(daemon.ledger.held('connections')).toBe(1);
  vi.advanceTimersByTime(2000);
  while (daemon.ledger.held('connections') > 0) await new Promise((done) => setImmediate(done));
  expect(daemon.ledger.held('connections')).toBe(0);
});

it('a client that has logged in may wait for longer', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { daemon, open } = await served();
  const socket = await open();
  socket.resume();
  socket.write(requestOf(['event-wait', 'class=vm', 'name-label=never', 'username=root', 'password=x']));
  socket.write(GREETING);
  while (daemon.events.watchers === 0) await new Promise((done) => setImmediate(done));
  vi.advanceTimersByTime(61_000);
  for (let turn = 0; turn < 200; turn++) await new Promise((done) => setImmediate(done));
  expect(daemon.ledger.held('connections')).toBe(1);
});
