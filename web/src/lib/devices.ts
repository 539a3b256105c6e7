// Network cards and disks of a VM: objects of XAPI with settings of their own.
import { asList, asRecord, asText, type Json } from '../../../src/xapi-client/values.js';
import type { Caller } from './settings.js';

export type DeviceKind = 'VIF' | 'VBD';

export interface Device {
  readonly kind: DeviceKind;
  readonly ref: string;
  readonly uuid: string;
  readonly record: Json;
  /** "Network card 0", "Disk 1", "CD drive 3". */
  readonly label: string;
}

const PLACES = { VIF: 'device', VBD: 'userdevice' } as const;

function deviceOf(kind: DeviceKind, ref: string, record: Json): Device {
  const name = kind === 'VIF' ? 'Network card' : ({ CD: 'CD drive', Floppy: 'Floppy drive' }[asText(record.type)] ?? 'Disk');
  return { kind, ref, uuid: asText(record.uuid), record, label: `${name} ${asText(record[PLACES[kind]])}` };
}

/** By kind, then by place. One that is destroyed meanwhile is left out. */
export async function devicesOf(vm: Json, call: Caller): Promise<Device[]> {
  const refs = (['VIF', 'VBD'] as const).flatMap((kind) => asList(vm[`${kind}s`]).map((ref) => [kind, asText(ref)] as const));
  const found = await Promise.all(
    refs.map(([kind, ref]) => call(`${kind}.get_record`, [ref]).then((record) => [deviceOf(kind, ref, asRecord(record))], gone)),
  );
  const place = ({ kind, record }: Device): number => Number(asText(record[PLACES[kind]]));
  return found.flat().sort((a, b) => Number(a.kind === 'VBD') - Number(b.kind === 'VBD') || place(a) - place(b));
}

/** @returns null where no device has this uuid */
export async function findDevice(uuid: string, call: Caller): Promise<Device | null> {
  for (const kind of ['VIF', 'VBD'] as const) {
    const ref = await call(`${kind}.get_by_uuid`, [uuid]).then(asText, noObject);
    if (ref !== null) return deviceOf(kind, ref, asRecord(await call(`${kind}.get_record`, [ref])));
  }
  return null;
}

/** @throws what is no answer that the object is not there */
function noObject(error: unknown): null {
  if (['UUID_INVALID', 'HANDLE_INVALID'].includes((error as { code?: string }).code ?? '')) return null;
  throw error;
}
const gone = (error: unknown): Device[] => noObject(error) ?? [];
