// Pausing, shutting down, resuming and resetting domains (xen/common/domain.c). Box of the chart: Xen hypervisor.
import { ERRNO } from '../errors.js';
import { type Domain, NO_SHUTDOWN_CODE } from './domain.js';

const MAX_PAUSE_COUNT = 255;

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

/** Only a domain with hardware virtualisation that was shut down; its masks and its node affinity stay. */
export function softReset(domain: Domain): number {
  if (domain.id === 0 || !domain.isShutDown || !domain.config.hvm) return -ERRNO.EINVAL;
  return resumeDomain(domain);
}
