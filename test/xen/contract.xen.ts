// The contract of libxenctrl's calls, on a real Xen.

import { openLibxencall } from '../../src/xenctrl/doors/libxencall-door.js';
import { openXenctrl } from '../../src/xenctrl/open-xenctrl.js';
import { xenctrlContract } from '../support/xenctrl-contract.js';

const door = await openLibxencall();
xenctrlContract('libxencall', (body) => {
  const xc = openXenctrl(door);
  try {
    body(xc);
  } finally {
    xc.close();
  }
});
