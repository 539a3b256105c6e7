// The nodes of each domain's memory, and the memory that is not scrubbed yet: debug keys 'u' and
// 'H', read back from the console ring.
import { InputError } from '../../base/errors.js';
import type { DomainMemory, Xenctrl } from '../xenctrl.js';
import type { CallBuffers } from './call-buffers.js';
import { ConsoleReader } from './console-ring.js';
import { parseNumaDump } from './numa-dump.js';

export type DomainMemoryCalls = Pick<Xenctrl, 'domainMemory' | 'unscrubbedPages'>;

const UNSCRUBBED = /Node \d+ has (\d+) unscrubbed pages/g;

/**
 * Only what Xen printed after the key counts, so older dumps in the ring do no harm. A dump longer
 * than the ring has lost its first domains. Then the inspection answers; without one the call
 * fails, because half an answer would look like a whole one.
 */
export function domainMemoryCalls(calls: CallBuffers, nodeCount: () => number): DomainMemoryCalls {
  const reader = new ConsoleReader(calls);
  return {
    domainMemory(): DomainMemory[] {
      const printed = reader.pressKey('u');
      const domains = printed.headLost ? null : parseNumaDump(printed.text, nodeCount());
      if (domains !== null) return domains;
      if (calls.inspection !== null) return calls.inspection.domainMemory();
      throw new InputError(
        printed.headLost
          ? `what debug key 'u' prints is longer than Xen's console ring (${printed.text.length} bytes of it are left)`
          : "debug key 'u' printed no memory of domains on Xen's console",
        {},
        printed.headLost ? 'boot Xen with a larger ring: conring_size=1m' : 'is the machine one with NUMA, and does Xen print to its ring?',
      );
    },
    unscrubbedPages: () => [...reader.pressKey('H').text.matchAll(UNSCRUBBED)].reduce((sum, [, count]) => sum + Number(count), 0),
  };
}
