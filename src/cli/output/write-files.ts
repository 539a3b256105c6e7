// Files that a command writes: renderings of the flow and of the map.
import { writeFileSync } from 'node:fs';
import { InputError } from '../../base/errors.js';
import { FlowRecord } from '../../flow/record.js';
import type { HostMap } from '../../map/host-map.js';

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
