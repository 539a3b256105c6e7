// QEMU's command line for an HVM guest, similar to that of xenopsd and libxl (libxl_dm.c,
// libxl__build_device_model_args_new; xen-api, ocaml/xenopsd/xc/device.ml, Dm_Common), without
// network, graphics and sound.
import type { VmDisk, VmSpec } from '../../../machine/vm.js';

export interface QemuCommand {
  readonly domid: number;
  readonly uuid: string;
  readonly vm: VmSpec;
  readonly memoryMib: number;
  readonly qmpSocket: string;
  /** This QEMU can give up system calls that it does not need. */
  readonly sandbox: boolean;
}

export function qemuArguments({ domid, uuid, vm, memoryMib, qmpSocket, sandbox }: QemuCommand): string[] {
  return [
    ...['-xen-domid', String(domid), '-uuid', uuid, '-name', `guest=${escaped(vm.name)}`],
    ...['-no-shutdown', '-nodefaults', '-no-user-config', '-S'],
    ...(sandbox ? ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'] : []),
    ...['-qmp', `unix:${escaped(qmpSocket)},server=on,wait=off`],
    ...['-machine', 'xenfv,suppress-vmdesc=on', '-m', String(memoryMib)],
    ...['-smp', `${vm.vcpusAtStartup},maxcpus=${vm.vcpusMax}`],
    ...['-display', 'none', '-vga', 'none', '-net', 'none', '-serial', 'pty', '-boot', 'order=c'],
    ...(vm.disks ?? []).flatMap((disk, index) => ['-drive', drive(disk, index)]),
  ];
}

/** As libxl: the host's page cache is before the disk, and the guest's flushes go through it. */
function drive({ file, format, readOnly }: VmDisk, index: number): string {
  const more = readOnly === true ? ',readonly=on' : '';
  return `file=${escaped(file)},if=ide,index=${index},media=disk,format=${format},cache=writeback${more}`;
}

/** A comma ends a value, two are one. */
function escaped(value: string): string {
  return value.replaceAll(',', ',,');
}

/** The domain and VM of a QEMU, by its command line; null for any other process. */
export function servedBy(words: readonly string[]): { readonly domid: number; readonly uuid: string } | null {
  const after = (option: string) => {
    const at = words.indexOf(option);
    return at === -1 ? undefined : words[at + 1];
  };
  const [domid, uuid] = [after('-xen-domid'), after('-uuid')];
  return domid === undefined || uuid === undefined || !/^\d+$/.test(domid) ? null : { domid: Number(domid), uuid };
}
