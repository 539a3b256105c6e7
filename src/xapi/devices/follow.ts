// Updates allowed_operations of storage and network devices after a commit that concerns them. Like
// those of VMs they are derived from other records, and every start of the daemon derives them
// anew.
import type { Database } from '../model/database.js';
import type { StoredObject } from '../model/published.js';
import type { WireStruct } from '../wire/values.js';
import { vbdAllows, vifAllows } from './allowed.js';
import { srAllows, vdiAllows } from './allowed-storage.js';

const ALLOWED: Readonly<Record<string, (database: Database, ref: string) => string[]>> = {
  VBD: vbdAllows,
  VIF: vifAllows,
  VDI: vdiAllows,
  SR: srAllows,
  network: () => ['attaching'],
};

/** The objects whose allowed operations depend on an object that changed. */
function dependents(database: Database, { type, record }: StoredObject): readonly (readonly [string, string])[] {
  if (record === null) return [];
  const of = (kind: string, field: string) => (record[field] as readonly string[]).map((ref): [string, string] => [kind, ref]);
  switch (type) {
    case 'VM':
      return [...of('VBD', 'VBDs'), ...of('VIF', 'VIFs')];
    case 'VBD':
      return record.empty === true ? [] : [['VDI', record.VDI as string], ...siblings(database, record)];
    case 'VDI':
      return [...of('VBD', 'VBDs'), ['SR', record.SR as string]];
    case 'PBD':
      return [['SR', record.SR as string]];
    case 'SR':
      return of('VDI', 'VDIs');
    default:
      return [];
  }
}

/** Other VBDs of the same disk. */
function siblings(database: Database, vbd: WireStruct): [string, string][] {
  const vdi = vbd.VDI as string;
  if (!database.has('VDI', vdi)) return [];
  return (database.get('VDI', vdi).VBDs as readonly string[]).map((ref) => ['VBD', ref]);
}

/** At the daemon's start, once its VMs run again. */
export function allowAll(database: Database): void {
  for (const type of Object.keys(ALLOWED)) for (const ref of database.refs(type)) allow(database, type, ref);
}

function allow(database: Database, type: string, ref: string): void {
  const allowed = ALLOWED[type]!(database, ref);
  const before = database.get(type, ref).allowed_operations as readonly string[];
  if (before.join() !== allowed.join()) database.update(type, ref, { allowed_operations: allowed }, 'derived');
}

export function followDevices(database: Database, changed: readonly StoredObject[]): void {
  const concerned = new Map<string, string>();
  for (const object of changed) {
    if (object.record !== null && ALLOWED[object.type] !== undefined) concerned.set(object.ref, object.type);
    for (const [type, ref] of dependents(database, object)) concerned.set(ref, type);
  }
  for (const [ref, type] of concerned) if (database.has(type, ref)) allow(database, type, ref);
}
