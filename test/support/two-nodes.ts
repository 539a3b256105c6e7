// A host of two nodes as Xen's tools list it. Its guest of 4 GiB has a quarter of its memory on
// node 0; each test names the guest.
import { coresOf, type ListedHost, xlInfo } from './xl-info.js';

/** `xl info -n` of the host, with the test's own further lines. */
export const twoNodesInfo = (lines: Pick<ListedHost, 'more' | 'between' | 'tail'>): string =>
  xlInfo({
    host: 'alpha',
    totalMib: 16_384,
    cpus: coresOf(2, 4),
    nodes: [
      [8192, 1024, '10,21'],
      [8192, 3072, '21,10'],
    ],
    ...lines,
  });

/** `xl list -n`. */
export const twoNodesList = (
  guest: string,
): string => `Name                                        ID   Mem VCPUs\tState\tTime(s) NODE Affinity
Domain-0                                     0  2048     2     r-----     812.4 0
${guest.padEnd(40)}     7  4096     2     -b----       9.9 1`;

/** `xl vcpu-list`. */
export const twoNodesVcpus = (
  guest: string,
): string => `Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)
Domain-0                             0     0    0   r--     402.0  0-3 / all
Domain-0                             0     1    2   -b-     410.4  0-3 / all
${guest.padEnd(33)}    7     0    5   -b-       5.0  all / 4-7
${guest.padEnd(33)}    7     1    -   --p       4.9  4-5,7 / 4-7`;

/** Debug key 'u'. */
export const TWO_NODES_DUMP = `(XEN) Memory location of each domain:
(XEN) Domain 0 (total: 524288):
(XEN)     Node 0: 524288
(XEN)     Node 1: 0
(XEN) Domain 7 (total: 1048576):
(XEN)     Node 0: 262144
(XEN)     Node 1: 786432`;
