// The header of an exported VM: versions of the exporter, and records whose references are ids of
// the header's own (importexport.ml of xen-api e2ee48d6). As an XML-RPC value it is the file
// ova.xml of the archive.
import { XapiError } from '../../wire/errors.js';
import { isStruct, newStruct, type Wire, type WireStruct } from '../../wire/values.js';

export interface ExportedObject {
  /** As the API names it: VM, VBD, network. */
  readonly type: string;
  readonly id: string;
  readonly record: WireStruct;
}

export interface Header {
  readonly version: WireStruct;
  readonly objects: readonly ExportedObject[];
}

/** Objects of one archive: those of a VM are its devices, their disks and storage, its networks. */
export const MOST_OBJECTS = 2000;

export const importError = (why: string): XapiError => new XapiError('IMPORT_ERROR', why);
export const notFound = (id: string): XapiError => new XapiError('IMPORT_ERROR_FAILED_TO_FIND_OBJECT', id);

export function headerValue({ version, objects }: Header): WireStruct {
  return { version, objects: objects.map(({ type, id, record }) => ({ class: type, id, snapshot: record })) };
}

/** @throws XapiError IMPORT_ERROR for a value that is no header */
export function headerOf(value: Wire): Header {
  if (!isStruct(value) || !isStruct(value.version ?? null)) throw importError('ova.xml has no version');
  const { version, objects } = value;
  if (!Array.isArray(objects)) throw importError('ova.xml has no objects');
  if (objects.length > MOST_OBJECTS) throw importError(`ova.xml has more than ${MOST_OBJECTS} objects`);
  const ids = new Set<string>();
  return {
    version: version as WireStruct,
    objects: (objects as readonly Wire[]).map((one, index) => {
      const { class: type, id, snapshot } = isStruct(one) ? one : newStruct();
      if (typeof type !== 'string' || typeof id !== 'string' || !isStruct(snapshot ?? null)) {
        throw importError(`object ${index} of ova.xml has no class, id or snapshot`);
      }
      if (ids.has(id)) throw importError(`two objects of ova.xml have the id ${id.slice(0, 100)}`);
      ids.add(id);
      return { type, id, record: snapshot as WireStruct };
    }),
  };
}

const VERSION_TEXT = /^(\d{1,6})\.(\d{1,6})/;

/** Major and minor version of a host's xapi. */
export function versionOf(softwareVersion: WireStruct): readonly [number, number] {
  const [, major = '0', minor = '0'] = VERSION_TEXT.exec(String(softwareVersion.xapi_build ?? '')) ?? [];
  return [Number(major), Number(minor)];
}

/**
 * Archives of a later xapi may have what this one does not know (assert_compatible).
 * @throws XapiError IMPORT_INCOMPATIBLE_VERSION
 */
export function assertCompatible({ version }: Header, [major, minor]: readonly [number, number]): void {
  const [theirMajor, theirMinor] = [Number(version.xapi_major), Number(version.xapi_minor)];
  if (!Number.isInteger(theirMajor) || !Number.isInteger(theirMinor)) throw importError('ova.xml names no version of xapi');
  if (theirMajor > major || (theirMajor === major && theirMinor > minor)) throw new XapiError('IMPORT_INCOMPATIBLE_VERSION');
}
