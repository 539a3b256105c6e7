// Which events of a request a client has been sent.
import { expect, it } from 'vitest';
import { SentEvents } from './client-state.js';

it('an event is sent once by a request, in whatever order, and again by the next', () => {
  const sent = new SentEvents();
  const events = [
    ['/a', 't'],
    ['/b', 't'],
    ['/a', 'u'],
    ['/b', 't'],
    ['/a', 't'],
    ['/a', 'u'],
    ['/c', 't'],
  ] as const;
  for (const request of [1, 2, 4]) {
    expect(events.map(([path, token]) => sent.add(request, path, token))).toEqual([true, true, true, false, false, false, true]);
  }
  expect(sent.add(5, '/b', 't')).toBe(true);
  expect(sent.add(6, '/a', 't')).toBe(true);
  expect(sent.add(6, '/b', 't')).toBe(true);
});
