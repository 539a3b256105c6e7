// Pausing, shutting down, resuming and resetting domains (xen/common/domain.c).
import { TRIGGER } from '../../abi/commands.js';
import { ERRNO } from '../../base/errors.js';
import { type Domain, NO_SHUTDOWN_CODE } from '../state/domain.js';

const MAX_PAUSE_COUNT = 255;
export const SHUTDOWN_CRASH = 3;

export function pauseDomain(domain: Domain): number {
  if (domain.id === 0) return -ERRNO.EINVAL;
  if (domain.pauseCount >= MAX_PAUSE_COUNT) return -ERRNO.EOVERFLOW;
  domain.pauseCount++;
  return 0;
}

export function unpauseDomain(domain: Domain): number {
  if (domain.pauseCount === 0) return -ERRNO.EINVAL;
  domain.pauseCount--;
  return 0;
}

/** The first reason stays (domain_shutdown). */
export function shutdownDomain(domain: Domain, reason: number): void {
  if (domain.shutdownCode === NO_SHUTDOWN_CODE) domain.shutdownCode = reason;
  domain.isShutDown = true;
}

export function resumeDomain(domain: Domain): number {
  if (domain.id === 0) return -ERRNO.EINVAL;
  domain.isShutDown = false;
  domain.shutdownCode = NO_SHUTDOWN_CODE;
  return 0;
}

/** No guest runs that would notice (xen/arch/x86/domctl.c, XEN_DOMCTL_sendtrigger). */
export function sendTrigger(domain: Domain, trigger: number, vcpu: number): number {
  if (vcpu >= domain.vcpus.length) return -ERRNO.ESRCH;
  if (trigger === TRIGGER.nmi) return 0;
  if (trigger !== TRIGGER.power && trigger !== TRIGGER.sleep) return -ERRNO.ENOSYS;
  return domain.config.hvm ? 0 : -ERRNO.EINVAL;
}

/**
 * Only for a domain with hardware virtualisation, all of whose vCPUs were shut down (none counts as
 * all); its masks and its node affinity stay. Any other that gets past the check of the vCPUs is
 * crashed (domain_soft_reset).
 */
export function softReset(domain: Domain): number {
  if (domain.id === 0 || (domain.vcpus.length > 0 && !domain.isShutDown)) return -ERRNO.EINVAL;
  if (domain.config.hvm) return resumeDomain(domain);
  shutdownDomain(domain, SHUTDOWN_CRASH);
  return -ERRNO.EINVAL;
}
