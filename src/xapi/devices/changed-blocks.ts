// Changed block tracking: which disks are tracked, and what changed between two of a chain. Disks
// have no contents here, so no block ever changed (ocaml/xapi/xapi_vdi.ml of xen-api e2ee48d6, and
// libs/sm/VDI.py of sm: _cbt_snapshot, list_changed_blocks).
import { randomUUID } from 'node:crypto';
import { KIB } from '../../base/units.js';
import type { Database } from '../model/database.js';
import { backend, deviceErrors } from '../wire/device-errors.js';
import { structOf, type WireStruct } from '../wire/values.js';
import { assertAttached, assertVdiAllows } from './allowed-storage.js';
import { updateLinked } from './links.js';

/** CBT_BLOCK_SIZE of sm: a bit of the answer stands for so much of the disk. */
const BLOCK_BYTES = 64 * KIB;
const BITS = 8;
/** The chain of a tracked disk and its place in it: "UUID/3". A snapshot takes its disk's place. */
const CHAIN = 'xennuma:cbt-chain';

interface Link {
  readonly chain: string;
  readonly place: number;
}

function linkOf({ cbt_enabled: tracked, sm_config: config }: WireStruct): Link | null {
  const [chain, place] = String((config as WireStruct)[CHAIN] ?? '').split('/');
  return tracked === true && chain !== undefined && place !== undefined ? { chain, place: Number(place) } : null;
}

function withLink(vdi: WireStruct, link: Link | null): WireStruct {
  const { [CHAIN]: _, ...config } = vdi.sm_config as WireStruct;
  return structOf(link === null ? config : { ...config, [CHAIN]: `${link.chain}/${link.place}` });
}

/** @throws XapiError with the reason why it is not allowed now */
export function setTracked(database: Database, ref: string, tracked: boolean): void {
  assertVdiAllows(database, ref, tracked ? 'enable_cbt' : 'disable_cbt');
  const vdi = database.get('VDI', ref);
  if (vdi.cbt_enabled === tracked) return;
  const link = tracked ? { chain: randomUUID(), place: 0 } : null;
  updateLinked(database, 'VDI', ref, { cbt_enabled: tracked, sm_config: withLink(vdi, link) });
}

/** After a snapshot was made: it continues its disk's chain, and the disk comes after it. */
export function trackSnapshot(database: Database, ref: string, snapshot: string): void {
  const vdi = database.get('VDI', ref);
  const link = linkOf(vdi);
  if (link === null) return;
  const config = withLink(database.get('VDI', snapshot), link);
  updateLinked(database, 'VDI', snapshot, { cbt_enabled: true, sm_config: config });
  updateLinked(database, 'VDI', ref, { sm_config: withLink(vdi, { ...link, place: link.place + 1 }) });
}

/**
 * @returns a bit for each block of the later disk, in base64
 * @throws XapiError SR_BACKEND_FAILURE_460 for disks that are not of one chain, in its order
 */
export function changedBlocks(database: Database, from: string, to: string): string {
  const later = database.get('VDI', to);
  assertVdiAllows(database, to, 'list_changed_blocks');
  if (from === to) throw unrelated('Source and target VDI are same');
  const [first, last] = [linkOf(database.get('VDI', from)), linkOf(later)];
  if (first === null || last === null || first.chain !== last.chain || first.place >= last.place) {
    throw unrelated('Source and target VDI are unrelated');
  }
  const blocks = Math.ceil((later.virtual_size as number) / BLOCK_BYTES);
  return Buffer.alloc(Math.ceil(blocks / BITS)).toString('base64');
}

const unrelated = (reason: string) => backend(460, `Failed to calculate changed blocks for given VDIs. [opterr=${reason}]`);

/**
 * A tracked snapshot loses its contents, and stays to be compared with later ones. xapi waits four
 * seconds for its VBDs to go.
 * @throws XapiError with the reason why it is not allowed now
 */
export function destroyData(database: Database, ref: string): void {
  assertVdiAllows(database, ref, 'data_destroy');
  const vdi = database.get('VDI', ref);
  if (vdi.type === 'cbt_metadata') return;
  assertAttached(database, vdi.SR as string);
  if ((vdi.VBDs as readonly string[]).length > 0) throw deviceErrors.vdiInUse(ref, 'data_destroy');
  updateLinked(database, 'VDI', ref, { type: 'cbt_metadata', physical_utilisation: 0 });
}
