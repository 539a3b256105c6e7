// The export and import of VMs' metadata as messages, which HTTP alone sends: their names are those
// of xapi's permissions for the paths (datamodel.ml, http_actions, of xen-api e2ee48d6).
import type { VmLife } from '../../life/vm-life.js';
import type { Database } from '../../model/database.js';
import { xapiErrors } from '../../wire/errors.js';
import type { Wire, WireStruct } from '../../wire/values.js';
import type { CallContext, Method } from '../method.js';
import { dropVm } from '../vm/removal.js';
import { type DeviceKind, exportHeader } from './export.js';
import { assertCompatible, headerOf, headerValue, versionOf } from './header.js';
import { MetadataImport, type PlannedVm } from './import.js';

export const EXPORT_METADATA = 'http/get_export_metadata';
export const IMPORT_METADATA = 'http/put_import_metadata';

export interface ArchiveParts {
  readonly database: Database;
  readonly life: VmLife;
  readonly host: () => string;
  /** Another message. */
  readonly find: (name: string) => Method;
}

export function archiveMethods({ database, life, host, find }: ArchiveParts): Method[] {
  const send = (name: string, args: readonly Wire[], context: CallContext): Wire => find(name).call(args, context) as Wire;
  return [
    {
      name: EXPORT_METADATA,
      params: [
        { name: 'vm', type: { ref: 'VM' } },
        { name: 'excluded', type: { set: 'string' } },
      ],
      role: 'admin',
      async: false,
      call: ([vm, excluded]) => headerValue(exportHeader(database, vm as string, new Set(excluded as readonly DeviceKind[]))),
    },
    {
      name: IMPORT_METADATA,
      params: [
        { name: 'header', type: 'record' },
        ...['restore', 'force', 'dry_run'].map((name) => ({ name, type: 'bool' as const })),
        { name: 'vdi_map', type: { map: 'string' } },
      ],
      role: 'admin',
      async: false,
      call: async ([value, restore, force, dryRun, disks], context) => {
        const header = headerOf(value!);
        assertCompatible(header, versionOf(database.get('host', host()).software_version as WireStruct));
        const options = { restore: restore === true, force: force === true, dryRun: dryRun === true };
        const work = new MetadataImport(database, header, { ...options, disks: disks as Readonly<Record<string, string>> });
        const replaced = replacedBy(work.plan());
        if (dryRun === true) return [];
        return inTurnOf(life, replaced, context, async () => {
          // While it waited for the VMs' operations, they may have changed.
          const planned = work.plan();
          for (const vm of replacedBy(planned))
            if (!replaced.includes(vm)) throw xapiErrors.otherOperation('VM', vm, 'create', context.task);
          // A host need not know a halted VM, so this changes nothing if what follows fails.
          for (const vm of replaced) await life.forget(String(database.get('VM', vm).uuid));
          return database.as(context.user, () =>
            database.atomically(() => {
              for (const vm of replaced) dropVm(database, life, vm);
              return work.make(planned, (type, fields) => send(`${type}.create`, [fields], context) as string);
            }),
          );
        });
      },
    },
  ];
}

/** In one order for all imports, so that no two wait for each other. */
const replacedBy = (planned: readonly PlannedVm[]): string[] => planned.flatMap(({ replaces }) => replaces ?? []).sort();

/** As if each VM were destroyed: other operations on them wait until `work` has ended. */
function inTurnOf<T>(life: VmLife, vms: readonly string[], context: CallContext, work: () => Promise<T>): Promise<T> {
  const [vm, ...others] = vms;
  if (vm === undefined) return work();
  return life.operate(vm, 'destroy', context, () => inTurnOf(life, others, context, work));
}

/** @throws XapiError for a VM that there is not, by reference or uuid */
export function vmOf(database: Database, query: URLSearchParams): string {
  const [ref, uuid] = [query.get('ref'), query.get('uuid')];
  if (ref === null && uuid === null) throw xapiErrors.invalidValue('ref', 'give the ref or the uuid of a VM');
  return ref ?? database.published.refOfUuid('VM', uuid!);
}
