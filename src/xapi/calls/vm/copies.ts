// Copies of VMs: clones, snapshots, checkpoints, and reverting to them (ocaml/xapi/xapi_vm_clone.ml
// and xapi_vm_snapshot.ml of xen-api e2ee48d6).
import { randomUUID } from 'node:crypto';
import { copyDevices, MAC_SEED, revertDevices } from '../../devices/vm-devices.js';
import { allowedOperations, MOBILE } from '../../life/allowed.js';
import type { VmLife } from '../../life/vm-life.js';
import type { Database } from '../../model/database.js';
import { EMPTY_MAP, NULL } from '../../model/schema-types.js';
import { type PowerState, VM_CLASS, type VmOperation } from '../../model/schema-vm.js';
import { xapiErrors } from '../../wire/errors.js';
import { newStruct, type Wire, WireDate, type WireStruct } from '../../wire/values.js';
import { type Method, type Param, VOID } from '../method.js';
import { message } from './message.js';

const BASE_TEMPLATE = 'base_template_name';
const DEFAULT_TEMPLATE = ['default_template', 'xensource_internal'];
/** Beside what a VM's creator may choose. */
const COPIED = ['ha_restart_priority', 'bios_strings', 'memory_target', 'memory_overhead', 'has_vendor_device', 'reference_label'];
/** Fields that a VM keeps when it is reverted to a snapshot (extended_do_not_copy). */
const KEPT = new Set(['name_label', 'is_a_template', 'tags', 'affinity']);

export interface CopyOptions {
  readonly database: Database;
  readonly life: VmLife;
  /** See VmMethodsOptions. */
  readonly canSuspend: boolean;
}

const vm: Param = { name: 'vm', type: { ref: 'VM' } };
const newName: Param = { name: 'new_name', type: 'string' };

/** @param fields of nobody else: it sets those that follow from them */
export function makeVm(database: Database, fields: Record<string, Wire>, uuid?: string): string {
  fields.metrics = database.create('VM_metrics', { state: ['halted'] });
  fields.allowed_operations = allowedOperations(fields, MOBILE);
  return database.create('VM', fields, uuid);
}

export function copyMethods(options: CopyOptions): Method[] {
  const { database, life, canSuspend } = options;
  const copy = (name: 'clone' | 'copy', params: readonly Param[]): Method =>
    message(name, [vm, newName, ...params], ([ref, label, sr], context) => {
      if (sr !== undefined && sr !== NULL) database.get('SR', sr as string);
      return life.operate(ref as string, name, context, async (record) =>
        database.atomically(() => {
          const newVm = makeVm(database, { ...copiedFields(record, false), power_state: record.power_state!, name_label: label! });
          copyDevices(database, ref as string, newVm, { how: name, ...(sr === undefined ? {} : { sr: sr as string }) });
          return newVm;
        }),
      );
    });
  const snapshot = (name: 'snapshot' | 'checkpoint', params: readonly Param[]): Method =>
    message(name, [vm, newName, ...params], ([ref, label, ignored], context) =>
      life.operate(ref as string, name as VmOperation, context, async (record) =>
        database.atomically(() => {
          const power = record.power_state as PowerState;
          // Its memory would have to be saved.
          if (name === 'checkpoint' && power !== 'Suspended' && !canSuspend) throw xapiErrors.lacksSuspend(ref as string);
          const suspended = name === 'checkpoint' && (power === 'Running' || power === 'Suspended');
          const newVm = makeVm(database, {
            ...copiedFields(record, true),
            name_label: label!,
            power_state: suspended ? 'Suspended' : 'Halted',
            is_a_template: true,
            is_a_snapshot: true,
            snapshot_of: ref!,
            snapshot_time: WireDate.at(Date.now()),
            snapshot_info: struct({ 'power-state-at-snapshot': power, 'disk-snapshot-type': 'crash_consistent' }),
            parent: record.parent!,
          });
          copyDevices(database, ref as string, newVm, { how: 'snapshot', ignored: (ignored ?? []) as readonly string[] });
          database.update('VM', ref as string, { parent: newVm });
          relate(database, [ref as string, record.parent as string, newVm]);
          return newVm;
        }),
      ),
    );
  return [
    copy('clone', []),
    copy('copy', [{ name: 'sr', type: { ref: 'SR' } }]),
    snapshot('snapshot', [{ name: 'ignore_vdis', type: { set: { ref: 'VDI' } }, initial: [] }]),
    snapshot('checkpoint', []),
    message('revert', [{ name: 'snapshot', type: { ref: 'VM' } }], async ([ref], context) => {
      await life.operate(ref as string, 'revert', context, async (record) => {
        const owner = record.snapshot_of as string;
        if (database.has('VM', owner)) {
          await life.operate(owner, 'reverting', context, () => revert(options, owner, ref as string, record));
          return;
        }
        // The VM was destroyed: it is made anew.
        const again = { name_label: record.name_label!, power_state: record.power_state!, is_a_template: false };
        const newVm = makeVm(database, { ...copiedFields(record, true), ...again });
        copyDevices(database, ref as string, newVm, { how: 'clone', keepsMacs: true });
        database.update('VM', newVm, { parent: ref! });
        relate(database, [newVm, ref as string]);
      });
      return VOID;
    }),
  ];
}

async function revert({ database, life }: CopyOptions, owner: string, ref: string, snapshot: WireStruct): Promise<void> {
  const before = database.get('VM', owner);
  if (before.power_state !== 'Halted') await life.stop(owner, 'Halted');
  const fields = Object.fromEntries(Object.entries(copiedFields(snapshot, true)).filter(([name]) => !KEPT.has(name)));
  database.atomically(() => revertDevices(database, owner, ref));
  database.update('VM', owner, { ...fields, ha_always_run: false, power_state: snapshot.power_state!, parent: ref });
  relate(database, [ref, before.parent as string]);
}

/** What a copy has of its original. A VM of its own has another seed for its network cards. */
function copiedFields(record: WireStruct, same: boolean): Record<string, Wire> {
  const fields = newStruct();
  for (const [name, { access }] of Object.entries(VM_CLASS.fields))
    if (access !== 'ro' || COPIED.includes(name)) fields[name] = record[name]!;
  const config = Object.assign(newStruct(), record.other_config as WireStruct);
  if (!same) config[MAC_SEED] = randomUUID();
  for (const key of DEFAULT_TEMPLATE) delete config[key];
  if (record.is_a_template === true && record.is_a_snapshot !== true) config[BASE_TEMPLATE] ??= record.name_label!;
  return { ...fields, other_config: Object.freeze(config), blocked_operations: EMPTY_MAP };
}

/** VM.snapshots and VM.children, which follow from snapshot_of and parent. */
export function relate(database: Database, refs: readonly string[]): void {
  const found = new Set(refs.filter((ref) => database.has('VM', ref)));
  if (found.size === 0) return;
  const all = [...database.records('VM')];
  for (const ref of found) {
    const of = (field: string) => all.filter(([, record]) => record[field] === ref).map(([one]) => one);
    database.update('VM', ref, { snapshots: of('snapshot_of'), children: of('parent') });
  }
}

/** After a VM is gone: its children are those of its parent. */
export function dropRelations(database: Database, ref: string, { parent, snapshot_of: owner }: WireStruct): void {
  for (const [child, record] of database.records('VM')) if (record.parent === ref) database.update('VM', child, { parent: parent! });
  relate(database, [parent as string, owner as string]);
}

function struct(fields: Readonly<Record<string, Wire>>): WireStruct {
  return Object.freeze(Object.assign(newStruct(), fields));
}
