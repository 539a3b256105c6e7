// The changes of a what-if, for the address and as the API calls that carry them out.
import { shellWord } from '../../../src/base/shell-word.js';
import type { PageWorkload } from '../../../src/page/page-workload.js';
import { POLICIES, PROFILES, profileOf } from '../../../src/xenopsd/api/profiles.js';
import type { Change } from './what-if.js';

/** In the address: only what is changed. */
export function formatChange({ profile, policy, hostMask, masks, added, drained }: Change): string {
  const set = {
    ...(profile === undefined ? {} : { profile }),
    ...(policy === undefined ? {} : { policy }),
    ...(hostMask === undefined ? {} : { hostMask }),
    ...(Object.keys(masks).length === 0 ? {} : { masks }),
    ...(added.length === 0 ? {} : { added }),
    ...(drained.length === 0 ? {} : { drained }),
  };
  return Object.keys(set).length === 0 ? '' : JSON.stringify(set);
}

/** What is no such change is left out: an address may come from anywhere. */
export function parseChange(text: string): Change {
  const given = objectOf(text);
  const masks = typeof given.masks === 'object' && given.masks !== null ? Object.entries(given.masks) : [];
  const added = Array.isArray(given.added) ? given.added : [];
  const profile = PROFILES.find((one) => one === given.profile);
  const policy = POLICIES.find((one) => one === given.policy);
  const hostMask = maskOf(given.hostMask);
  return {
    ...(profile === undefined ? {} : { profile }),
    ...(policy === undefined ? {} : { policy }),
    ...(hostMask === undefined ? {} : { hostMask }),
    masks: Object.fromEntries(masks.flatMap(([name, mask]) => (maskOf(mask) === undefined ? [] : [[name, maskOf(mask)!]]))),
    added: added.flatMap((one: unknown) => {
      const { name, vcpus, memoryBytes } = (one ?? {}) as Record<string, unknown>;
      return typeof name === 'string' && isCount(vcpus, 8192) && isCount(memoryBytes, 2 ** 50) ? [{ name, vcpus, memoryBytes }] : [];
    }),
    drained: (Array.isArray(given.drained) ? given.drained : []).filter((node): node is number => node === 0 || isCount(node, 63)),
  };
}

function objectOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
const maskOf = (value: unknown): string | null | undefined =>
  value === null || (typeof value === 'string' && value.length <= 100_000) ? value : undefined;
const isCount = (value: unknown, most: number): value is number =>
  Number.isInteger(value) && (value as number) > 0 && (value as number) <= most;

export interface Call {
  /** For a shell. */
  readonly text: string;
  /** The same by XAPI, one after the other; [] = only the command can do it. */
  readonly calls: readonly { readonly method: string; readonly params: readonly unknown[] }[];
}

/**
 * The calls that change the settings of host and VMs as they are now. They take effect at a VM's
 * next start. xl has no host that keeps settings: they stand in the config of each VM.
 */
export function callsOf({ settings, vms, objects }: PageWorkload, change: Change): Call[] {
  if (profileOf(change.profile ?? settings.profile).toolstack === 'libxl') return [];
  const host = objects?.host ?? { ref: '', uuid: '$(xe host-list --minimal)' };
  const calls: Call[] = [];
  if (change.policy !== undefined && change.policy !== settings.policy) {
    calls.push({
      text: `xe host-param-set uuid=${host.uuid} numa-affinity-policy=${change.policy}`,
      calls: [{ method: 'host.set_numa_affinity_policy', params: [host.ref, change.policy] }],
    });
  }
  if (change.hostMask !== undefined && (change.hostMask ?? undefined) !== settings.hostMask) {
    calls.push(maskCall('host', 'guest_VCPUs_params', host, change.hostMask, settings.hostMask));
  }
  for (const { name, vcpusParams } of vms) {
    const mask = Object.hasOwn(change.masks, name) ? change.masks[name] : undefined;
    if (mask === undefined || (mask ?? undefined) === vcpusParams.mask) continue;
    const object = objects?.vms[name] ?? { ref: '', uuid: `$(xe vm-list ${shellWord(`name-label=${name}`)} --minimal)` };
    calls.push(maskCall('vm', 'VCPUs-params', object, mask, vcpusParams.mask));
  }
  return calls;
}

function maskCall(
  kind: 'host' | 'vm',
  field: string,
  { ref, uuid }: { ref: string; uuid: string },
  mask: string | null,
  now: string | undefined,
): Call {
  const word = shellWord(`${field}:mask=${mask}`);
  const text =
    mask === null ? `xe ${kind}-param-remove uuid=${uuid} param-name=${field} param-key=mask` : `xe ${kind}-param-set uuid=${uuid} ${word}`;
  const method = (verb: string): string => `${kind === 'vm' ? 'VM' : 'host'}.${verb}_${field.replaceAll('-', '_')}`;
  return {
    text,
    calls: [
      ...(now === undefined ? [] : [{ method: method('remove_from'), params: [ref, 'mask'] }]),
      ...(mask === null ? [] : [{ method: method('add_to'), params: [ref, 'mask', mask] }]),
    ],
  };
}
