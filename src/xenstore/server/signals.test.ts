import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { listenInstead } from './signals.js';

const SIGNAL = 'SIGUSR2';
const others = process.listeners(SIGNAL);
afterEach(() => {
  for (const each of process.listeners(SIGNAL)) if (!others.includes(each)) process.off(SIGNAL, each);
});

test('a signal that was caught and not yet delivered goes to the new listener', async () => {
  const heard: string[] = [];
  const told = new Promise<void>((resolve) => {
    listenInstead(SIGNAL, () => heard.push('old'));
    process.kill(process.pid, SIGNAL);
    listenInstead(SIGNAL, () => {
      heard.push('new');
      resolve();
    });
  });
  await told;
  expect(heard).toEqual(['new']);
});

test('only the last listener is left', async () => {
  const heard: number[] = [];
  for (let n = 1; n <= 3; n++) listenInstead(SIGNAL, () => heard.push(n));
  const delivered = once(process, SIGNAL);
  process.kill(process.pid, SIGNAL);
  await delivered;
  expect(heard).toEqual([3]);
});
