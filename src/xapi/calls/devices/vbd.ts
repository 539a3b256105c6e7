// The messages of class VBD (ocaml/xapi/xapi_vbd.ml of xen-api e2ee48d6).
import { assertVbdAllows, type VbdOperation, vbdAllows } from '../../devices/allowed.js';
import { assertDetached, isAttached } from '../../devices/allowed-storage.js';
import { dropVbd } from '../../devices/disks.js';
import { updateLinked } from '../../devices/links.js';
import { createVbd, diskName, diskNumber } from '../../devices/vm-devices.js';
import { kindOf } from '../../life/vm-spec.js';
import { NULL } from '../../model/schema-types.js';
import { deviceErrors } from '../../wire/device-errors.js';
import { xapiErrors } from '../../wire/errors.js';
import type { Method } from '../method.js';
import { creation, type DeviceParts, destruction, deviceMessage } from './message.js';

export function vbdMethods({ database, modelled }: DeviceParts): Method[] {
  const message = (name: string, call: (ref: string, value: string) => void): Method =>
    deviceMessage(database, 'VBD', name, ([ref, value]) => {
      database.get('VBD', ref as string);
      call(ref as string, value as string);
      return undefined;
    });
  const operation = (name: VbdOperation, call: (ref: string, value: string) => void): Method =>
    message(name, (ref, value) => {
      if (name === 'insert') database.get('VDI', value);
      assertVbdAllows(database, ref, name);
      call(ref, value);
    });
  const unplug = (ref: string) => database.update('VBD', ref, { currently_attached: false });
  return [
    creation(database, 'VBD', (fields) => {
      if (!modelled) throw xapiErrors.notImplemented('VBD.create');
      const ref = createVbd(database, fields);
      database.update('VBD', ref, { allowed_operations: vbdAllows(database, ref) });
      return ref;
    }),
    destruction(database, 'VBD', (ref) => {
      assertDetached(database, database.get('VBD', ref));
      dropVbd(database, ref);
    }),
    operation('plug', (ref) => {
      const vbd = database.get('VBD', ref);
      const vm = database.get('VM', vbd.VM as string);
      if (vbd.mode === 'RO' && vbd.type !== 'CD' && kindOf(vm) === 'hvm') throw deviceErrors.diskMustBeWritable(ref);
      if (vbd.empty !== true) {
        const sr = database.get('VDI', vbd.VDI as string).SR as string;
        if (!isAttached(database, database.get('SR', sr))) throw deviceErrors.srNoPbds(sr);
      }
      const number = diskNumber(vbd.userdevice as string);
      database.update('VBD', ref, { currently_attached: true, device: number === null ? '' : diskName(number) });
    }),
    operation('unplug', unplug),
    operation('unplug_force', unplug),
    operation('insert', (ref, vdi) => {
      if (database.get('VDI', vdi).managed !== true) throw deviceErrors.vdiNotManaged(vdi);
      updateLinked(database, 'VBD', ref, { VDI: vdi, empty: false });
    }),
    operation('eject', (ref) => updateLinked(database, 'VBD', ref, { VDI: NULL, empty: true })),
    message('assert_attachable', (ref) => assertVbdAllows(database, ref, 'attach')),
    // Of a VM that is off, or a disk that is out (xapi_vbd.ml, set_mode).
    message('set_mode', (ref, mode) => {
      const vbd = database.get('VBD', ref);
      const { power_state: power } = database.get('VM', vbd.VM as string);
      if (power !== 'Halted') throw xapiErrors.badPowerState(vbd.VM as string, 'Halted', String(power));
      if (vbd.type === 'CD' && mode !== 'RO') throw deviceErrors.cdMustBeReadOnly();
      database.update('VBD', ref, { mode });
    }),
  ];
}
