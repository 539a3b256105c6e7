// A store whose save fails, as on a full disk: what was acknowledged is kept, what was refused is
// undone, and no domain is left over.
import { expect, it } from 'vitest';
import { machine, toolstackOn, vm } from '../../../test/support/toolstack.js';
import { type LastBuild, MemoryMetadata, type MetadataStore, type VmMetadata } from '../api/metadata.js';
import type { Toolstack } from '../api/toolstack.js';
import { createToolstack } from './toolstack.js';

const OPTIONS = { profile: 'xapi-26.3', policy: 'best_effort', seed: 1 } as const;

/** Fails change number `failing` (from 1), and every later one when `always`. */
class FaultyStore implements MetadataStore {
  readonly #inner = new MemoryMetadata();
  readonly builds = new Map<string, LastBuild>();
  changes = 0;
  failing = 0;
  always = false;

  load() {
    return this.#inner.load();
  }

  async save(one: VmMetadata, build?: LastBuild) {
    this.#count();
    await this.#inner.save(structuredClone(one));
    if (build !== undefined) this.builds.set(one.spec.name, build);
  }

  async remove(name: string) {
    this.#count();
    await this.#inner.remove(name);
  }

  #count() {
    this.changes++;
    if (this.changes === this.failing || (this.always && this.failing > 0 && this.changes > this.failing)) {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    }
  }
}

/** What a user may know of the VMs: it must not differ between this process and the next. */
const known = (toolstack: Toolstack) =>
  toolstack.vms().map(({ spec, power, domid }) => ({ name: spec.name, mask: spec.vcpusParams.mask, power, domid }));

const small = (name: string) => vm(name, 1, 256);

/** `a` runs, `b` is halted, `p` is paused. */
const OPERATIONS: Readonly<Record<string, (toolstack: Toolstack) => Promise<unknown>>> = {
  add: (toolstack) => toolstack.add(small('new')),
  remove: (toolstack) => toolstack.remove('b'),
  'setMask of a halted VM': (toolstack) => toolstack.setMask('b', '1'),
  'setMask of a running VM': (toolstack) => toolstack.setMask('a', '1'),
  'setMask to none': (toolstack) => toolstack.setMask('a', null),
  start: (toolstack) => toolstack.start('b'),
  startTogether: (toolstack) => toolstack.startTogether(['b', 'c']),
  stop: (toolstack) => toolstack.stop('a'),
  reboot: (toolstack) => toolstack.reboot('a'),
  migrate: (toolstack) => toolstack.migrateLocal('a'),
  'migrate of a paused VM': (toolstack) => toolstack.migrateLocal('p'),
  pause: (toolstack) => toolstack.pause('a'),
  unpause: (toolstack) => toolstack.unpause('p'),
  'a guest that went down': async (toolstack) => {
    toolstack.doors.xc.domainShutdown(toolstack.vms()[0]!.domid!, 0);
    return toolstack.noticeEnded();
  },
};

/** Xen keeps these states, and a new process takes them from there: they go without the store. */
const KEPT_BY_XEN = ['pause', 'unpause'];

async function prepared(metadata: FaultyStore) {
  const toolstack = await toolstackOn(machine([2048, 2048], 2), { ...OPTIONS, metadata });
  for (const name of ['a', 'b', 'c', 'p']) await toolstack.add(small(name));
  await toolstack.setMask('a', '0');
  await toolstack.start('a');
  await toolstack.start('p');
  await toolstack.pause('p');
  return toolstack;
}

async function failing(name: string, at: number, always: boolean) {
  const metadata = new FaultyStore();
  const toolstack = await prepared(metadata);
  const { doors } = toolstack;
  const before = known(toolstack);
  metadata.changes = 0;
  metadata.failing = at;
  metadata.always = always;
  const answer = await OPERATIONS[name]!(toolstack).then(
    (result) => [result].flat().map((one) => (one as { failure?: { kind: string } | null } | undefined)?.failure ?? null),
    (error: unknown) => [error],
  );
  const { changes } = metadata;
  metadata.failing = 0;
  // The end of a guest whose halting was refused is seen again.
  await toolstack.noticeEnded();
  const after = known(toolstack);
  const where = `${name}, change ${at}${always ? ' and all after it' : ''}`;

  // Every domain is one of a VM that the caller knows to run, and nothing holds a claim.
  const alive = after.flatMap(({ domid }) => domid ?? []);
  expect(
    doors.xc.domainList().map(({ domid }) => domid),
    where,
  ).toEqual([0, ...alive].sort((a, b) => a - b));
  for (const { outstandingPages } of doors.xc.domainList()) expect(outstandingPages, where).toBe(0);
  for (const { domid, power } of after) if (domid !== null) expect(doors.xc.domainInfo(domid)!.paused, where).toBe(power === 'paused');

  // The next process finds what this one answered.
  const next = await createToolstack(doors, { ...OPTIONS, metadata });
  expect(known(next), where).toEqual(after);
  expect(
    doors.xc.domainList().map(({ domid }) => domid),
    where,
  ).toEqual([0, ...alive].sort((a, b) => a - b));
  return { answer, changes, before, after };
}

it.each(Object.keys(OPERATIONS))('%s', async (name) => {
  const good = await failing(name, 0, false);
  expect(good.answer.every((one) => one === null)).toBe(true);
  expect(good.changes).toBeGreaterThan(0);
  for (const always of [false, true]) {
    for (let at = 1; at <= good.changes; at++) {
      const { answer, before, after } = await failing(name, at, always);
      // The first change is the one that an operation cannot go without.
      const refused = at === 1 && !KEPT_BY_XEN.includes(name);
      if (refused)
        expect(
          answer.some((one) => one !== null),
          `${name}: refused`,
        ).toBe(true);
      if (refused && name !== 'startTogether' && name !== 'a guest that went down') expect(after, `${name}: undone`).toEqual(before);
      if (answer.every((one) => one === null)) expect(shapeOf(after), `${name}, ${at}: done`).toEqual(shapeOf(good.after));
    }
  }
});

/** Domain numbers apart, which an attempt that failed uses up. */
function shapeOf(vms: ReturnType<typeof known>) {
  return vms.map(({ domid: _, ...vm }) => vm);
}

it('says what happened, by name of the VM', async () => {
  const metadata = new FaultyStore();
  const toolstack = await prepared(metadata);
  metadata.failing = metadata.changes + 1;
  await expect(toolstack.add(small('new'))).rejects.toThrow("the state of VM 'new' could not be kept: ENOSPC: no space left on device");
  metadata.failing = metadata.changes + 1;
  const { failure } = await toolstack.stop('a');
  expect(failure).toMatchObject({ kind: 'state-not-kept', errno: null });
  expect(failure!.message).toContain('ENOSPC');
});
