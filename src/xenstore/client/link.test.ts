// Requests and replies of one connection, whenever the transport replies: while it sends, or later.
import { expect, it } from 'vitest';
import { MESSAGE } from '../protocol/wire.js';
import { Link, type LinkEvents } from './link.js';
import type { TransportEvents } from './transport.js';

const OK = Buffer.from('OK\0');
const text = (payload: Buffer): string => payload.toString();

/** `onSend` stands for the daemon: called with each request's id, while it is being sent. */
function linkTo(onSend: (id: number, events: TransportEvents) => void, hears: Partial<LinkEvents> = {}) {
  let events: TransportEvents | undefined;
  const transport = {
    start: (given: TransportEvents) => {
      events = given;
    },
    send: (message: Buffer) => onSend(message.readUInt32LE(4), events!),
    close: () => {},
  };
  const link = new Link(transport, undefined, { event: () => {}, lost: () => {}, back: async () => {}, ended: () => {}, ...hears });
  return { link, daemon: () => events!, ask: () => link.request('xs_read(/a)', MESSAGE.read, 0, '/a\0', text) };
}

it('gives each request its reply, whether it comes while the request is sent, later or in another order', async () => {
  const { ask, daemon } = linkTo((id, events) => {
    if (id % 2 === 0) events.message(MESSAGE.read, id, Buffer.from(`now ${id}`));
  });
  const answers = [ask(), ask(), ask(), ask(), ask()];
  for (const id of [5, 1, 3]) daemon().message(MESSAGE.read, id, Buffer.from(`later ${id}`));
  expect(await Promise.all(answers)).toEqual(['later 1', 'now 2', 'later 3', 'now 4', 'later 5']);
});

it('rejects with the errno, whether it comes while the request is sent or later', async () => {
  const { ask, daemon } = linkTo((id, events) => {
    if (id === 1) events.message(MESSAGE.error, id, Buffer.from('ENOENT\0'));
  });
  await expect(ask()).rejects.toMatchObject({ errno: 'ENOENT', call: 'xs_read(/a)' });
  const later = ask();
  daemon().message(MESSAGE.error, 2, Buffer.from('EACCES\0'));
  await expect(later).rejects.toMatchObject({ errno: 'EACCES' });
});

it('rejects a request during which the connection ends, and all others', async () => {
  const { ask, link } = linkTo((id, events) => {
    if (id === 2) events.closed(new Error('gone'));
  });
  const asked = [ask(), ask()];
  for (const request of asked) await expect(request).rejects.toMatchObject({ errno: 'EIO' });
  expect(link.isClosed).toBe(true);
});

it('takes a request that is made while another one is sent', async () => {
  let inner: Promise<string> | undefined;
  const { ask, link, daemon } = linkTo(
    (id, events) => {
      if (id === 1) events.message(MESSAGE.watchEvent, 0, Buffer.from('/a\0token\0'));
    },
    {
      event: () => {
        inner = link.request('xs_read(/b)', MESSAGE.read, 0, '/b\0', text);
      },
    },
  );
  const outer = ask();
  daemon().message(MESSAGE.read, 1, Buffer.from('outer'));
  daemon().message(MESSAGE.read, 2, OK);
  expect([await outer, await inner]).toEqual(['outer', 'OK\0']);
});

it('ignores a second reply to one request', async () => {
  const { ask, daemon } = linkTo((id, events) => {
    for (const answer of ['first', 'second']) events.message(MESSAGE.read, id, Buffer.from(answer));
  });
  expect(await ask()).toBe('first');
  daemon().message(MESSAGE.read, 1, OK);
  expect(await ask()).toBe('first');
});
