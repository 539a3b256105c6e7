// Operations on different VMs run in parallel, those on one VM one after another.
import { describe, expect, it } from 'vitest';
import { machine, vm } from '../../../test/support/toolstack.js';
import { embeddedHost } from '../hosts/embedded-host.js';
import { VmLocks } from './locks.js';
import { createToolstack } from './toolstack.js';

describe('locks', () => {
  it('run the work of one VM in the order of the requests, that of another meanwhile', async () => {
    const locks = new VmLocks();
    const order: string[] = [];
    let goOn = () => {};
    const first = locks.run(['a'], () => new Promise<void>((done) => (goOn = done)).then(() => void order.push('a 1')));
    const second = locks.run(['a'], async () => void order.push('a 2'));
    const both = locks.run(['b', 'a'], async () => void order.push('b and a'));
    const third = locks.run(['b'], async () => void order.push('b'));
    await locks.run(['c'], async () => void order.push('c'));
    expect(order).toEqual(['c']);
    goOn();
    await Promise.all([first, second, both, third]);
    expect(order).toEqual(['c', 'a 1', 'a 2', 'b and a', 'b']);
  });

  it('are released by work that fails', async () => {
    const locks = new VmLocks();
    const failed = locks.run(['a'], async () => {
      throw new Error('no');
    });
    const next = locks.run(['a'], async () => 'next');
    await expect(failed).rejects.toThrow('no');
    expect(await next).toBe('next');
  });
});

describe('a start that waits for memory', () => {
  it("does not hold up another VM's stop, whose memory it then gets", async () => {
    const embedded = await embeddedHost(machine([2048, 2048], 2), { profile: 'xapi-26.3' });
    // Xen still scrubs, so that the start waits for memory instead of giving up.
    const xc = new Proxy(embedded.xc, {
      get(target, key) {
        if (key === 'physInfo') return () => ({ ...target.physInfo(), scrubPages: 1 });
        if (key === 'withFlow') return (...args: Parameters<typeof target.withFlow>) => target.withFlow(...args);
        return Reflect.get(target, key);
      },
    });
    const waiting: (() => void)[] = [];
    const sleep = () => new Promise<void>((done) => waiting.push(done));
    const toolstack = await createToolstack({ ...embedded, xc }, { profile: 'xapi-26.3', policy: 'best_effort', seed: 1, sleep });
    for (const name of ['first', 'second']) await toolstack.add(vm(name, 1, 3000));
    expect((await toolstack.start('first')).failure).toBeNull();
    const start = toolstack.start('second');
    await expect.poll(() => waiting.length).toBe(1);
    expect((await toolstack.stop('first')).failure).toBeNull();
    waiting.pop()!();
    const started = await start;
    expect(started.failure).toBeNull();
    expect(started.record.notes('free memory')).toMatchObject([{ waitedSeconds: 1 }]);
  });

  it('keeps requests for its own VM waiting', async () => {
    const embedded = await embeddedHost(machine([2048, 2048], 2), { profile: 'xapi-26.3' });
    const toolstack = await createToolstack(embedded, { profile: 'xapi-26.3', policy: 'best_effort', seed: 1 });
    await toolstack.add(vm('a', 1, 256));
    const [started, stopped, again] = await Promise.all([toolstack.start('a'), toolstack.stop('a'), toolstack.start('a')]);
    expect([started, stopped, again].map(({ operation, failure }) => [operation, failure])).toEqual([
      ['start', null],
      ['stop', null],
      ['start', null],
    ]);
    expect(again.domid).not.toBe(started.domid);
  });
});
