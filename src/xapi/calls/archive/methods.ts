// The export and import of VMs' metadata as messages, which HTTP alone sends: their names are those
// of xapi's permissions for the paths (datamodel.ml, http_actions, of xen-api e2ee48d6).
import type { Database } from '../../model/database.js';
import { xapiErrors } from '../../wire/errors.js';
import type { Wire, WireStruct } from '../../wire/values.js';
import type { CallContext, Method } from '../method.js';
import { type DeviceKind, exportHeader } from './export.js';
import { assertCompatible, headerOf, headerValue, versionOf } from './header.js';
import { MetadataImport } from './import.js';

export const EXPORT_METADATA = 'http/get_export_metadata';
export const IMPORT_METADATA = 'http/put_import_metadata';

/** @param find another message */
export function archiveMethods(database: Database, host: () => string, find: (name: string) => Method): Method[] {
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
        const planned = work.plan();
        if (dryRun === true) return [];
        for (const { replaces } of planned) {
          // Waits for the VM's operations; what follows is one change.
          if (replaces !== null) await find('VM.destroy').call([replaces], context);
        }
        return database.as(context.user, () =>
          database.atomically(() => work.make(planned, (type, fields) => send(`${type}.create`, [fields], context) as string)),
        );
      },
    },
  ];
}

/** @throws XapiError for a VM that there is not, by reference or uuid */
export function vmOf(database: Database, query: URLSearchParams): string {
  const [ref, uuid] = [query.get('ref'), query.get('uuid')];
  if (ref === null && uuid === null) throw xapiErrors.invalidValue('ref', 'give the ref or the uuid of a VM');
  return ref ?? database.published.refOfUuid('VM', uuid!);
}
