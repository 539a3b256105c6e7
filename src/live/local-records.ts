// What a host keeps of its domains outside of XenStore: xennuma's own state, and libxl's files.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../base/errors.js';
import type { Expected } from '../map/drift.js';
import type { VmMetadata } from '../xenopsd/api/metadata.js';
import type { ExpectedSources } from './expected-affinity.js';
import { readUserdata } from './userdata.js';

/**
 * libxl__userdata_path (tools/libs/light/libxl_dom.c): one file a domain, "d" for the lifetime of
 * the domain.
 */
export const LIBXL_FOLDER = '/var/lib/xen';
const LIBXL_MOST_BYTES = 16 * 2 ** 20;

/** Records of the domains on this host, outside XenStore. */
export function localRecords(metadata: readonly VmMetadata[], libxlFolder: string = LIBXL_FOLDER): Omit<ExpectedSources, 'xs'> {
  return { metadata, userdata: (domid, uuid) => expectedOfLibxl(libxlFolder, domid, uuid) };
}

/** The request that libxl keeps for a domain; null = no domain of libxl, or not readable. */
export async function expectedOfLibxl(folder: string, domid: number, uuid: string): Promise<Expected | null> {
  const file = join(folder, `userdata-d.${domid}.${uuid}.libxl-json`);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch {
    return null;
  }
  if (text.length > LIBXL_MOST_BYTES) {
    throw new InputError(
      `expected the record that libxl keeps of a domain, got ${text.length} characters`,
      { file },
      'is the domain still there?',
    );
  }
  return readUserdata(text, file).expected;
}
