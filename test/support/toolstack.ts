// Machines and VMs for the tests of this room.
import { MIB } from '../../src/base/units.js';
import type { Host } from '../../src/machine/model.js';
import type { VmSpec } from '../../src/machine/vm.js';
import type { Toolstack, ToolstackOptions } from '../../src/xenopsd/api/toolstack.js';
import { type EmbeddedHost, embeddedHost } from '../../src/xenopsd/hosts/embedded-host.js';
import { createToolstack } from '../../src/xenopsd/life/toolstack.js';

/**
 * `freeMib` by node; every node is 1 GiB larger than what is free, as Domain-0 and Xen take some.
 */
export function machine(freeMib: readonly number[], cpusOfNode: number): Host {
  const nodes = freeMib.map((mib, id) => ({ id, memoryBytes: (mib + 1024) * MIB, freeBytes: mib * MIB }));
  return {
    name: 'test',
    source: 'test',
    nodes,
    cpus: Array.from({ length: freeMib.length * cpusOfNode }, (_, id) => ({
      id,
      node: Math.floor(id / cpusOfNode),
      core: id % cpusOfNode,
      socket: Math.floor(id / cpusOfNode),
    })),
    distances: nodes.map((_, i) => nodes.map((_, j) => (i === j ? 10 : 20))),
    notes: [],
  };
}

export function vm(name: string, vcpus: number, mib: number, more: Partial<VmSpec> = {}): VmSpec {
  return {
    name,
    kind: 'hvm',
    vcpusMax: vcpus,
    vcpusAtStartup: vcpus,
    memoryStaticMaxBytes: mib * MIB,
    memoryTargetBytes: mib * MIB,
    vcpusParams: {},
    ...more,
  };
}

export function vmWithMask(name: string, vcpus: number, mib: number, mask: string): VmSpec {
  return vm(name, vcpus, mib, { vcpusParams: { mask } });
}

export async function toolstackOn(
  host: Host,
  options: Partial<ToolstackOptions> = {},
): Promise<Toolstack & { readonly doors: EmbeddedHost }> {
  const profile = options.profile ?? 'xapi-25.6';
  const doors = await embeddedHost(host, { profile });
  const toolstack = await createToolstack(doors, { profile, policy: 'best_effort', seed: 1, ...options });
  return toolstack as Toolstack & { readonly doors: EmbeddedHost };
}
