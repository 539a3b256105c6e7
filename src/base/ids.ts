// Numbers of several kinds that meet in one call: the compiler refuses one where another is wanted.
// A plain number passes for each of them, so that readers of input and tests need no conversions.

declare const kind: unique symbol;
type Id<K extends string> = number & { readonly [kind]?: K };

/** A NUMA node, as Xen numbers them. */
export type NodeId = Id<'node'>;
/** A physical CPU. */
export type CpuId = Id<'CPU'>;
/** A vCPU of a domain. */
export type VcpuId = Id<'vCPU'>;
export type Domid = Id<'domid'>;
export type PoolId = Id<'pool'>;
/** A frame of the machine's memory. */
export type Mfn = Id<'mfn'>;
/** A frame of a guest's memory. */
export type Pfn = Id<'pfn'>;
