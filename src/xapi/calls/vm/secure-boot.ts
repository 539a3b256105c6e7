// Whether VMs boot securely: messages of the releases after the data model's table
// (ocaml/idl/datamodel_vm.ml and datamodel_pool.ml; ocaml/xapi/xapi_vm.ml and xapi_pool.ml of
// xen-api e2ee48d6).
import type { Database } from '../../model/database.js';
import { xapiErrors } from '../../wire/errors.js';
import type { WireStruct } from '../../wire/values.js';
import { type Method, selfOf } from '../method.js';

const VARIABLES = 'EFI-variables';

export function secureBootMethods(database: Database): Method[] {
  const vm = selfOf('VM');
  return [
    {
      ...{ name: 'VM.get_secureboot_readiness', params: [vm], role: 'admin', async: true },
      call: ([ref]) => readiness(database.get('VM', ref as string)),
    },
    {
      name: 'VM.set_uefi_mode',
      params: [vm, { name: 'mode', type: { enum: ['setup', 'user'] } }],
      role: 'admin',
      async: true,
      call: ([ref]) => {
        database.get('VM', ref as string);
        // A program of the host would change the variables.
        throw xapiErrors.notImplemented('VM.set_uefi_mode');
      },
    },
    {
      ...{ name: 'pool.get_guest_secureboot_readiness', params: [selfOf('pool')], role: 'admin', async: false },
      call: ([ref]) => {
        database.get('pool', ref as string);
        // No certificates are installed, and none can be (pool.set_custom_uefi_certificates).
        return 'not_ready';
      },
    },
  ];
}

/** @throws XapiError NOT_IMPLEMENTED for variables that a program of the host would read */
function readiness(vm: WireStruct): string {
  const texts = (field: string) => vm[field] as Readonly<Record<string, string>>;
  const firmware = texts('HVM_boot_params').firmware ?? 'bios';
  if (firmware !== 'bios' && firmware !== 'uefi') throw xapiErrors.invalidValue("HVM-boot-params['firmware']", firmware);
  if (firmware === 'bios') return 'not_supported';
  // vm_platform.ml, is_true.
  if (!['true', '1'].includes((texts('platform').secureboot ?? '').toLowerCase())) return 'disabled';
  if (texts('NVRAM')[VARIABLES] === undefined) return 'first_boot';
  throw xapiErrors.notImplemented('VM.get_secureboot_readiness');
}
