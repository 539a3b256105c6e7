// The contract of libxenctrl's calls, on a real Xen.

import { openLibxencall } from '../../src/xenctrl/libxencall-door.js';
import { openXenctrl } from '../../src/xenctrl/open-xenctrl.js';
import { xenctrlContract } from '../../src/xenctrl/xenctrl-contract.js';

const door = await openLibxencall();
xenctrlContract('libxencall', (body) => {
  const xc = openXenctrl(door);
  try {
    body(xc);
  } finally {
    xc.close();
  }
});
