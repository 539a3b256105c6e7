// VM.create_device_model: the device model of an HVM guest that is built and paused (xen-api,
// ocaml/xenopsd/xc/xenops_server_xen.ml, create_device_model), with what it and hvmloader read.
import type { XenstoreConnection } from '../../xenstore/connection.js';
import { type StartRun, StepError } from './start-run.js';

/**
 * @returns its process id; undefined for a guest that needs none, or a host that runs none
 * @throws StepError
 */
export async function createDeviceModel(run: StartRun, domid: number): Promise<number | undefined> {
  const { vm, uuid, doors, memory, record } = run;
  const { deviceModel } = doors;
  if (vm.kind !== 'hvm' || deviceModel === undefined) return undefined;
  await writeDeviceModelKeys(doors.xs, domid, vm.firmware === 'ovmf' ? 'ovmf' : 'seabios');
  try {
    const pid = await deviceModel.start({ domid, uuid, vm, memoryMib: memory.staticMaxMib });
    record.note('device model', { domid, pid });
    return pid;
  } catch (error) {
    throw new StepError('VM.create_device_model', error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** hvmloader starts firmware of a kind that it knows; any other file is called like SeaBIOS. */
async function writeDeviceModelKeys(xs: XenstoreConnection, domid: number, bios: 'seabios' | 'ovmf'): Promise<void> {
  const path = await xs.domainPath(domid);
  await xs.transaction(async (tx) => {
    await xs.write(`${path}/hvmloader/bios`, bios, tx);
    await xs.write(`${path}/hvmloader/allow-memory-relocate`, '0', tx);
    await xs.mkdir(deviceModelPath(domid), tx);
    await xs.setPermissions(deviceModelPath(domid), [{ domid: 0, access: 'n' }], tx);
  });
}

export function deviceModelPath(domid: number): string {
  return `/local/domain/0/device-model/${domid}`;
}
