// Virtual NUMA of a domain, in bytes (xen/common/domctl.c, vnuma_init(); xen/common/memory.c,
// XENMEM_get_vnumainfo).
import { bootedXen } from '../../../test/support/booted-xen.js';
import { vnumaContract } from '../../../test/support/vnuma-contract.js';

vnumaContract('embedded', () => bootedXen(4, 2).door);
