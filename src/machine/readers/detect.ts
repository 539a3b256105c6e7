// Chooses the reader for a text by its content, and combines texts that describe one machine.
import { InputError } from '../../base/errors.js';
import type { Host } from '../model.js';
import { looksLikeHostFile, readHostFile } from './host-file.js';
import { readHwloc } from './hwloc.js';
import { looksLikeXml } from './hwloc-xml.js';
import { guardSize, type InputText } from './input-text.js';
import { looksLikeCapabilities, looksLikeNodeinfo, readCapabilities, readNodeinfo } from './libvirt/capabilities.js';
import { looksLikeLscpu, looksLikeNumactl, readNumactl } from './numactl.js';
import { looksLikeXlTable } from './online-cpus.js';
import { otherDocument, otherText, refusalOf } from './other-outputs.js';
import { looksLikeDumpedNodes, looksLikeXenDump, looksLikeXenpm, looksLikeXlInfo, readXlInfo } from './xl-info.js';

export type HostFormat = 'hwloc' | 'capabilities' | 'nodeinfo' | 'xl-info' | 'xenpm' | 'numactl' | 'lscpu' | 'host-file' | 'xl-table';

const KNOWN =
  '`xl info -n`, `xenpm get-cpu-topology`, `virsh capabilities`, lstopo XML, `numactl --hardware`, `lscpu -p`, or a host file in YAML or JSON';

/** @throws InputError for an unknown format */
export function detectFormat(input: InputText): HostFormat {
  guardSize(input);
  const { text } = input;
  if (looksLikeCapabilities(text)) return 'capabilities';
  refuseOther(input, otherDocument(text));
  if (looksLikeXml(text)) return 'hwloc';
  if (looksLikeXlInfo(text)) return 'xl-info';
  if (looksLikeHostFile(text)) return 'host-file';
  if (looksLikeXenpm(text) || looksLikeXenDump(text)) return 'xenpm';
  if (looksLikeNumactl(text)) return 'numactl';
  if (looksLikeNodeinfo(text)) return 'nodeinfo';
  if (looksLikeLscpu(text)) return 'lscpu';
  if (looksLikeXlTable(text)) return 'xl-table';
  if (looksLikeScenario(text)) {
    throw new InputError('expected a host, got a scenario', { file: input.file }, 'play it with xennuma run, or give its host file');
  }
  if (/^['"]?vms['"]?[ \t]*:/m.test(text)) {
    throw new InputError('expected a host, got a list of VMs', { file: input.file }, `give it with --vms, and for the host ${KNOWN}`);
  }
  if (/^[ \t]*(?:Machine|System) \(.*\b\d+[KMGT]B\b.*\)|\bNUMANode L#\d+/m.test(text)) {
    throw new InputError("lstopo's text rounds the memory and leaves out distances", { file: input.file }, 'write XML: `lstopo --of xml`');
  }
  refuseOther(input, otherText(text));
  throw new InputError('unknown format', { file: input.file }, `give the output of ${KNOWN}`);
}

/** @throws InputError for output that is known to have no nodes */
function refuseOther({ file }: InputText, other: ReturnType<typeof otherText>): void {
  if (other !== null) throw refusalOf(other, file, `give the output of ${other.instead ?? KNOWN}`);
}

export function looksLikeScenario(text: string): boolean {
  return /^['"]?events['"]?[ \t]*:/m.test(text);
}

/** Whether a text describes a host by other means than Xen's own tools. */
export function looksLikeHost({ text }: InputText): boolean {
  return looksLikeXml(text) || looksLikeHostFile(text) || looksLikeNumactl(text) || looksLikeLscpu(text) || looksLikeNodeinfo(text);
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
  refuseRepeated(texts);
  const of = (format: HostFormat) => found.find((entry) => entry.format === format)?.input;
  const [first] = found;
  if (first === undefined) throw new InputError('expected a description of the host, got none', {}, `give the output of ${KNOWN}`);
  if (found.length === 1) return readAlone(first.input, first.format);
  const info = of('xl-info');
  const tables = found.filter(({ format }) => format === 'xl-table').map(({ input }) => input);
  const single = found.filter(({ format }) => format !== 'xl-table').map(({ format }) => format);
  const once = new Set(single).size === single.length;
  if (info !== undefined && tables.length > 0 && once && single.every((format) => ['xl-info', 'xenpm'].includes(format))) {
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

/** Formats that only complete another one, with the one that each completes. */
const COMPLETES: Readonly<Partial<Record<HostFormat, HostFormat>>> = { xenpm: 'xl-info', 'xl-table': 'xl-info', lscpu: 'numactl' };

/** @throws InputError when two texts of one machine are the same */
function refuseRepeated(texts: readonly InputText[]): void {
  const known = new Map<string, InputText>();
  for (const input of texts) {
    const other = known.get(input.text);
    if (other !== undefined) throw givenTwice('this text', other.file, input.file, 'leave one of them out');
    known.set(input.text, input);
  }
}

/** @throws InputError when two descriptions have one name and the same hardware */
function refuseSameHosts(hosts: readonly Host[], files: readonly string[]): void {
  const known = new Map<string, string>();
  for (const [index, { name, nodes, cpus, distances }] of hosts.entries()) {
    // A machine without a name of its own is named by its file.
    const identity = name === files[index] ? name.replace(/^(?:\.\/+)+/, '') : name;
    const hardware = JSON.stringify([identity, nodes.map(({ id, memoryBytes }) => [id, memoryBytes]), cpus, distances]);
    const other = known.get(hardware);
    if (other !== undefined) {
      throw givenTwice(`the host '${name}'`, other, files[index]!, 'leave one of them out, or give each of two equal hosts its own name');
    }
    known.set(hardware, files[index]!);
  }
}

function givenTwice(what: string, first: string, second: string, mend: string): InputError {
  return new InputError(`${what} is given twice${first === second ? '' : `, also as ${first}`}`, { file: second }, mend);
}

/**
 * Several machines, each from a text or from several as above: a text that only completes another
 * one belongs to the machine named before it.
 * @throws InputError as detectAndRead, and for a machine that is given twice
 */
export function detectAndReadAll(texts: readonly InputText[]): Host[] {
  const found = texts.map((input) => ({ input, completes: COMPLETES[detectFormat(input)] !== undefined }));
  if (found.filter(({ completes }) => !completes).length <= 1) return [detectAndRead(texts)];
  const machines: InputText[][] = [];
  for (const { input, completes } of found) {
    const last = machines.at(-1);
    if (completes && last !== undefined) last.push(input);
    else machines.push([input]);
  }
  const hosts = machines.map(detectAndRead);
  refuseSameHosts(
    hosts,
    machines.map(([first]) => first!.file),
  );
  return hosts;
}

function readAlone(input: InputText, format: HostFormat): Host {
  switch (format) {
    case 'hwloc':
      return readHwloc(input);
    case 'capabilities':
      return readCapabilities(input);
    case 'nodeinfo':
      return readNodeinfo(input);
    case 'xl-info':
      return readXlInfo(input);
    case 'numactl':
      return readNumactl(input);
    case 'host-file':
      return readHostFile(input);
    case 'xenpm':
      if (looksLikeDumpedNodes(input.text)) return readXlInfo(input);
      throw new InputError('a CPU table alone has no memory sizes', { file: input.file }, 'add the output of `xl info -n`');
    case 'xl-table':
      throw new InputError('a table of domains or pools has no nodes', { file: input.file }, 'add the output of `xl info -n`');
    case 'lscpu':
      throw new InputError('lscpu does not list the memory of nodes', { file: input.file }, 'add the output of `numactl --hardware`');
  }
}
