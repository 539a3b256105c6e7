// The messages of classes SR and PBD (ocaml/xapi/xapi_sr.ml and xapi_pbd.ml of xen-api e2ee48d6).
import { randomUUID } from 'node:crypto';
import { assertSrAllows, srAllows } from '../../devices/allowed-storage.js';
import { dropDisk } from '../../devices/disks.js';
import { assertConfig, DRIVERS, SR_BYTES } from '../../devices/drivers.js';
import { createLinked, destroyLinked } from '../../devices/links.js';
import type { Database } from '../../model/database.js';
import { deviceErrors } from '../../wire/device-errors.js';
import { xapiErrors } from '../../wire/errors.js';
import type { Wire, WireStruct } from '../../wire/values.js';
import type { Method } from '../method.js';
import { creation, type DeviceParts, destruction, deviceMessage, UUID } from './message.js';

export function srMethods(parts: DeviceParts): Method[] {
  const { database } = parts;
  const message = (name: string, call: (ref: string, value: Wire) => void): Method =>
    deviceMessage(database, 'SR', name, ([ref, value]) => {
      database.get('SR', ref as string);
      call(ref as string, value!);
      return undefined;
    });
  return [
    deviceMessage(database, 'SR', 'create', (args) => create(parts, args)),
    deviceMessage(database, 'SR', 'introduce', ([uuid, name, description, type, contentType, shared, smConfig]) => {
      if (uuid !== '' && !UUID.test(uuid as string)) throw xapiErrors.uuidInvalid('SR', uuid as string);
      if (database.findUuid('SR', uuid as string) !== null) throw deviceErrors.srUuidExists(uuid as string);
      const fields = { name_label: name!, name_description: description!, type: type!, content_type: contentType!, shared: shared! };
      return introduce(parts, { ...fields, sm_config: smConfig! }, uuid === '' ? randomUUID() : (uuid as string));
    }),
    deviceMessage(database, 'SR', 'get_supported_types', () => (parts.modelled ? Object.keys(DRIVERS) : [])),
    message('scan', () => {}),
    message('update', () => {}),
    message('destroy', (ref) => {
      assertSrAllows(database, ref, 'destroy');
      if ((database.get('SR', ref).other_config as WireStruct).indestructible === 'true') throw deviceErrors.srIndestructible(ref);
      forget(database, ref);
    }),
    message('forget', (ref) => {
      assertSrAllows(database, ref, 'forget');
      forget(database, ref);
    }),
    ...['name_label', 'name_description', 'shared', 'physical_size'].map((field) =>
      message(`set_${field}`, (ref, value) => database.update('SR', ref, { [field]: value })),
    ),
    ...pbdMethods(parts),
  ];
}

function introduce({ database, modelled }: DeviceParts, fields: Readonly<Record<string, Wire>>, uuid: string): string {
  const type = (fields.type as string).toLowerCase();
  if (!modelled || !Object.hasOwn(DRIVERS, type)) throw deviceErrors.srUnknownDriver(type);
  const sr = database.create('SR', { physical_size: -1, physical_utilisation: -1, ...fields, type }, uuid);
  database.update('SR', sr, { allowed_operations: srAllows(database, sr) });
  return sr;
}

function create(parts: DeviceParts, args: readonly Wire[]): string {
  const [host, deviceConfig, size, name, description, type, contentType, shared, smConfig] = args;
  const { database } = parts;
  database.get('host', host as string);
  const fields = { name_label: name!, name_description: description!, type: type!, content_type: contentType!, shared: shared! };
  if (parts.modelled) assertConfig((type as string).toLowerCase(), deviceConfig as WireStruct);
  const bytes = (size as number) > 0 ? (size as number) : SR_BYTES;
  const sr = introduce(parts, { ...fields, sm_config: smConfig!, physical_size: bytes, physical_utilisation: 0 }, randomUUID());
  const hosts = shared === true ? database.refs('host') : [host as string];
  for (const one of hosts) createLinked(database, 'PBD', { host: one, SR: sr, device_config: deviceConfig!, currently_attached: true });
  database.update('SR', sr, { allowed_operations: srAllows(database, sr) });
  return sr;
}

/** The records; what is on the storage would stay. */
function forget(database: Database, ref: string): void {
  const { VDIs: vdis, PBDs: pbds } = database.get('SR', ref);
  for (const vdi of vdis as readonly string[]) dropDisk(database, vdi);
  for (const pbd of pbds as readonly string[]) destroyLinked(database, 'PBD', pbd);
  database.destroy('SR', ref);
}

function pbdMethods({ database }: DeviceParts): Method[] {
  const message = (name: string, call: (ref: string, value: Wire) => void): Method =>
    deviceMessage(database, 'PBD', name, ([ref, value]) => {
      database.get('PBD', ref as string);
      call(ref as string, value!);
      return undefined;
    });
  return [
    creation(database, 'PBD', (fields) => {
      const { PBDs: pbds } = database.get('SR', fields.SR as string);
      database.get('host', fields.host as string);
      const known = (pbds as readonly string[]).find((pbd) => database.get('PBD', pbd).host === fields.host);
      if (known !== undefined) throw deviceErrors.pbdExists(fields.SR as string, fields.host as string, known);
      return createLinked(database, 'PBD', fields);
    }),
    destruction(database, 'PBD', (ref) => {
      if (database.get('PBD', ref).currently_attached === true) throw xapiErrors.operationNotAllowed('PBD is currently attached');
      destroyLinked(database, 'PBD', ref);
    }),
    message('plug', (ref) => {
      const { SR: srRef } = database.get('PBD', ref);
      const sr = database.get('SR', srRef as string);
      database.update('PBD', ref, { currently_attached: true });
      // Its driver has looked at it now.
      if (sr.physical_size === -1 && sr.is_tools_sr !== true) {
        database.update('SR', srRef as string, { physical_size: SR_BYTES, physical_utilisation: 0 });
      }
    }),
    message('unplug', (ref) => {
      const { SR: sr, currently_attached: attached } = database.get('PBD', ref);
      if (attached !== true) return;
      const used = activeDisks(database, sr as string);
      if (used.length > 0) throw deviceErrors.vdiInUse(...used);
      database.update('PBD', ref, { currently_attached: false });
    }),
    message('set_device_config', (ref, value) => database.update('PBD', ref, { device_config: value })),
  ];
}

function activeDisks(database: Database, sr: string): string[] {
  return (database.get('SR', sr).VDIs as readonly string[]).filter((vdi) =>
    (database.get('VDI', vdi).VBDs as readonly string[]).some((vbd) => database.get('VBD', vbd).currently_attached === true),
  );
}
