import type { HostMap } from '../../map/host-map.js';

export interface CaptureFigures {
  readonly nodes: number;
  readonly vms: number;
}

export function captureFigures({ nodes, domains }: HostMap): CaptureFigures {
  return { nodes: nodes.length, vms: domains.filter(({ domid }) => domid !== 0).length };
}

/** One line on a capture that was written. */
export function captureLine(file: string, { nodes, vms }: CaptureFigures, bytes: number): string {
  return `${file}: ${nodes} nodes, ${vms} VMs, ${Math.ceil(bytes / 1024)} KiB`;
}
