// The commands by which `place` changes a remote host: xl pins the vCPUs of a running domain, and
// xe keeps the settings of its next starts. Pure. Box of the chart: XEN_VCPUAFFINITY_SOFT.
import { formatList } from '../base/bitset.js';
import { InputError } from '../base/errors.js';
import { shellWord } from '../base/shell-word.js';
import type { CapturedHost } from './capture/captured-host.js';
import { xapiVmOf } from './capture/toolstack.js';
import type { XapiHost } from './capture/xapi/xapi-records.js';
import type { Choice } from './place-running.js';
import { qubePinCommand } from './qubes.js';

/** Words of a command; none needs a shell. */
export type HostCommand = readonly string[];

/**
 * Sets the soft affinity of all vCPUs and leaves the hard affinity as it is. The domain is named by
 * its number: names may occur twice, and Xen gives a number again only after 32,752 others.
 */
export function pinCommands({ verdict, domain, cpus }: Choice): HostCommand[] {
  if (verdict !== 'memory' && verdict !== 'planner') return [];
  return [['xl', 'vcpu-pin', String(domain.domid), 'all', '-', formatList(cpus)]];
}

/**
 * The mask that puts the VM on the same nodes at its next starts; nothing where xapi does not know
 * the VM, or has that mask.
 */
export function maskCommands({ verdict, domain, cpus }: Choice, { live, xapi }: Pick<CapturedHost, 'live' | 'xapi'>): HostCommand[] {
  const vm = xapiVmOf(xapi, domain.name, live.uuids.get(domain.domid));
  // xapi ignores ranges: each CPU is written out.
  const mask = cpus.join(',');
  if (vm === undefined || verdict === 'none' || vm.mask === mask) return [];
  return [['xe', 'vm-param-set', `uuid=${vm.uuid}`, `VCPUs-params:mask=${mask}`]];
}

/** How the nodes of a domain last beyond its end, by the toolstack that starts it. */
export interface Lasting {
  readonly toolstack: 'xapi' | 'xl' | 'qubes';
  readonly name: string;
  /** A line of shell, or one for the VM's config. */
  readonly line: string;
}

/**
 * What makes the pin of a running domain last; nothing where the mask of xapi is set already or is
 * among the commands. Both ways where the toolstack is not known.
 * @param masks whether maskCommands are among the commands
 */
export function lastingLines(choice: Choice, captured: Pick<CapturedHost, 'live' | 'xapi' | 'toolstack'>, masks: boolean): Lasting[] {
  const { domain, cpus, verdict } = choice;
  if (verdict === 'none') return [];
  const { live, xapi, toolstack } = captured;
  if (toolstack === 'qubes') {
    const line = qubePinCommand(domain.name, cpus);
    return line === null ? [] : [{ toolstack, name: domain.name, line }];
  }
  const vm = xapiVmOf(xapi, domain.name, live.uuids.get(domain.domid));
  const found: Lasting[] = [];
  const isKept = vm !== undefined && (masks || vm.mask === cpus.join(','));
  if (toolstack !== 'xl' && !isKept) {
    const uuid = vm?.uuid ?? live.uuids.get(domain.domid) ?? `$(xe vm-list ${shellWord(`name-label=${domain.name}`)} --minimal)`;
    // xapi ignores ranges: each CPU is written out.
    found.push({ toolstack: 'xapi', name: domain.name, line: `xe vm-param-set uuid=${uuid} VCPUs-params:mask=${cpus.join(',')}` });
  }
  if (toolstack !== 'xapi') found.push({ toolstack: 'xl', name: domain.name, line: `cpus_soft = "${formatList(cpus)}"` });
  return found;
}

/** @throws InputError where the host has no such policy */
export function policyCommands(host: XapiHost | null, policy: string): HostCommand[] {
  if (host === null) {
    throw new InputError('the host has no xapi to keep a policy', { path: '--set-policy' }, 'leave it out, or give --pool https://host');
  }
  if (host.numaPolicy === undefined) {
    throw new InputError(
      `the host '${host.name}' has no numa_affinity_policy`,
      { path: '--set-policy' },
      'it came with xapi 24; set masks',
    );
  }
  return host.numaPolicy === policy ? [] : [['xe', 'host-param-set', `uuid=${host.uuid}`, `numa-affinity-policy=${policy}`]];
}

/**
 * xapi's record of the host itself; null without xapi.
 * @throws InputError when it is none of several
 */
export function ownRecord({ host, xapi }: Pick<CapturedHost, 'xapi'> & { readonly host: { readonly name: string } }): XapiHost | null {
  const { hosts } = xapi;
  const short = (name: string | undefined) => name?.split('.')[0];
  const same =
    hosts.find(({ hostname, name }) => hostname === host.name || name === host.name) ??
    hosts.find(({ hostname }) => short(hostname) === short(host.name));
  if (hosts.length <= 1 || same !== undefined) return same ?? hosts[0] ?? null;
  const names = hosts.map(({ name }) => name).join(', ');
  throw new InputError(`which of the pool's hosts is '${host.name}'? They are ${names}`, {}, 'give --pool URL and --pool-host NAME');
}
