// Chooses the reader for a text by its content, and combines texts that describe one machine.
import { InputError } from '../../base/errors.js';
import type { Host } from '../model.js';
import { looksLikeHostFile, readHostFile } from './host-file.js';
import { readHwloc } from './hwloc.js';
import { looksLikeXml } from './hwloc-xml.js';
import { guardSize, type InputText } from './input-text.js';
import { looksLikeLscpu, looksLikeNumactl, readNumactl } from './numactl.js';
import { looksLikeXlTable } from './online-cpus.js';
import { looksLikeXenDump, looksLikeXenpm, looksLikeXlInfo, readXlInfo } from './xl-info.js';

export type HostFormat = 'hwloc' | 'xl-info' | 'xenpm' | 'numactl' | 'lscpu' | 'host-file' | 'xl-table';

const KNOWN = '`xl info -n`, `xenpm get-cpu-topology`, lstopo XML, `numactl --hardware`, `lscpu -p`, or a host file in YAML or JSON';

/** @throws InputError for an unknown format */
export function detectFormat(input: InputText): HostFormat {
  guardSize(input);
  const { text } = input;
  if (looksLikeXml(text)) return 'hwloc';
  if (looksLikeXlInfo(text)) return 'xl-info';
  if (looksLikeHostFile(text)) return 'host-file';
  if (looksLikeXenpm(text) || looksLikeXenDump(text)) return 'xenpm';
  if (looksLikeNumactl(text)) return 'numactl';
  if (looksLikeLscpu(text)) return 'lscpu';
  if (looksLikeXlTable(text)) return 'xl-table';
  throw new InputError('unknown format', { file: input.file }, `give the output of ${KNOWN}`);
}

/**
 * Reads one machine from one text, or from several: `xl info -n` with `xenpm get-cpu-topology` (or
 * the NUMA dump of debug key 'u') and the tables of `xl cpupool-list -c` and `xl vcpu-list`, or a
 * pair: `numactl --hardware` with `lscpu -p`; in any order.
 * @throws InputError for an unknown format, a half of a pair alone, or texts that do not belong
 *   together
 */
export function detectAndRead(texts: readonly InputText[]): Host {
  const found = texts.map((input) => ({ input, format: detectFormat(input) }));
  const of = (format: HostFormat) => found.find((entry) => entry.format === format)?.input;
  const [first] = found;
  if (first === undefined) throw new InputError('expected a description of the host, got none', {}, `give the output of ${KNOWN}`);
  if (found.length === 1) return readAlone(first.input, first.format);
  const info = of('xl-info');
  const tables = found.filter(({ format }) => format === 'xl-table').map(({ input }) => input);
  if (info !== undefined && tables.length > 0 && found.every(({ format }) => ['xl-info', 'xl-table', 'xenpm'].includes(format))) {
    return readXlInfo(info, of('xenpm'), tables);
  }
  const pair = found
    .map((entry) => entry.format)
    .sort()
    .join('+');
  if (pair === 'xenpm+xl-info') return readXlInfo(of('xl-info')!, of('xenpm')!);
  if (pair === 'lscpu+numactl') return readNumactl(of('numactl')!, of('lscpu')!);
  throw new InputError(
    `${found.map((entry) => `${entry.input.file} (${entry.format})`).join(' and ')} do not belong together`,
    { file: first.input.file },
    'give one description, or a pair: xl info -n with xenpm get-cpu-topology, or numactl --hardware with lscpu -p',
  );
}

function readAlone(input: InputText, format: HostFormat): Host {
  switch (format) {
    case 'hwloc':
      return readHwloc(input);
    case 'xl-info':
      return readXlInfo(input);
    case 'numactl':
      return readNumactl(input);
    case 'host-file':
      return readHostFile(input);
    case 'xenpm':
      throw new InputError('a CPU table alone has no memory sizes', { file: input.file }, 'add the output of `xl info -n`');
    case 'xl-table':
      throw new InputError('a table of domains or pools has no nodes', { file: input.file }, 'add the output of `xl info -n`');
    case 'lscpu':
      throw new InputError('lscpu does not list the memory of nodes', { file: input.file }, 'add the output of `numactl --hardware`');
  }
}
