import { expect, it } from 'vitest';
import { WAITING_OF_ALL, WAITING_OF_ONE, WaitingStarts } from './waiting-starts.js';

it('so many starts of one placer wait, and another placer has its own', () => {
  const starts = new WaitingStarts();
  for (let at = 0; at < WAITING_OF_ONE; at++) expect(starts.begin(`a.x-${at}`)).toBeNull();
  expect(starts.begin('a.y-1')).toBe(`${WAITING_OF_ONE} starts of a wait for their claims already`);
  expect(starts.begin('b.x-1')).toBeNull();
  starts.end('a.x-0');
  expect(starts.begin('a.y-1')).toBeNull();
  expect(starts.begin('a.y-2')).not.toBeNull();
});

it('so many starts wait in all', () => {
  const starts = new WaitingStarts();
  for (let at = 0; at < WAITING_OF_ALL; at++) expect(starts.begin(`p${at}.x-1`)).toBeNull();
  expect(starts.begin('other.x-1')).toBe(`${WAITING_OF_ALL} starts wait for their claims already`);
  starts.end('p0.x-1');
  expect(starts.begin('other.x-1')).toBeNull();
});
