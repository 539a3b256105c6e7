// The messages of class VDI (ocaml/xapi/xapi_vdi.ml of xen-api e2ee48d6).
import { assertAttached, assertSrAllows, assertVdiAllows, vdiAllows } from '../../devices/allowed-storage.js';
import { changedBlocks, destroyData, setTracked } from '../../devices/changed-blocks.js';
import { copyDisk, createDisk, destroyDisk, dropDisk, enterDisk, resizeDisk } from '../../devices/disks.js';
import { assertMovable, isOn, moveDisk } from '../../devices/moving.js';
import { EMPTY_MAP, NULL } from '../../model/schema-types.js';
import { deviceErrors } from '../../wire/device-errors.js';
import { XapiError, xapiErrors } from '../../wire/errors.js';
import type { Wire } from '../../wire/values.js';
import type { Method } from '../method.js';
import { creation, type DeviceParts, destruction, deviceMessage, UUID } from './message.js';

/** Setters without rules. */
const PLAIN = ['name_label', 'name_description', 'allow_caching', 'read_only', 'sharable'];

export function vdiMethods({ database }: DeviceParts): Method[] {
  const message = (name: string, call: (ref: string, args: readonly Wire[]) => string | undefined): Method =>
    deviceMessage(database, 'VDI', name, (args) => {
      database.get('VDI', args[0] as string);
      return call(args[0] as string, args);
    });
  const allow = (ref: string): string => {
    database.update('VDI', ref, { allowed_operations: vdiAllows(database, ref) });
    return ref;
  };
  const void_ = (call: (ref: string, args: readonly Wire[]) => void) => (ref: string, args: readonly Wire[]) => {
    call(ref, args);
    return undefined;
  };
  return [
    creation(database, 'VDI', (fields) => allow(createDisk(database, fields))),
    destruction(database, 'VDI', (ref) => destroyDisk(database, ref)),
    message('clone', (ref) => allow(copyDisk(database, ref, 'clone'))),
    message('snapshot', (ref) => allow(copyDisk(database, ref, 'snapshot'))),
    message('copy', (ref, [, sr, base, into]) => {
      if (base !== NULL) database.get('VDI', base as string);
      if (into === NULL) return allow(copyDisk(database, ref, 'copy', sr as string));
      // Only its contents would change.
      database.get('VDI', into as string);
      assertVdiAllows(database, ref, 'copy');
      return into as string;
    }),
    message('pool_migrate', (ref, [, sr]) => {
      database.get('SR', sr as string);
      return poolMigrate(database, ref, sr as string);
    }),
    message(
      'resize',
      void_((ref, [, size]) => resizeDisk(database, ref, size as number)),
    ),
    message(
      'update',
      void_((ref) => assertVdiAllows(database, ref, 'update')),
    ),
    message(
      'forget',
      void_((ref) => {
        assertVdiAllows(database, ref, 'forget');
        dropDisk(database, ref);
      }),
    ),
    message(
      'set_on_boot',
      void_((ref, [, value]) => {
        assertVdiAllows(database, ref, 'set_on_boot');
        database.update('VDI', ref, { on_boot: value! });
      }),
    ),
    ...PLAIN.map((field) =>
      message(
        `set_${field}`,
        void_((ref, [, value]) => database.update('VDI', ref, { [field]: value! })),
      ),
    ),
    ...trackingMethods(database, message),
    deviceMessage(database, 'VDI', 'introduce', (args) => allow(introduce(database, args))),
  ];
}

type Message = (name: string, call: (ref: string, args: readonly Wire[]) => string | undefined) => Method;

function trackingMethods(database: DeviceParts['database'], message: Message): Method[] {
  const sets = (name: string, set: (ref: string) => void): Method =>
    message(name, (ref) => {
      set(ref);
      return undefined;
    });
  return [
    sets('enable_cbt', (ref) => setTracked(database, ref, true)),
    sets('disable_cbt', (ref) => setTracked(database, ref, false)),
    sets('data_destroy', (ref) => destroyData(database, ref)),
    message('list_changed_blocks', (from, [, to]) => {
      database.get('VDI', to as string);
      return changedBlocks(database, from, to as string);
    }),
  ];
}

/** Beside its VM, which stays where it is. @returns the disk in its place */
function poolMigrate(database: DeviceParts['database'], ref: string, sr: string): string {
  const { VBDs: vbds, SR: from } = database.get('VDI', ref);
  const [vbd] = vbds as readonly string[];
  if (vbd === undefined) throw deviceErrors.vdiNeedsVm(ref);
  assertMovable(database, ref, sr);
  if (from === sr) return ref;
  const vm = String(database.get('VBD', vbd).VM);
  const { power_state: power, resident_on: host } = database.get('VM', vm);
  const isUp = power === 'Running' || power === 'Paused';
  // xapi would take the VM to a host that has this storage.
  if (isUp && !isOn(database, sr, String(host))) throw new XapiError('NO_HOSTS_AVAILABLE');
  const moved = moveDisk(database, ref, sr);
  database.update('VDI', moved, { allowed_operations: vdiAllows(database, moved) });
  return moved;
}

/** Makes a record of an image that already exists on its SR. */
function introduce(database: DeviceParts['database'], args: readonly Wire[]): string {
  const [uuid, name, description, sr, type, sharable, readOnly, otherConfig, location, xenstoreData, smConfig] = args;
  assertSrAllows(database, sr as string, 'vdi_introduce');
  assertAttached(database, sr as string);
  if (!UUID.test(uuid as string)) throw xapiErrors.uuidInvalid('VDI', uuid as string);
  if (database.findUuid('VDI', uuid as string) !== null) throw deviceErrors.uuidTaken('VDI', uuid as string);
  const others = (database.get('SR', sr as string).VDIs as readonly string[]).map((one) => database.get('VDI', one));
  if (others.some((one) => one.location === location)) throw deviceErrors.locationNotUnique(sr as string, location as string);
  const fields = {
    name_label: name!,
    name_description: description!,
    SR: sr!,
    type: type!,
    sharable: sharable!,
    read_only: readOnly!,
    other_config: otherConfig!,
    location: location!,
    xenstore_data: xenstoreData ?? EMPTY_MAP,
    sm_config: smConfig ?? EMPTY_MAP,
    // What the driver would find there.
    virtual_size: Math.max(0, (args[12] as number) || 0),
  };
  return enterDisk(database, fields, uuid as string);
}
