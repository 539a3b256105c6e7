// An embedded host on a XenStore that outlives it, and the CPU pools of a described host.
import { describe, expect, it } from 'vitest';
import { machine, vm } from '../../../test/support/toolstack.js';
import { createXenstore } from '../../xenstore/in-process.js';
import { createToolstack } from '../life/toolstack.js';
import { embeddedHost, embeddedHostOn } from './embedded-host.js';

const HOST = machine([1024, 1024], 2);
const OPTIONS = { profile: 'xapi-25.6', policy: 'best_effort', seed: 1 } as const;

describe('a XenStore outside the process', () => {
  it("with another host's domains is refused, and nothing of it is changed", async () => {
    const store = createXenstore({ personality: 'xenstored' });
    const xs = store.connect(0);
    for (const domid of [1, 2, 3, 4, 5, 6]) {
      await xs.write(`/local/domain/${domid}/name`, 'theirs');
      const before = store.list();
      const names = Array.from({ length: Math.min(domid, 5) }, (_, index) => index + 1).join(', ');
      const wanted = `this XenStore has domains of another host (${names}${domid > 5 ? ', ...' : ''})`;
      await expect(embeddedHostOn(HOST, xs)).rejects.toThrow(wanted);
      expect(store.list()).toEqual(before);
    }
  });

  it('with Domain-0 alone, or empty, is taken', async () => {
    const xs = createXenstore({ personality: 'xenstored' }).connect(0);
    await xs.write('/local/domain/0/name', 'Domain-0');
    await embeddedHostOn(HOST, xs);
    expect(await xs.read('/local/domain/0/domid')).toBe('0');
  });

  it('that an embedded host left is cleared of its guests and of nothing else', async () => {
    const store = createXenstore({ personality: 'xenstored' });
    const xs = store.connect(0);
    const toolstack = await createToolstack(await embeddedHostOn(HOST, xs), OPTIONS);
    await toolstack.add(vm('a', 1, 64));
    await toolstack.add(vm('b', 1, 64));
    await toolstack.start('a');
    const { domid } = await toolstack.start('b');
    await xs.write('/tool/other', 'stays');
    // One that has been released already.
    await xs.release(1);
    expect(await xs.isIntroduced(domid!)).toBe(true);
    await embeddedHostOn(HOST, xs);
    expect(await xs.isIntroduced(domid!)).toBe(false);
    expect((await xs.directory('/local/domain')).sort()).toEqual(['0']);
    for (const path of ['/vm', '/xenops/domain', '/libxl']) expect(await xs.directory(path), path).toEqual([]);
    expect(await xs.read('/tool/other')).toBe('stays');
    const again = await createToolstack(await embeddedHostOn(HOST, xs), OPTIONS);
    await again.add(vm('c', 1, 64));
    expect((await again.start('c')).failure).toBeNull();
  });
});

describe('the CPU pools of a description', () => {
  const pools = [
    { name: 'first', cpus: [0, 1] },
    { name: 'second', cpus: [3], scheduler: 'credit' },
    { name: 'third', cpus: [] },
  ] as const;

  it('are made by number, with their CPUs, schedulers and names; other CPUs are in none', async () => {
    const { xc, xs } = await embeddedHost({ ...HOST, pools }, { scheduler: 'credit2' });
    // XEN_SCHEDULER_CREDIT is 5 and XEN_SCHEDULER_CREDIT2 is 6 (public/domctl.h).
    expect(xc.cpupoolList().map(({ id, cpus, scheduler }) => ({ id, cpus: [...cpus], scheduler }))).toEqual([
      { id: 0, cpus: [0, 1], scheduler: 6 },
      { id: 1, cpus: [3], scheduler: 5 },
      { id: 2, cpus: [], scheduler: 6 },
    ]);
    expect(xc.cpupoolFreeCpus()).toEqual([2]);
    expect(await Promise.all([0, 1, 2].map((id) => xs.read(`/local/pool/${id}/name`)))).toEqual(['first', 'second', 'third']);
  });

  it('take a guest of xl by name or number; Pool-0 without one, and what is not there is refused with what is', async () => {
    const doors = await embeddedHost({ ...HOST, pools }, { profile: 'xl', scheduler: 'credit2' });
    const toolstack = await createToolstack(doors, { ...OPTIONS, profile: 'xl' });
    const poolOf = async (name: string, pool?: string) => {
      await toolstack.add(vm(name, 1, 64, pool === undefined ? {} : { pool }));
      const { domid, failure } = await toolstack.start(name);
      return failure === null ? doors.xc.domainInfo(domid!)!.cpupool : failure.message;
    };
    expect(await poolOf('plain')).toBe(0);
    expect(await poolOf('by-name', 'second')).toBe(1);
    expect(await poolOf('by-number', '1')).toBe(1);
    expect(await poolOf('zero', '0')).toBe(0);
    for (const [name, absent] of [
      ['a', '7'],
      ['b', 'nothing'],
      ['c', '1x'],
      ['d', '-1'],
    ] as const) {
      expect(await poolOf(name, absent)).toBe(`pool '${absent}' is not there; the host has pools first, second, third`);
    }
    // A number comes before a name; a name that is a number counts where no pool has that number.
    await doors.xs.write('/local/pool/1/name', '9');
    expect(await poolOf('named-nine', '9')).toBe(1);
    await doors.xs.write('/local/pool/1/name', '0');
    expect(await poolOf('named-zero', '0')).toBe(0);
    // Without names, as on a host whose tools never wrote them.
    await doors.xs.rm('/local/pool');
    expect(await poolOf('default', 'Pool-0')).toBe(0);
    expect(await poolOf('gone', 'second')).toBe("pool 'second' is not there; the host has pools Pool-0, 1, 2");
  });
});
