// The host on which VM.start puts a VM, if several can take it (ocaml/xapi/xapi_vm_placement.ml,
// vm_placement.ml and xapi_vm_helpers.ml, choose_host_for_vm_no_wlb, of xen-api e2ee48d6). Pure.

/** What a host's guests may grow to and shrink to, in bytes, with the VM that is to start. */
export interface HostLoad {
  readonly ref: string;
  readonly isCoordinator: boolean;
  /** What guests can have, those that run now included. */
  readonly availableBytes: number;
  readonly staticMaxBytes: number;
  readonly dynamicMaxBytes: number;
  readonly dynamicMinBytes: number;
}

/** Below 0 = the host is not in the category; the higher, the better. */
type Category = (host: HostLoad) => number;

const COMPRESSION_STEPS = 1000;

/** Prefers hosts other than the coordinator (pool.coordinator_bias). */
function biased(value: number, host: HostLoad): number {
  return host.isCoordinator ? Math.trunc((value - 1) / 2) : value;
}

function possible({ availableBytes, dynamicMinBytes: least, dynamicMaxBytes: most }: HostLoad): number {
  if (availableBytes >= most) return COMPRESSION_STEPS;
  if (availableBytes < least) return -1;
  return Math.floor((COMPRESSION_STEPS * (availableBytes - least)) / (most - least));
}

function categories(affinity: string | null, bias: boolean): readonly Category[] {
  const spread = (most: (host: HostLoad) => number): Category => {
    return (host) => {
      const room = host.availableBytes - most(host);
      return bias ? biased(room, host) : room;
    };
  };
  return [
    (host) => (host.ref === affinity ? possible(host) : -1),
    spread(({ staticMaxBytes }) => staticMaxBytes),
    spread(({ dynamicMaxBytes }) => dynamicMaxBytes),
    possible,
  ];
}

export interface HostChoice {
  /** Hosts that are as good as each other, the best first. */
  readonly ranks: readonly (readonly HostLoad[])[];
  /** VM.affinity; null = none. */
  readonly affinity: string | null;
  /** Pool.coordinator_bias. */
  readonly bias: boolean;
  /** Whether the VM could start there. */
  readonly admits: (ref: string, memory: boolean) => boolean;
  /** 0 to below 1, evenly; better hosts are chosen more often (biased_random_fn). */
  readonly random: () => number;
}

/** @returns null where no host can take it, not even one that is short of memory */
export function chooseHost({ ranks, affinity, bias, admits, random }: HostChoice): string | null {
  const order = categories(affinity, bias);
  for (const hosts of ranks) {
    const found = fromCategories(order, hosts, (ref) => admits(ref, true), random);
    if (found !== null) return found;
  }
  return fromCategories(order, ranks.flat(), (ref) => admits(ref, false), random);
}

function fromCategories(
  order: readonly Category[],
  hosts: readonly HostLoad[],
  admits: (ref: string) => boolean,
  random: () => number,
): string | null {
  let rest = hosts;
  for (const category of order) {
    const valued = rest.map((host) => ({ host, value: category(host) })).sort((a, b) => b.value - a.value);
    const within = valued.filter(({ value }) => value >= 0).map(({ host }) => host);
    while (within.length > 0) {
      const index = Math.floor(random() ** 2 * within.length);
      const [host] = within.splice(index, 1);
      if (admits(host!.ref)) return host!.ref;
    }
    rest = valued.filter(({ value }) => value < 0).map(({ host }) => host);
  }
  return null;
}
