// What a toolstack is set to, for the whole host: its version, its policy, the host's mask; and
// what its planner remembers.
import type { VmSpec } from '../../machine/vm.js';
import { effectivePolicy, type PolicyName, type Profile, type ProfileName, profileOf } from '../api/profiles.js';
import { NumaState } from '../start/numa-placement.js';

export class HostSettings {
  hostMask: string | undefined;
  #profile: Profile;
  #policy: PolicyName;
  #numa: NumaState;

  /**
   * @throws InputError for a profile that is not known, or a policy that the profile does not have
   */
  constructor(profile: ProfileName, policy: PolicyName, hostMask: string | undefined) {
    this.#profile = profileOf(profile);
    effectivePolicy(this.#profile, policy);
    this.#policy = policy;
    this.hostMask = hostMask;
    this.#numa = new NumaState(this.#profile);
  }

  get profile(): Profile {
    return this.#profile;
  }

  get policy(): PolicyName {
    return this.#policy;
  }

  /** @throws InputError for a policy that the profile does not have */
  set policy(policy: PolicyName) {
    effectivePolicy(this.#profile, policy);
    this.#policy = policy;
  }

  get numa(): NumaState {
    return this.#numa;
  }

  /**
   * As an upgrade does: xenopsd starts anew, its planner remembers nothing, and running VMs stay as
   * they are.
   * @throws InputError for a profile that does not have the present policy
   */
  upgrade(name: ProfileName): void {
    const profile = profileOf(name);
    effectivePolicy(profile, this.#policy);
    this.#profile = profile;
    this.#numa = new NumaState(profile);
  }

  /**
   * What a build reads and a running domain does not follow, as text: two that differ give
   * different builds.
   */
  forVm({ vcpusParams }: VmSpec): string {
    const mask = vcpusParams.mask === undefined ? 'no mask' : `mask '${vcpusParams.mask}'`;
    const host = this.hostMask === undefined ? '' : `, host mask '${this.hostMask}'`;
    return `${this.#profile.name}, ${this.#policy}, ${mask}${host}`;
  }
}
