// The files of a toolstack on a real host while their writes fail, each write in turn and with each
// fault: the next process finds acknowledged changes, and no refused ones.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { LastBuild, VmMetadata } from '../../src/xenopsd/api/metadata.js';
import { DURABLE_CALLS, type DurableCalls, type OpenFile } from '../../src/xenopsd/store/durable-file.js';
import { FileMetadata } from '../../src/xenopsd/store/file-metadata.js';
import { FAULTS, FaultInjector, faultError } from '../support/faults.js';
import { vm } from '../support/toolstack.js';

const UUID = '5b1e3b9c-0d4e-4c53-9d43-6f2c1c5b7a10';
const BUILD: LastBuild = { operation: 'start', domid: 3, failure: null, title: 'start a', entries: [] };

function failing(injector: FaultInjector): DurableCalls {
  const maybe = async <T>(work: () => Promise<T>): Promise<T> => {
    const fault = injector.next();
    if (fault !== null) throw faultError(fault);
    return work();
  };
  const wrap = (file: OpenFile): OpenFile => ({
    async writeFile(text) {
      const fault = injector.next();
      if (fault === 'short') await file.writeFile(text.slice(0, text.length >> 1));
      if (fault !== null) throw faultError(fault);
      await file.writeFile(text);
    },
    sync: () => maybe(() => file.sync()),
    close: () => file.close(),
  });
  return {
    open: (path, flags, mode) => maybe(async () => wrap(await DURABLE_CALLS.open(path, flags, mode))),
    rename: (from, to) => maybe(() => DURABLE_CALLS.rename(from, to)),
    remove: (path) => maybe(() => DURABLE_CALLS.remove(path)),
  };
}

const halted = (name: string): VmMetadata => ({ spec: vm(name, 1, 256), uuid: UUID, phase: 'halted', domid: null, pending: [] });
const running: VmMetadata = { ...halted('a'), phase: 'running', domid: 3 };

type Change = readonly [work: (store: FileMetadata) => Promise<void>, after: readonly string[]];
const BEFORE = ['a halted', 'b halted'];
const CHANGES: Readonly<Record<string, Change>> = {
  'a state': [(store) => store.save(running), ['a running', 'b halted']],
  'a state and a build': [(store) => store.save(running, BUILD), ['a running', 'b halted']],
  'a new VM': [(store) => store.save(halted('c')), ['a halted', 'b halted', 'c halted']],
  'a removal': [(store) => store.remove('b'), ['a halted']],
};

it.each(Object.entries(CHANGES).flatMap(([name, change]) => FAULTS.map((fault) => [name, fault, change] as const)))(
  '%s, each call of the file system failing with %s',
  async (_name, fault, [work, after]) => {
    for (let nth = 1; ; nth++) {
      const folder = mkdtempSync(join(tmpdir(), 'xennuma-metadata-'));
      const injector = new FaultInjector();
      const store = await FileMetadata.open(folder, failing(injector));
      await store.load();
      for (const name of ['a', 'b']) await store.save(halted(name));
      injector.arm(nth, fault, true);
      const refused = await work(store).then(
        () => null,
        (error: unknown) => error,
      );
      const { writes } = injector;
      await store.close();
      const next = await FileMetadata.open(folder);
      const found = (await next.load()).map(({ spec, phase }) => `${spec.name} ${phase}`);
      await next.close();
      rmSync(folder, { recursive: true });
      expect(found, `call ${nth}`).toEqual(refused === null ? after : BEFORE);
      if (writes < nth) {
        expect(nth).toBeGreaterThan(3);
        return;
      }
    }
  },
);
