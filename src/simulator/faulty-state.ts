// The daemon's storage, in memory and with faults: as durable as a disk across the lives of the
// daemon, in the texts that a disk holds.

import { type RecordOfText, recordOf, recordText } from '../xapi/model/disk/record-text.js';
import type { StateStore, StoredChange } from '../xapi/model/storage.js';
import type { WireStruct } from '../xapi/wire/values.js';
import type { MetadataStore } from '../xenopsd/api/metadata.js';
import { decodeVm, encodeVm } from '../xenopsd/store/metadata-format.js';
import type { Faults, Life } from './faults.js';

/** A text on the disk, parsed only once, because records never change. */
class KeptObject {
  readonly type: string;
  readonly text: string;
  #parsed: RecordOfText | null = null;

  constructor(type: string, text: string) {
    this.type = type;
    this.text = text;
  }

  parsed(): RecordOfText {
    this.#parsed ??= recordOf(this.type, this.text);
    return this.#parsed;
  }
}

/** The contents of the disk. */
export class Disk {
  readonly objects = new Map<string, KeptObject>();
  readonly domains = new Map<string, string>();

  record(ref: string): WireStruct | null {
    return this.objects.get(ref)?.parsed().record ?? null;
  }
}

export function faultyState(disk: Disk, faults: Faults, life: Life): StateStore {
  const refusal = (): void => {
    life.enter();
    const code = faults.write();
    if (code !== null) throw Object.assign(new Error(`${code}: injected`), { code });
  };
  return {
    *load() {
      for (const [ref, stored] of disk.objects) yield { ref, type: stored.type, ...stored.parsed() };
    },
    commit(changes: Iterable<StoredChange>) {
      const all = [...changes].map(({ ref, type, record, charge }) => ({
        ...{ ref, type },
        text: record === null ? null : recordText(record, charge),
      }));
      refusal();
      if (faults.strikes('lost-save')) return;
      for (const { ref, type, text } of all) {
        if (text === null) disk.objects.delete(ref);
        else disk.objects.set(ref, new KeptObject(type, text));
      }
    },
    probe: refusal,
    assertInPlace() {},
    domains: () => faultyDomains(disk, faults, life, refusal),
    backup: () => null,
    close() {},
  };
}

function faultyDomains(disk: Disk, faults: Faults, life: Life, refusal: () => void): MetadataStore {
  return {
    load: async () => [...disk.domains.values()].map(decodeVm),
    async save(vm) {
      await life.enterAsync();
      refusal();
      if (faults.strikes('lost-save')) return;
      disk.domains.set(vm.spec.name, encodeVm(vm));
    },
    async remove(name) {
      await life.enterAsync();
      refusal();
      disk.domains.delete(name);
    },
  };
}
