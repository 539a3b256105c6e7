// The messages of class VTPM: TPMs of VMs. Like disks they are records without contents
// (ocaml/xapi/xapi_vtpm.ml of xen-api e2ee48d6).
import { createLinked, destroyLinked } from '../../devices/links.js';
import type { Database } from '../../model/database.js';
import { XapiError, xapiErrors } from '../../wire/errors.js';
import type { Method } from '../method.js';
import { modelMessage } from './shape.js';

/** @param modelled a host of this process; a real one's VMs would get no TPM */
export function vtpmMethods(database: Database, modelled: boolean): Method[] {
  return [
    modelMessage(database, 'VTPM.create', ([vm, isUnique]) => {
      if (!modelled) throw xapiErrors.notImplemented('VTPM.create');
      const { VTPMs: known, power_state: power } = database.get('VM', vm as string);
      const { length } = known as readonly string[];
      if (length > 0) throw new XapiError('VTPM_MAX_AMOUNT_REACHED', String(length));
      if (power !== 'Halted') throw xapiErrors.badPowerState(vm as string, 'Halted', String(power));
      const fields = { VM: vm!, persistence_backend: 'xapi', is_unique: isUnique! };
      return database.atomically(() => createLinked(database, 'VTPM', fields));
    }),
    modelMessage(database, 'VTPM.destroy', ([ref]) => {
      const { VM: vm } = database.get('VTPM', ref as string);
      const { power_state: power } = database.get('VM', vm as string);
      if (power !== 'Halted' && power !== 'Suspended') throw xapiErrors.badPowerState(vm as string, 'Halted, Suspended', String(power));
      database.atomically(() => destroyLinked(database, 'VTPM', ref as string));
    }),
  ];
}
