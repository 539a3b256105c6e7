// VMs of a header. Everything is looked up first, so that nothing is changed when an object is
// missing; then all objects are made, or none (import.ml, handle_all, of xen-api e2ee48d6).
import { randomUUID } from 'node:crypto';
import { MAC_SEED } from '../../devices/vm-devices.js';
import { checkRecord } from '../../life/vm-spec.js';
import type { Database } from '../../model/database.js';
import { NULL } from '../../model/schema-types.js';
import { XapiError, xapiErrors } from '../../wire/errors.js';
import { isStruct, newStruct, structOf, type Wire, type WireStruct } from '../../wire/values.js';
import { makeVm } from '../vm/copies.js';
import { newVmFields } from '../vm-methods.js';
import { type ExportedObject, type Header, importError, notFound } from './header.js';

export interface ImportOptions {
  /** Keeps uuids and addresses, and replaces an older VM of the same uuid. */
  readonly restore: boolean;
  /** Leaves out what is missing. */
  readonly force: boolean;
  readonly dryRun: boolean;
  /** Uuids of disks here, by those of the archive. */
  readonly disks: Readonly<Record<string, string>>;
}

/** A VM to be made. */
export interface PlannedVm {
  readonly id: string;
  readonly uuid: string;
  readonly fields: Record<string, Wire>;
  /** The VM that goes for it. */
  readonly replaces: string | null;
}

const DEFAULT_TEMPLATE = 'default_template';
/** Priorities of before 2011 are orders (import.ml, "pre boston imports"). */
const OLD_PRIORITY = /^[0-3]$/;

export class MetadataImport {
  readonly #database: Database;
  readonly #header: Header;
  readonly #options: ImportOptions;
  /** References to objects here, by the ids of the archive. */
  readonly #table = new Map<string, string>();

  constructor(database: Database, header: Header, options: ImportOptions) {
    this.#database = database;
    this.#header = header;
    this.#options = options;
  }

  /** @throws XapiError for an object that is missing here, or a VM that cannot be replaced */
  plan(): readonly PlannedVm[] {
    for (const { id, record } of this.#of('host')) this.#note(id, this.#byUuid('host', record));
    for (const { id, record } of this.#of('SR')) this.#note(id, this.#byUuid('SR', record));
    for (const one of this.#of('VDI')) this.#note(one.id, this.#findDisk(one));
    for (const { id, record } of this.#of('network')) this.#note(id, this.#findNetwork(record));
    // Snapshots stay where they are: a VM without its history is imported.
    const planned = this.#of('VM')
      .filter(({ record }) => record.is_a_snapshot !== true)
      .flatMap((one) => this.#planVm(one) ?? []);
    if (new Set(planned.map(({ uuid }) => uuid)).size < planned.length) throw importError('two VMs of ova.xml have the same uuid');
    return planned;
  }

  /**
   * Within one change of the database.
   * @param create the API's own message for a device or a network
   */
  make(planned: readonly PlannedVm[], create: (type: string, fields: WireStruct) => string): string[] {
    const made = planned.map(({ id, uuid, fields }) => {
      const vm = makeVm(this.#database, fields, uuid);
      this.#table.set(id, vm);
      return vm;
    });
    for (const { id, record } of this.#of('network')) {
      if (!this.#table.has(id)) this.#table.set(id, create('network', record));
    }
    for (const { record } of this.#of('VBD')) {
      const vm = this.#here(record.VM!);
      const disk = this.#here(record.VDI!);
      if (vm === null || (disk === null && record.type !== 'CD')) continue;
      create('VBD', structOf({ ...record, VM: vm, VDI: disk ?? NULL, empty: disk === null, currently_attached: false }));
    }
    for (const { record } of this.#of('VIF')) {
      const [vm, network] = [this.#here(record.VM!), this.#here(record.network!)];
      if (vm === null || network === null) continue;
      const address = this.#options.restore ? {} : { MAC: '' };
      create('VIF', structOf({ ...record, ...address, VM: vm, network, currently_attached: false }));
    }
    return made;
  }

  #of(type: string): readonly ExportedObject[] {
    return this.#header.objects.filter((one) => one.type === type);
  }

  #note(id: string, ref: string | null): void {
    if (ref !== null) this.#table.set(id, ref);
  }

  #here(id: Wire): string | null {
    return this.#table.get(String(id)) ?? null;
  }

  #byUuid(type: string, { uuid }: WireStruct): string | null {
    return this.#database.findUuid(type, String(uuid ?? ''));
  }

  /** @throws XapiError for a disk that is not here, unless it is a CD, or forced */
  #findDisk({ record }: ExportedObject): string | null {
    const sr = this.#header.objects.find(({ id }) => id === record.SR);
    if (sr === undefined) throw notFound(String(record.SR).slice(0, 100));
    const all = [...this.#database.records('VDI')];
    if (sr.record.content_type === 'iso') {
      const isCd = (one: WireStruct) => this.#database.get('SR', one.SR as string).content_type === 'iso';
      return all.find(([, one]) => one.location === record.location && isCd(one))?.[0] ?? null;
    }
    const chosen = this.#options.disks[String(record.uuid)];
    if (chosen !== undefined) {
      const found = this.#database.findUuid('VDI', chosen);
      if (found === null) throw xapiErrors.uuidInvalid('VDI', chosen.slice(0, 100));
      return found;
    }
    const storage = this.#here(record.SR!);
    const found = all.find(([, one]) => one.SR === storage && one.location === record.location);
    if (found !== undefined) return found[0];
    if (this.#options.force) return null;
    if (storage === null) throw new XapiError('VDI_CONTENT_ID_MISSING');
    throw new XapiError('VDI_LOCATION_MISSING', storage, String(record.location).slice(0, 200));
  }

  /** By its name, then by its bridge: uuids of networks differ from pool to pool. */
  #findNetwork({ name_label: name, bridge }: WireStruct): string | null {
    const all = [...this.#database.records('network')];
    return (all.find(([, one]) => one.name_label === name) ?? all.find(([, one]) => one.bridge === bridge))?.[0] ?? null;
  }

  /** @returns null: a VM that runs stays as it is, when the import is forced */
  #planVm({ id, record }: ExportedObject): PlannedVm | null {
    const { restore, force } = this.#options;
    const uuid = String(record.uuid ?? '');
    const existing = restore ? this.#database.findUuid('VM', uuid) : null;
    if (existing !== null) {
      const { power_state: power, version } = this.#database.get('VM', existing);
      if (power !== 'Halted' && force) return null;
      if (power !== 'Halted') throw xapiErrors.badPowerState(existing, 'Halted', String(power));
      if (!force && Number(version) >= Number(record.version ?? 0)) {
        throw new XapiError('VM_TO_IMPORT_IS_NOT_NEWER_VERSION', existing, String(version), String(record.version ?? 0));
      }
    }
    if (restore && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(uuid)) throw importError('a VM of ova.xml has no uuid');
    if (record.power_state === 'Suspended' && this.#here(record.suspend_VDI!) === null && !force) {
      throw notFound(String(record.suspend_VDI).slice(0, 100));
    }
    return { id, uuid: restore ? uuid : randomUUID(), fields: this.#fieldsOf(record), replaces: existing };
  }

  #fieldsOf(record: WireStruct): Record<string, Wire> {
    const { restore, force } = this.#options;
    const config = { ...(isStruct(record.other_config ?? null) ? (record.other_config as WireStruct) : newStruct()) };
    if (!force) delete config[DEFAULT_TEMPLATE];
    if (!restore || config[MAC_SEED] === undefined) config[MAC_SEED] = randomUUID();
    if (restore) this.#assertSeedIsFree(record, config[MAC_SEED]);
    const old = OLD_PRIORITY.test(String(record.ha_restart_priority));
    const isTemplate = record.is_a_template === true;
    const fields = newVmFields({
      ...record,
      ...(old ? { ha_restart_priority: 'restart', order: record.ha_restart_priority! } : {}),
      ...(record.generation_id === '' || isTemplate ? {} : { generation_id: freshGeneration() }),
      ...{ other_config: structOf(config), power_state: 'Halted' },
      ...{ affinity: this.#here(record.affinity!) ?? NULL, suspend_SR: this.#here(record.suspend_SR!) ?? NULL, suspend_VDI: NULL },
      ...{ appliance: NULL, protection_policy: NULL, snapshot_schedule: NULL, groups: [] },
    });
    checkRecord(fields);
    // How often the VM was restored.
    fields.version = restore ? Number(record.version ?? 0) + 1 : 0;
    return fields;
  }

  /**
   * Cards of two VMs with one seed would have the same addresses.
   * @throws XapiError DUPLICATE_MAC_SEED
   */
  #assertSeedIsFree({ uuid }: WireStruct, seed: Wire): void {
    for (const [, other] of this.#database.records('VM')) {
      if ((other.other_config as WireStruct)[MAC_SEED] === seed && other.uuid !== uuid)
        throw new XapiError('DUPLICATE_MAC_SEED', String(seed));
    }
  }
}

/** Two halves of a number of 128 bits, as guests of Windows look for. */
function freshGeneration(): string {
  const half = () => BigInt.asIntN(64, BigInt(`0x${randomUUID().replaceAll('-', '').slice(0, 16)}`)).toString();
  return `${half()}:${half()}`;
}
