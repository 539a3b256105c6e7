// Domains that shut down by themselves: the guest's request, by the reason that Xen keeps.

import type { DomainInfo } from '../../xenctrl/xenctrl.js';
import type { Ending } from '../api/outcome.js';

/** SHUTDOWN_* of Xen's public/sched.h. */
export const POWERED_OFF = 0;
const REBOOT = 1;
export const SUSPENDED_ITSELF = 2;
const CRASH = 3;
const WATCHDOG = 4;

/**
 * How xenopsd reads it (xen-api, ocaml/xenopsd/xc/xenops_server_xen.ml, get_domain_action_request):
 * a watchdog that ran out wants a reboot, what is not known a poweroff, and a domain that somebody
 * suspends is left alone.
 * @param info null = there is no such domain any more
 * @returns null while it lives
 */
export function endingOf(info: DomainInfo | null): Ending | null {
  if (info === null) return 'gone';
  switch (info.shutdown) {
    case null:
    case SUSPENDED_ITSELF:
      return null;
    case REBOOT:
    case WATCHDOG:
      return 'reboot';
    case CRASH:
      return 'crash';
    default:
      return 'poweroff';
  }
}
