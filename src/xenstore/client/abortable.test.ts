// Calls that end with a signal, and what they leave at it.
import { getEventListeners } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { createXenstore } from '../in-process.js';
import { withSignal } from './abortable.js';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

function connection() {
  const xs = createXenstore({ personality: 'xenstored' }).connect(0);
  ends.push(() => xs.close());
  const controller = new AbortController();
  const listeners = () => getEventListeners(controller.signal, 'abort').length;
  return { xs, controller, listeners, soon: withSignal(xs, controller.signal) };
}

it('has one listener at the signal for all that is under way, and none afterwards', async () => {
  const { xs, soon, listeners } = connection();
  await xs.write('/key', 'value');
  const reads = Array.from({ length: 50 }, () => soon.read('/key'));
  expect(listeners()).toBe(1);
  expect(new Set(await Promise.all(reads))).toEqual(new Set(['value']));
  await expect(soon.read('/absent')).rejects.toMatchObject({ errno: 'ENOENT' });
  const watches = await Promise.all(Array.from({ length: 20 }, (_, at) => soon.watch(`/w${at}`, 'token')));
  expect(listeners()).toBe(1);
  for (const watch of watches) await watch.close();
  expect(listeners()).toBe(0);
});

it('the abort ends calls, watches and transactions, and undoes what comes too late', async () => {
  const { xs, soon, controller } = connection();
  const watch = await soon.watch('/w', 'token');
  const late = [soon.watch('/late', 'token'), soon.transactionStart(), soon.read('/key')];
  controller.abort(new Error('no more'));
  for (const call of late) await expect(call).rejects.toThrow('no more');
  await expect(soon.read('/key')).rejects.toThrow('no more');
  const seen = (async () => {
    for await (const _ of watch);
  })();
  await expect(seen).rejects.toThrow('no more');
  // The same watches can be set again.
  await (await xs.watch('/w', 'token')).close();
  await (await xs.watch('/late', 'token')).close();
});
