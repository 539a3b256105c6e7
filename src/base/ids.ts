// Branded types for ids of several kinds that meet in one call: the compiler refuses one kind where
// another is expected. A plain number passes for each of them, so readers of input and tests need
// no conversions.

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

/** Ids from here on are Xen's own (DOMID_FIRST_RESERVED, xen/include/public/xen.h). */
export const DOMID_FIRST_RESERVED = 0x7ff0;
/** The caller's own domain, as the domid of a request (DOMID_SELF, xen/include/public/xen.h). */
export const DOMID_SELF = 0x7ff0;
/**
 * The node, core or socket of a CPU that has none (XEN_INVALID_NODE_ID, XEN_INVALID_CORE_ID,
 * XEN_INVALID_SOCKET_ID, xen/include/public/sysctl.h), as tools print it unsigned.
 */
export const INVALID_ID = 0xffffffff;
