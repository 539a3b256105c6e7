// The real host: Xen through libxencall, the XenStore daemon on its socket, the builder as a
// process over libxenguest.
import { hostname } from 'node:os';
import { openLibxencall } from '../../xenctrl/doors/libxencall-door.js';
import { openXenctrl } from '../../xenctrl/open-xenctrl.js';
import { ProcessXenguest, type ProcessXenguestOptions } from '../../xenguest/process.js';
import type { Xenguest } from '../../xenguest/xenguest.js';
import { connectXenstore } from '../../xenstore/client/connect.js';
import { type HostDoors, XEN_CAPABILITIES } from '../api/host-doors.js';
import { qemuDeviceModel } from './device-model/qemu.js';

export interface XenHostOptions {
  /** Socket or device of XenStore; found as Xen's own tools find it by default. */
  readonly xenstore?: string;
  readonly builder?: ProcessXenguestOptions;
  /**
   * Take a guest's memory from the one node of its node affinity and no other when it fits there,
   * where libxenguest's extents of 1 GiB could go elsewhere. Not what xenopsd does.
   */
  readonly keepOnNode?: boolean;
}

export interface XenHost extends HostDoors {
  /** Gives back all that it holds of the host; VMs go on. */
  close(): Promise<void>;
}

/**
 * @throws InputError when there is no Xen or no XenStore here, no permission, or a version of Xen
 *   that is not known
 */
export async function xenHost(options: XenHostOptions = {}): Promise<XenHost> {
  const door = await openLibxencall();
  try {
    const xc = openXenctrl(door);
    const xs = await connectXenstore(options.xenstore === undefined ? {} : { path: options.xenstore });
    const builder = new ProcessXenguest(options.builder);
    return {
      kind: 'xen',
      can: XEN_CAPABILITIES,
      name: hostname(),
      xc,
      xs,
      xenguest: options.keepOnNode === true ? keepingOnNode(builder) : builder,
      deviceModel: qemuDeviceModel(xs, xc.version.xen),
      channels: (domid) => ({ storePort: xc.eventChannelAllocUnbound(domid, 0), consolePort: xc.eventChannelAllocUnbound(domid, 0) }),
      close: async () => {
        await xs.close();
        xc.close();
        door.close();
      },
    };
  } catch (error) {
    door.close();
    throw error;
  }
}

function keepingOnNode(builder: ProcessXenguest): Xenguest {
  return { run: (args, run) => builder.run({ ...args, keepOnNode: true }, run), streams: builder.streams };
}
