// Files that a command writes: renderings of the flow and of the map.
import { writeFileSync } from 'node:fs';
import { InputError } from '../../base/errors.js';
import { FlowRecord } from '../../flow/record.js';
import type { HostMap } from '../../map/host-map.js';
import type { PageData } from '../../page/page-data.js';
import { type ProfileName, profileOf } from '../../xenopsd/api/profiles.js';
import { VERSION } from './version.js';

/** As `xennuma place` takes it. */
const REMARK_POLICY = 'best_effort' as const;

/** @throws InputError when the file cannot be written */
export function writeOutput(file: string, text: string): void {
  try {
    if (file === '-') process.stdout.write(text);
    else writeFileSync(file, text);
  } catch (error) {
    throw new InputError(`cannot be written: ${(error as Error).message}`, { file }, 'check the directory and its permissions');
  }
}

/**
 * The rendering that the file name's extension selects.
 * @throws InputError for any other name
 */
export function formatOf<const F extends string>(file: string, formats: readonly F[], option: string): F {
  const found = formats.find((format) => file.endsWith(`.${format}`));
  if (found !== undefined) return found;
  throw new InputError(`${option}: the format is unknown`, { file }, `end the name in ${formats.map((format) => `.${format}`).join(', ')}`);
}

export const FLOW_FILES = ['txt', 'mmd', 'svg'] as const;

/** The paths of several runs: consecutive as text, overlaid in a chart. */
export async function writeFlow(file: string, records: readonly FlowRecord[]): Promise<void> {
  const format = formatOf(file, FLOW_FILES, '--flow');
  const { renderFlow } = await import('../../flow/render/render.js');
  const [first] = records;
  if (format === 'txt')
    writeOutput(
      file,
      records
        .map((record) => renderFlow(record, format).trimEnd())
        .join('\n\n')
        .concat('\n'),
    );
  else if (records.length === 1) writeOutput(file, renderFlow(first!, format));
  else {
    const title = `${records.length} operations, the first: ${first?.title ?? 'none'}`;
    const entries = records.flatMap((record) => record.entries);
    writeOutput(file, renderFlow(new FlowRecord(title, entries), format));
  }
}

/** The picture of a host. */
export async function writeMap(file: string, map: HostMap): Promise<void> {
  const { renderHostMapSvg } = await import('../../view/host-map-svg.js');
  writeOutput(file, renderHostMapSvg(map));
}

export interface PageInput {
  readonly map: HostMap;
  readonly notes: readonly string[];
  /** The toolstack whose rules the advice follows. */
  readonly profile?: ProfileName;
}

/** Hosts as a page in one file. */
export async function writePage(file: string, kind: PageData['kind'], hosts: readonly PageInput[]): Promise<void> {
  const { pageAssets, pageFile } = await import('../../page/page-file.js');
  const { pageData } = await import('../../page/page-data.js');
  const takenAt = kind === 'live' ? new Date().toISOString() : null;
  const inputs = hosts.map(({ map, notes, profile = 'xapi-25.6' }) => ({ map, notes, profile: profileOf(profile), policy: REMARK_POLICY }));
  writeOutput(file, pageFile(pageData(kind, VERSION, takenAt, inputs), pageAssets()));
}
