// The messages of class VDI (ocaml/xapi/xapi_vdi.ml of xen-api e2ee48d6).
import { assertAttached, assertSrAllows, assertVdiAllows, vdiAllows } from '../../devices/allowed-storage.js';
import { copyDisk, createDisk, destroyDisk, dropDisk, enterDisk, resizeDisk } from '../../devices/disks.js';
import { EMPTY_MAP, NULL } from '../../model/schema-types.js';
import { deviceErrors } from '../../wire/device-errors.js';
import { xapiErrors } from '../../wire/errors.js';
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
    deviceMessage(database, 'VDI', 'introduce', (args) => allow(introduce(database, args))),
  ];
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
