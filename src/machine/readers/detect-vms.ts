// Chooses the reader for a description of VMs by its content.
import { InputError } from '../../base/errors.js';
import type { Host } from '../model.js';
import type { VmSpec } from '../vm.js';
import { looksLikeHost, looksLikeScenario } from './detect.js';
import { guardSize, type InputText } from './input-text.js';
import { looksLikeLibvirtXml, readLibvirtXml } from './libvirt/domain-xml.js';
import { looksLikeVmFile, readVmFile } from './vm-file.js';
import { looksLikeXlConfig, readXlConfig } from './xl/xl-config.js';

/**
 * Reads VMs from texts of our own form, xl guest configs and libvirt's XML, in the order given.
 * @param host the machine that CPU numbers in xl configs (`cpus=`, `cpus_soft=`) and in libvirt's
 * XML (`cpuset=`) refer to
 * @throws InputError for an unknown format, and for a name used twice
 */
export function detectAndReadVms(texts: readonly InputText[], host: Host): VmSpec[] {
  const vms: VmSpec[] = [];
  const fileOf = new Map<string, string>();
  for (const input of texts) {
    guardSize(input);
    for (const vm of readOne(input, host)) {
      const other = fileOf.get(vm.name);
      if (other !== undefined) throw new InputError(`'${vm.name}' is also in ${other}`, { file: input.file }, 'give each VM its own name');
      fileOf.set(vm.name, input.file);
      vms.push(vm);
    }
  }
  return vms;
}

/** Whether a reader of VMs would take the text. */
export function looksLikeVms(text: string): boolean {
  return looksLikeLibvirtXml(text) || looksLikeVmFile(text) || looksLikeXlConfig(text);
}

function readOne(input: InputText, host: Host): VmSpec[] {
  if (looksLikeLibvirtXml(input.text)) return readLibvirtXml(input, host);
  if (looksLikeScenario(input.text)) {
    throw new InputError('expected VMs, got a scenario', { file: input.file }, 'play it with xennuma run, or give a file of its VMs');
  }
  if (looksLikeVmFile(input.text)) return readVmFile(input);
  if (looksLikeXlConfig(input.text)) return [readXlConfig(input, host)];
  if (looksLikeHost(input)) {
    throw new InputError('expected VMs, got the description of a host', { file: input.file }, 'give it with --host');
  }
  if (/^(?:- *)?['"]?name['"]?[ \t]*:/m.test(input.text)) {
    throw new InputError(
      'expected vms: as the first line of a list of VMs',
      { file: input.file },
      'write it above them; see examples/vms/',
    );
  }
  throw new InputError(
    'unknown format',
    { file: input.file },
    'give VMs in YAML or JSON (vms: ...), an xl guest config (name = "..."), or the output of `virsh dumpxml`',
  );
}
