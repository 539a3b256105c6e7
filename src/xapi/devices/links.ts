// References that exist in both directions: the database stores the one in the later record
// (VBD.VM), and these functions maintain the set in the other (VM.VBDs), as xapi's database does.
import type { ChangeKind, Database } from '../model/database.js';
import type { Wire } from '../wire/values.js';

interface Link {
  readonly field: string;
  readonly parent: string;
  readonly members: string;
}

const LINKS: Readonly<Record<string, readonly Link[]>> = {
  VBD: [
    { field: 'VM', parent: 'VM', members: 'VBDs' },
    { field: 'VDI', parent: 'VDI', members: 'VBDs' },
  ],
  VIF: [
    { field: 'VM', parent: 'VM', members: 'VIFs' },
    { field: 'network', parent: 'network', members: 'VIFs' },
  ],
  VDI: [
    { field: 'SR', parent: 'SR', members: 'VDIs' },
    { field: 'snapshot_of', parent: 'VDI', members: 'snapshots' },
  ],
  PBD: [
    { field: 'host', parent: 'host', members: 'PBDs' },
    { field: 'SR', parent: 'SR', members: 'PBDs' },
  ],
  PIF: [
    { field: 'host', parent: 'host', members: 'PIFs' },
    { field: 'network', parent: 'network', members: 'PIFs' },
    { field: 'bond_slave_of', parent: 'Bond', members: 'slaves' },
  ],
  VLAN: [{ field: 'tagged_PIF', parent: 'PIF', members: 'VLAN_slave_of' }],
  Bond: [{ field: 'master', parent: 'PIF', members: 'bond_master_of' }],
  tunnel: [
    { field: 'access_PIF', parent: 'PIF', members: 'tunnel_access_PIF_of' },
    { field: 'transport_PIF', parent: 'PIF', members: 'tunnel_transport_PIF_of' },
  ],
  console: [{ field: 'VM', parent: 'VM', members: 'consoles' }],
  VTPM: [{ field: 'VM', parent: 'VM', members: 'VTPMs' }],
};

type Fields = Readonly<Record<string, Wire>>;

/** @returns the new object's ref */
export function createLinked(database: Database, type: string, fields: Fields, uuid?: string, kind?: ChangeKind): string {
  const ref = database.create(type, fields, uuid, kind);
  for (const link of LINKS[type]!) enter(database, link, String(fields[link.field] ?? ''), ref, kind);
  return ref;
}

/** @throws XapiError HANDLE_INVALID */
export function updateLinked(database: Database, type: string, ref: string, changes: Fields): void {
  const before = database.get(type, ref);
  database.update(type, ref, changes);
  for (const link of LINKS[type]!) {
    const now = changes[link.field];
    if (now === undefined || now === before[link.field]) continue;
    leave(database, link, String(before[link.field]), ref);
    enter(database, link, String(now), ref);
  }
}

/** @throws XapiError HANDLE_INVALID */
export function destroyLinked(database: Database, type: string, ref: string, kind?: ChangeKind): void {
  const record = database.get(type, ref);
  database.destroy(type, ref, kind);
  for (const link of LINKS[type]!) leave(database, link, String(record[link.field]), ref, kind);
}

function enter(database: Database, { parent, members }: Link, owner: string, ref: string, kind?: ChangeKind): void {
  if (!database.has(parent, owner)) return;
  const known = database.get(parent, owner)[members] as readonly string[];
  database.update(parent, owner, { [members]: [...known, ref] }, kind);
}

function leave(database: Database, { parent, members }: Link, owner: string, ref: string, kind?: ChangeKind): void {
  if (!database.has(parent, owner)) return;
  const known = database.get(parent, owner)[members] as readonly string[];
  database.update(parent, owner, { [members]: known.filter((one) => one !== ref) }, kind);
}
