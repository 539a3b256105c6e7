// The policies that a replay compares, by the names that users give: a profile (with its
// best_effort), `tight`, `any`, or PROFILE/POLICY.
import { InputError } from '../../base/errors.js';
import {
  effectivePolicy,
  type Placement,
  POLICIES,
  type PolicyName,
  PROFILES,
  type Profile,
  profileOf,
} from '../../xenopsd/api/profiles.js';

export interface ReplayPolicy {
  readonly name: string;
  readonly profile: Profile;
  readonly policy: PolicyName;
  readonly placement: Placement;
}

/** Policies that no profile is named with run on the flow of this one. */
const LATEST = 'xapi-26.3';

/** @throws InputError for a name that is none of these */
export function replayPolicy(name: string): ReplayPolicy {
  const [first = '', second, ...rest] = name.split('/');
  const profileName = PROFILES.find((one) => one === first);
  const alone = first === 'tight' || first === 'any' ? first : undefined;
  const policy = alone ?? POLICIES.find((one) => one === (second ?? 'best_effort'));
  if (policy === undefined || rest.length > 0 || (profileName === undefined && (alone === undefined || second !== undefined))) {
    throw new InputError(
      `unknown policy '${name}'`,
      {},
      `choose tight, any, a profile (${PROFILES.join(', ')}), or PROFILE/POLICY such as xapi-26.3/prio_mem_only`,
    );
  }
  const profile = profileOf(profileName ?? LATEST);
  return { name, profile, policy, placement: effectivePolicy(profile, policy).placement };
}
