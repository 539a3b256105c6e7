// Which NUMA policy a start follows: the VM's own, else the host's own, else the host's
// numa_affinity_policy. XAPI's field has three values; every other policy is named by a key of
// other_config, where clients of XAPI leave what its data model has no field for.
import { POLICIES, type PolicyName } from '../../machine/policies.js';
import type { Profile } from '../../xenopsd/api/profiles.js';
import { xapiErrors } from '../wire/errors.js';
import type { Wire, WireStruct } from '../wire/values.js';

export const POLICY_KEY = 'xennuma:numa_affinity_policy';

/** The policy that the key names; null = none. */
export function ownPolicy(record: WireStruct): PolicyName | null {
  const name = (record.other_config as WireStruct)[POLICY_KEY];
  return POLICIES.find((policy) => policy === name) ?? null;
}

/** @param usual what default_policy stands for on this daemon */
export function hostPolicy(record: WireStruct, usual: PolicyName): PolicyName {
  const policy = ownPolicy(record) ?? (record.numa_affinity_policy as PolicyName);
  return policy === 'default_policy' ? usual : policy;
}

/**
 * For a field of a host or VM before it changes.
 * @throws XapiError VALUE_NOT_SUPPORTED for a policy that this version of xapi has not
 */
export function checkPolicy(profile: Profile, field: string, value: Wire): void {
  if (field === 'numa_affinity_policy') check(profile, field, String(value));
  const own = field === 'other_config' ? (value as WireStruct)[POLICY_KEY] : undefined;
  if (own !== undefined) check(profile, POLICY_KEY, String(own));
}

function check(profile: Profile, field: string, value: string): void {
  const known = POLICIES.filter((policy) => policy === 'default_policy' || profile.policies[policy] !== undefined);
  if (known.some((policy) => policy === value)) return;
  throw xapiErrors.valueNotSupported(field, value, `expected one of ${known.join(', ')}`);
}
