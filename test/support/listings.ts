// What Xen's tools print of a host with two nodes, where payroll's memory and vCPU are apart.
import { coresOf, xlInfo } from './xl-info.js';

export const INFO = `${xlInfo({
  host: 'beta',
  totalMib: 8192,
  cpus: coresOf(2, 2),
  nodes: [
    [4096, 1024, '10,21'],
    [4096, 1024, '21,10'],
  ],
  tail: { xen_version: '4.17' },
})}\n`;
export const LIST = `Name                                        ID   Mem VCPUs\tState\tTime(s)
Domain-0                                     0  1024     2     r-----     812.4
payroll                                      5  1024     1     -b----       9.9
`;
export const VCPUS = `Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)
Domain-0                             0     0    0   r--     400.0  all / all
Domain-0                             0     1    1   -b-     412.4  all / all
payroll                              5     0    1   -b-       9.9  0-1 / all
`;
export const DUMP = `(XEN) Memory location of each domain:
(XEN) Domain 5 (total: 262144):
(XEN)     Node 0: 0
(XEN)     Node 1: 262144
`;
