// The behaviours that are deployed in the field, as data: every difference in the flow has a name
// here. Read in xen-api at 90ef043c (xapi-25.6), v25.21.0, v25.39.0 and e2ee48d6 (xapi-26.3), and
// in libxl of Xen 4.17 (xl). Boxes: VM.create and VM.build.
import { InputError } from '../../base/errors.js';
import { GIB } from '../../base/units.js';
import { POLICIES, type PolicyName } from '../../machine/policies.js';
import type { BestEffortOptions } from '../../planner/best-effort.js';

/** A behaviour that is deployed in the field; `xl` is plain Xen's own toolstack. */
export const PROFILES = ['xapi-25.6', 'xapi-25.21', 'xapi-25.33', 'xapi-25.39', 'xapi-26.1', 'xapi-26.2', 'xapi-26.3', 'xl'] as const;
export type ProfileName = (typeof PROFILES)[number];

/** Where neither the user names a profile nor the host shows its toolstack. */
export const DEFAULT_PROFILE = 'xapi-25.6' satisfies ProfileName;

export { POLICIES, type PolicyName };

/** The effect of a policy on a plan. */
export interface Placement {
  /** null = no placement at all ("any"). */
  readonly affinity: 'soft' | 'hard' | null;
  /** Physical cores requested: as many as vCPUs, or none. */
  readonly cores: 'vcpus' | 'none';
  /** xennuma's own planner instead of the version's: it also places VMs within their hard mask. */
  readonly tight?: true;
}

export interface Profile {
  readonly name: ProfileName;
  readonly toolstack: 'xenopsd' | 'libxl';
  readonly about: string;
  readonly source: string;
  /**
   * VM.create writes vcpu/N/affinity to XenStore, all ones without a mask (xenops_server_xen.ml
   * 1300-1370 at 90ef043c).
   */
  readonly writesAffinityKeys: boolean;
  /**
   * VM.build itself makes the HARD calls, before placement, and only for a mask (domain.ml
   * 1162-1185 at e2ee48d6).
   */
  readonly hardBySelf: boolean;
  /** The policies that it knows, and what each does. */
  readonly policies: Readonly<Partial<Record<Exclude<PolicyName, 'default_policy'>, Placement>>>;
  /** The effective policy of default_policy. */
  readonly defaultPolicy: Exclude<PolicyName, 'default_policy'>;
  readonly planner: BestEffortOptions;
  /**
   * Memory that placement asks for: all that Xen would let the domain have, or what the build will
   * take.
   */
  readonly placedMemory: 'xen_max' | 'build_start';
  /**
   * A plan of one node is backed by a claim of its memory there (Xen needs XenServer's patch for
   * it).
   */
  readonly nodeClaim: boolean;
  /**
   * The vCPUs' affinity is set before the claim is known to succeed (25.33 to 25.39), or after it
   * (26.1 and later).
   */
  readonly affinityBeforeClaim: boolean;
  /**
   * Which answers to the claim keep the VM off the node: out of memory alone (26.3, domain.ml
   * 1067-1085 at e2ee48d6), or any error but that Xen has no claims on a node (26.1 and 26.2,
   * domain.ml 1217-1237 at v26.1.19).
   */
  readonly nodeRefusedBy: 'ENOMEM' | 'any error';
  /** A plan over more than one node raises node_usage and sets nothing. */
  readonly multiNodePlanSetsNothing: boolean;
  /** Without a claim on a node, memory is claimed host-wide; ENOMEM then fails the build. */
  readonly globalClaim: boolean;
  /** A failing SOFT call is logged and the build goes on. */
  readonly softFailureIgnored: boolean;
  /** Which XenStore daemon such a host runs. */
  readonly xenstore: 'xenstored' | 'oxenstored';
}

const SOFT: Placement = { affinity: 'soft', cores: 'none' };
const HARD: Placement = { affinity: 'hard', cores: 'none' };
/** No version of xapi has it: xennuma's own policy, on the flow of each. */
const TIGHT: Placement = { affinity: 'soft', cores: 'none', tight: true };
const OFF: Placement = { affinity: null, cores: 'none' };
const XAPI = 'https://github.com/xapi-project/xen-api/blob';

const SEED_PLANNER: BestEffortOptions = { reading: 'seed', ratchet: true, deductClaims: false, wantCores: false };

const XAPI_25_6: Profile = {
  name: 'xapi-25.6',
  toolstack: 'xenopsd',
  about: 'the flowchart: mask through XenStore, placement off unless requested',
  source: `${XAPI}/90ef043c1f3a3bc20f1c5d3ccaaf6affadc07983/ocaml/xenopsd/xc/domain.ml#L862-L964`,
  writesAffinityKeys: true,
  hardBySelf: false,
  policies: { any: OFF, best_effort: SOFT, tight: TIGHT },
  defaultPolicy: 'any',
  planner: SEED_PLANNER,
  placedMemory: 'xen_max',
  nodeClaim: false,
  affinityBeforeClaim: false,
  nodeRefusedBy: 'ENOMEM',
  multiNodePlanSetsNothing: false,
  globalClaim: false,
  softFailureIgnored: false,
  xenstore: 'oxenstored',
};

const XAPI_25_21: Profile = {
  ...XAPI_25_6,
  name: 'xapi-25.21',
  about: 'placement on by default; the mask by hypercall, not through XenStore; best_effort_hard on trial',
  source: `${XAPI}/v25.21.0/ocaml/xenopsd/xc/domain.ml#L866-L1003`,
  writesAffinityKeys: false,
  hardBySelf: true,
  policies: { any: OFF, best_effort: SOFT, best_effort_hard: HARD, tight: TIGHT },
  defaultPolicy: 'best_effort',
};

const XAPI_25_33: Profile = {
  ...XAPI_25_21,
  name: 'xapi-25.33',
  about: 'as 25.21, and a plan of one node is claimed there',
  source: `${XAPI}/v25.33.1/ocaml/xenopsd/xc/domain.ml#L938-L1001`,
  nodeClaim: true,
  affinityBeforeClaim: true,
};

const XAPI_25_39: Profile = {
  ...XAPI_25_33,
  name: 'xapi-25.39',
  about: 'as 25.33, and placement wants physical cores as well as vCPUs',
  source: `${XAPI}/v25.39.0/ocaml/xenopsd/xc/domain.ml#L948-L1110`,
  policies: {
    any: OFF,
    best_effort: { affinity: 'soft', cores: 'vcpus' },
    best_effort_hard: { affinity: 'hard', cores: 'vcpus' },
    prio_mem_only: SOFT,
    tight: TIGHT,
  },
  planner: { ...SEED_PLANNER, wantCores: true },
};

const XAPI_26_2: Profile = {
  ...XAPI_25_39,
  name: 'xapi-26.2',
  about: 'as 25.39, and affinity is set only after the claim; a plan over several nodes sets nothing',
  source: `${XAPI}/v26.2.0/ocaml/xenopsd/xc/domain.ml#L1011-L1087`,
  affinityBeforeClaim: false,
  nodeRefusedBy: 'any error',
  multiNodePlanSetsNothing: true,
};

/** v26.1.4 to v26.1.19: the long-term line that XCP-ng 8.3 ships. */
const XAPI_26_1: Profile = {
  ...XAPI_26_2,
  name: 'xapi-26.1',
  about: 'as 26.2, but free memory may rise again: running builds are deducted instead, and 2 GiB of node 0 are kept free',
  source: `${XAPI}/v26.1.19/ocaml/xenopsd/xc/domain.ml#L987-L1237`,
  planner: { reading: 'seed', ratchet: false, deductClaims: false, wantCores: true, node0ReserveBytes: 2 * GIB, trackBuilds: true },
};

const XAPI_26_3: Profile = {
  ...XAPI_26_2,
  name: 'xapi-26.3',
  about: 'memory is claimed before the build, on the node or else host-wide; a plan over several nodes sets nothing',
  source: `${XAPI}/e2ee48d688/ocaml/xenopsd/xc/domain.ml#L996-L1251`,
  planner: { reading: 'new', ratchet: false, deductClaims: true, wantCores: true },
  placedMemory: 'build_start',
  nodeRefusedBy: 'ENOMEM',
  globalClaim: true,
  softFailureIgnored: true,
};

/**
 * libxl has no policy to set: its automatic placement is on unless the guest's config says where.
 */
const XL: Profile = {
  ...XAPI_25_6,
  name: 'xl',
  toolstack: 'libxl',
  about: "plain Xen's xl: cpus= and cpus_soft= are honoured, placement sets the soft affinity and the node affinity",
  source: 'https://github.com/xen-project/xen/blob/RELEASE-4.17.0/tools/libs/light/libxl_dom.c#L161-L202',
  writesAffinityKeys: false,
  hardBySelf: true,
  policies: { any: OFF, best_effort: SOFT },
  defaultPolicy: 'best_effort',
  xenstore: 'xenstored',
};

const BY_NAME: Readonly<Record<ProfileName, Profile>> = {
  'xapi-25.6': XAPI_25_6,
  'xapi-25.21': XAPI_25_21,
  'xapi-25.33': XAPI_25_33,
  'xapi-25.39': XAPI_25_39,
  'xapi-26.1': XAPI_26_1,
  'xapi-26.2': XAPI_26_2,
  'xapi-26.3': XAPI_26_3,
  xl: XL,
};

/** @throws InputError for an unknown name */
export function profileOf(name: ProfileName): Profile {
  const profile = BY_NAME[name] as Profile | undefined;
  if (profile === undefined) throw new InputError(`no profile '${name}'`, { path: 'profile' }, `choose one of ${PROFILES.join(', ')}`);
  return profile;
}

/**
 * The effect of a policy of the API under a profile.
 * @throws InputError when that version of the toolstack has no such policy
 */
export function effectivePolicy(
  profile: Profile,
  policy: PolicyName,
): { name: Exclude<PolicyName, 'default_policy'>; placement: Placement } {
  const name = policy === 'default_policy' ? profile.defaultPolicy : policy;
  const placement = profile.policies[name];
  if (placement === undefined) {
    const known = POLICIES.filter((one) => one === 'default_policy' || profile.policies[one] !== undefined);
    throw new InputError(`${profile.name} has no policy '${policy}'`, { path: 'policy' }, `choose one of ${known.join(', ')}`);
  }
  return { name, placement };
}
