// Schemas of the --json output. schemas/*.schema.json are generated from them, and a test validates
// real output. At run time only the types are used.
import * as z from 'zod';
import { DRIFTS, type DriftCode } from '../../map/drift.js';
import { FAILURE_KINDS } from '../../xenopsd/api/outcome.js';
import { POLICIES, PROFILES } from '../../xenopsd/api/profiles.js';
import { boundSchema, rebalanceSchema } from './rebalance/schema.js';
import { replaySchema } from './replay-schema.js';

const DRIFT_CODES = Object.keys(DRIFTS) as [DriftCode, ...DriftCode[]];
const count = z.int().nonnegative();
const distance = z
  .union([z.number(), z.literal('unreachable'), z.null()])
  .describe('Distance as in the SLIT: 10 is local; null if there is nothing to measure');
const masks = z.array(z.string()).describe('CPUs as "0-3,8": one entry for all vCPUs, or one for each');

export const failureSchema = z.strictObject({
  step: z.string().describe('The step that failed: VM.create, VM.build, xenguest and so on'),
  message: z.string().describe('The message in the words of the real system'),
  errno: z.string().nullable().describe('The error that Xen or XenStore returned'),
  kind: z.enum(FAILURE_KINDS).describe('Kind of the failure'),
  neededBytes: count.optional().describe('For not-enough-memory: the free memory that the host needs'),
  freeBytes: count.optional().describe('For not-enough-memory: the free memory that the host had'),
});

export const surpriseSchema = z.strictObject({ code: z.string(), text: z.string() });

const warnings = z
  .array(z.strictObject({ code: z.string(), text: z.string(), vms: z.array(z.string()).readonly() }))
  .readonly()
  .describe('Settings whose effect differs from what their owner may expect');

export const vmSchema = z.strictObject({
  name: z.string(),
  state: z.enum(['running', 'paused', 'halted', 'suspended']),
  domid: count.nullable().describe('null = no domain'),
  vcpus: count,
  memoryBytes: count.nullable().describe('Memory that the VM holds; while it is halted, the memory that it requests; null = not known'),
  hard: masks.nullable().describe('Hard affinity as stored; [] = no domain, null = not known'),
  soft: masks.nullable().describe('Soft affinity as stored; [] and null as in hard'),
  nodeAffinity: z.array(count).nullable().describe('Node affinity as stored; may name nodes that do not exist; null = not known'),
  autoNodeAffinity: z.boolean().nullable(),
  pagesByNode: z.array(count).nullable().describe('4 KiB pages, index = node; null = the source does not say'),
  onOneNode: z.boolean().nullable().describe('Memory and vCPUs are all on one and the same node; null = no domain, or not known'),
  virtualNodesInPlace: z
    .boolean()
    .nullable()
    .describe(
      'Its last operation put the memory and vCPUs of each virtual node on the node that it names; null = no virtual nodes, or not known',
    ),
  remotePages: count.nullable().describe('Pages on nodes where no vCPU prefers to run; null = not known'),
  meanDistance: distance.describe('Mean distance from its vCPUs to its memory'),
  worstDistance: distance,
  numa_nodes: count.nullable().describe("XenServer's VM_metrics.numa_nodes; null = not known"),
  numa_optimised: z.boolean().nullable().describe("XenServer's VM_metrics.numa_optimised; null = not known"),
  failure: failureSchema.nullable().describe('Failure of its last operation'),
  surprises: z.array(surpriseSchema).describe('Surprises of its last operation: places where the real system behaves in an unexpected way'),
  path: z.array(z.string()).describe('Edges of the flowchart that its last operation took, in order'),
});

export const hostSchema = z.strictObject({
  name: z.string(),
  hypervisor: z.string(),
  nodes: z.array(z.strictObject({ id: count, memoryBytes: count, freeBytes: count, claimedBytes: count, cpus: z.string() })),
  distances: z.array(z.array(z.union([z.number(), z.literal('unreachable')]))),
});

export const totalsSchema = z.strictObject({
  running: count,
  failed: count,
  onOneNode: count.describe('VMs whose vCPUs and memory are all on one and the same node'),
  remotePages: count,
  meanDistance: distance,
  worstDistance: distance,
});

const adviceSchema = z.strictObject({
  text: z.string(),
  commands: z.array(z.string()).readonly().describe('Commands of xe or xl, ready to run'),
});

const settings = {
  profile: z.enum(PROFILES),
  policy: z.enum(POLICIES),
  seed: count,
};

export const planSchema = z.strictObject({
  command: z.literal('plan'),
  version: z.string(),
  ...settings,
  host: hostSchema,
  vms: z.array(vmSchema).describe('VMs in the order of their start'),
  totals: totalsSchema,
  warnings,
});

export const showSchema = z.strictObject({
  command: z.literal('show'),
  version: z.string(),
  host: hostSchema,
  vms: z.array(vmSchema),
  totals: totalsSchema.extend({
    onOneNode: count.nullable().describe('VMs whose vCPUs and memory are all on one and the same node; null = not known of all'),
    remotePages: count.nullable().describe('null = not known of all VMs'),
  }),
  notes: z.array(z.string()).describe('Information that the host description lacks'),
});

export const vmsSchema = z.strictObject({
  command: z.literal('vm'),
  version: z.string(),
  action: z.string(),
  outcomes: z.array(z.strictObject({ vm: z.string(), operation: z.string(), domid: count.nullable(), failure: failureSchema.nullable() })),
  host: hostSchema,
  vms: z.array(vmSchema).describe('All VMs of the state folder, in their current state'),
  totals: totalsSchema,
  warnings,
});

export const runSchema = z.strictObject({
  command: z.literal('run'),
  version: z.string(),
  title: z.string(),
  events: z.array(
    z.strictObject({
      index: count,
      title: z.string(),
      note: z.string().nullable(),
      outcomes: z.array(
        z.strictObject({
          vm: z.string(),
          operation: z.string(),
          domid: count.nullable(),
          failure: failureSchema.nullable(),
          surprises: z.array(surpriseSchema),
          path: z.array(z.string()),
        }),
      ),
      refusal: z.string().nullable(),
      checks: z.array(z.strictObject({ vm: z.string().nullable(), text: z.string(), held: z.boolean(), found: z.string() })),
      asExpected: z.boolean(),
    }),
  ),
  host: hostSchema.describe('The host after the last event'),
  vms: z.array(vmSchema).describe('The VMs after the last event'),
  totals: totalsSchema,
  asExpected: z.boolean(),
  warnings,
});

export const compareSchema = z.strictObject({
  command: z.literal('compare'),
  version: z.string(),
  host: z.string(),
  vms: count,
  rows: z.array(
    z.strictObject({
      ...settings,
      means: z.string().nullable().describe('The effective policy in the profile; null if that version has no such policy'),
      totals: totalsSchema.nullable(),
      bound: boundSchema,
    }),
  ),
  recommendation: adviceSchema.nullable().describe('null = the policies make no difference'),
  warnings,
});

export const explainSchema = z.strictObject({
  command: z.literal('explain'),
  version: z.string(),
  vm: z.string(),
  runs: z.array(
    z.strictObject({
      title: z.string(),
      summary: z.array(z.string()).describe("The VM's place, the reason and the advice; empty for a run that built no domain"),
      sentences: z.array(z.string()).describe('Each decision with its numbers; [2] at the end of one is the second of the sources'),
      sources: z.array(z.string()).describe('Links to the source code that the sentences refer to'),
      nodes: z.array(z.string()).describe('Boxes of the flowchart visited'),
      path: z.array(z.string()).describe('Edges taken'),
    }),
  ),
  recommendation: adviceSchema.nullable().describe('null = no advice'),
  warnings,
});

export const doctorSchema = z.strictObject({
  command: z.literal('doctor'),
  version: z.string(),
  well: z.boolean().describe('Nothing essential is missing'),
  checks: z.array(
    z.strictObject({
      name: z.string(),
      state: z
        .enum(['ok', 'missing', 'warn', 'absent'])
        .describe(
          'missing: essential, and absent or wrong; warn: works, but should be checked; absent: not there, and not needed for the given settings',
        ),
      found: z.string(),
      mend: z.string().describe('The fix; empty if there is nothing to do'),
    }),
  ),
});

const expectedMasks = z
  .array(z.string().nullable())
  .describe('As hard: one entry for all vCPUs, or one for each; null = unknown for that vCPU');

export const verifySchema = z.strictObject({
  command: z.literal('verify'),
  version: z.string(),
  host: z.string(),
  hypervisor: z.string(),
  domains: z.array(
    z.strictObject({
      domid: count,
      name: z.string(),
      asked: z
        .strictObject({
          source: z.string().describe('Source of the request'),
          hard: z.union([expectedMasks, z.literal('all'), z.literal('placed'), z.null()]).describe('null = not known'),
          soft: expectedMasks.nullable().describe('null = left to the placement, or unknown'),
        })
        .nullable()
        .describe('The affinity requested when the domain was created; null = not recorded'),
      hard: masks.nullable().describe('null = the source does not have the affinity of all vCPUs'),
      soft: masks.nullable().describe('As hard'),
      nodeAffinity: z.array(count).nullable().describe('null = neither listed, nor to be derived from the affinity of the vCPUs'),
      pagesByNode: z.array(count).nullable().describe('4 KiB pages, index = node; null = the source does not say'),
      drifts: z.array(z.strictObject({ code: z.enum(DRIFT_CODES), text: z.string() })),
    }),
  ),
  drifted: count.describe('Domains with at least one drift'),
  recommendation: adviceSchema
    .nullable()
    .describe('With --from: what brings vCPUs of drifted domains nearer to their memory; null = nothing does'),
  notes: z.array(z.string()),
});

export const placeSchema = z.strictObject({
  command: z.literal('place'),
  version: z.string(),
  ...{ profile: settings.profile, policy: settings.policy },
  dryRun: z.boolean(),
  domains: z.array(
    z.strictObject({
      domid: count,
      name: z.string(),
      verdict: z
        .enum(['memory', 'planner', 'kept', 'none'])
        .describe(
          'memory: the nodes of its memory, or the node of most of it; planner: the nodes that the policy chooses; kept: right already; none: nothing to set',
        ),
      reason: z.string(),
      nodes: z.array(count),
      before: z.strictObject({ soft: masks, nodeAffinity: z.array(count), remotePages: count, meanDistance: distance }),
      after: z.strictObject({ soft: masks, nodeAffinity: z.array(count), remotePages: count, meanDistance: distance }),
    }),
  ),
  commands: z
    .array(
      z.strictObject({
        command: z.string().describe('A line of shell'),
        state: z.enum(['shown', 'done', 'failed', 'left']).describe('shown: without --yes; left: not run, as one before it failed'),
      }),
    )
    .describe('With --from: the commands of the host that make the changes, in their order'),
});

export const verifyPoolSchema = z.strictObject({
  command: z.literal('verify'),
  version: z.string(),
  host: z.string().describe('Hosts that were verified, separated by commas'),
  hosts: z.array(
    z.strictObject({
      host: z.string(),
      profile: z.enum(PROFILES).describe('Toolstack version that the host behaves like'),
      profileSource: z.string().describe("Source of the profile: the host's version, or --profile"),
      profileExact: z.boolean().describe('false: the nearest profile, from which that version differs in details'),
      policy: z.string().nullable().describe('Host.numa_affinity_policy; null = the host is older than the field'),
      vms: count,
      drift: count,
      fault: z.string().nullable().describe('Reason why its VMs were not verified'),
    }),
  ),
  vms: z
    .array(
      z.strictObject({
        vm: z.string(),
        uuid: z.string(),
        host: z.string(),
        asked: z.string().describe("The request: a mask, the host's policy, or nothing"),
        onOneNode: z.boolean().nullable().describe('All memory that counts is on one node; null = not reported by the host'),
        nodes: z.array(count).nullable().describe('Nodes that hold more than 16 MiB of its memory; null = not reported by the host'),
        state: z.enum(['ok', 'drift', 'unknown']),
        drifts: z.array(z.enum(DRIFT_CODES)),
        why: z.string(),
      }),
    )
    .describe('VMs running on the hosts'),
  drift: count.describe('VMs with drift'),
  notes: z.array(z.string()),
});

export const placePoolSchema = z.strictObject({
  command: z.literal('place'),
  version: z.string(),
  host: z.string().describe('Of the pool'),
  profile: z.enum(PROFILES).describe('Toolstack version of the planner'),
  done: z.boolean().describe('With --yes: the changes were made'),
  changes: z.array(
    z.strictObject({
      what: z.enum(['policy', 'mask']),
      of: z.string().describe('Name of the host, or of the VM'),
      uuid: z.string(),
      from: z.string().nullable(),
      to: z.string().describe('The value as written: masks name each CPU'),
      nodes: z.array(count).nullable().describe("Nodes of the mask's CPUs"),
      running: z.boolean().describe('The VM runs, so the mask takes effect at its next start'),
    }),
  ),
  left: z
    .array(z.strictObject({ vm: z.string(), reason: z.enum(['no-place', 'kept']), why: z.string() }))
    .describe('VMs whose mask is right already (kept), or for which the planner finds no nodes (no-place)'),
  commands: z.array(z.string()).describe('The xe commands that make the same changes'),
});

export type VerifyPoolAnswer = z.output<typeof verifyPoolSchema>;
export type PlacePoolAnswer = z.output<typeof placePoolSchema>;
export type DoctorAnswer = z.output<typeof doctorSchema>;
export type VerifyAnswer = z.output<typeof verifySchema>;
export type PlaceAnswer = z.output<typeof placeSchema>;
export type VmAnswer = z.output<typeof vmSchema>;
export type HostAnswer = z.output<typeof hostSchema>;
export type TotalsAnswer = z.output<typeof totalsSchema>;
export type PlanAnswer = z.output<typeof planSchema>;
export type ShowAnswer = z.output<typeof showSchema>;
export type VmsAnswer = z.output<typeof vmsSchema>;
export type RunAnswer = z.output<typeof runSchema>;
export type CompareAnswer = z.output<typeof compareSchema>;
export type ExplainAnswer = z.output<typeof explainSchema>;

const ANSWERS = {
  plan: planSchema,
  run: runSchema,
  show: showSchema,
  vm: vmsSchema,
  compare: compareSchema,
  replay: replaySchema,
  explain: explainSchema,
  doctor: doctorSchema,
  verify: verifySchema,
  place: placeSchema,
  rebalance: rebalanceSchema,
  'verify-pool': verifyPoolSchema,
  'place-pool': placePoolSchema,
};

/** JSON Schemas (2020-12) of the --json output, by command. */
export function answerJsonSchemas(): Record<string, Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(ANSWERS).map(([name, schema]) => [
      name,
      { title: `xennuma ${name.replace('-pool', ' --pool')} --json`, ...z.toJSONSchema(schema, { io: 'output' }) },
    ]),
  );
}
