// What --json prints, as schemas: schemas/*.schema.json are made from these, and a test holds real
// output against them. At run time only the types are used.
import * as z from 'zod';
import { DRIFTS, type DriftCode } from '../../map/drift.js';
import { FAILURE_KINDS } from '../../xenopsd/api/outcome.js';
import { POLICIES, PROFILES } from '../../xenopsd/api/profiles.js';

const DRIFT_CODES = Object.keys(DRIFTS) as [DriftCode, ...DriftCode[]];
const count = z.int().nonnegative();
const distance = z
  .union([z.number(), z.literal('unreachable'), z.null()])
  .describe('As in the SLIT: 10 is local; null where there is nothing to measure');
const masks = z.array(z.string()).describe('CPUs as "0-3,8": one entry for all vCPUs, or one for each');

export const failureSchema = z.strictObject({
  step: z.string().describe('Where it failed: VM.create, VM.build, xenguest ...'),
  message: z.string().describe('As the real system words it'),
  errno: z.string().nullable().describe('What Xen or XenStore answered'),
  kind: z.enum(FAILURE_KINDS).describe('Which failure it is'),
  neededBytes: count.optional().describe('Of kind not-enough-memory: what the host must have free'),
  freeBytes: count.optional().describe('Of kind not-enough-memory: what it had'),
});

export const surpriseSchema = z.strictObject({ code: z.string(), text: z.string() });

const warnings = z
  .array(z.strictObject({ code: z.string(), text: z.string(), vms: z.array(z.string()).readonly() }))
  .readonly()
  .describe('Settings that will not be what their owners may expect');

export const vmSchema = z.strictObject({
  name: z.string(),
  state: z.enum(['running', 'paused', 'halted']),
  domid: count.nullable().describe('null = no domain'),
  vcpus: count,
  memoryBytes: count.describe('What it holds; what it asks for while it is halted'),
  hard: masks.describe('Hard affinity as stored'),
  soft: masks.describe('Soft affinity as stored'),
  nodeAffinity: z.array(count).describe('Node affinity as stored; may name nodes that do not exist'),
  autoNodeAffinity: z.boolean().nullable(),
  pagesByNode: z.array(count).describe('4 KiB pages, index = node'),
  onOneNode: z.boolean().nullable().describe('Memory and vCPUs are all on one and the same node; null = no domain'),
  remotePages: count.describe('Pages on nodes where no vCPU prefers to run'),
  meanDistance: distance.describe('Mean distance from its vCPUs to its memory'),
  worstDistance: distance,
  numa_nodes: count.describe("XenServer's VM_metrics.numa_nodes"),
  numa_optimised: z.boolean().describe("XenServer's VM_metrics.numa_optimised"),
  failure: failureSchema.nullable().describe('Of its last operation'),
  surprises: z.array(surpriseSchema).describe('Of its last operation: where the real system does what people do not expect'),
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
  commands: z.array(z.string()).readonly().describe('Of xe or xl, to be run as they are'),
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
  vms: z.array(vmSchema).describe('In the order of their start'),
  totals: totalsSchema,
  warnings,
});

export const showSchema = z.strictObject({
  command: z.literal('show'),
  version: z.string(),
  host: hostSchema,
  vms: z.array(vmSchema),
  totals: totalsSchema,
  notes: z.array(z.string()).describe('What the reader of the host could not know'),
});

export const vmsSchema = z.strictObject({
  command: z.literal('vm'),
  version: z.string(),
  action: z.string(),
  outcomes: z.array(z.strictObject({ vm: z.string(), operation: z.string(), domid: count.nullable(), failure: failureSchema.nullable() })),
  host: hostSchema,
  vms: z.array(vmSchema).describe('All that the state folder holds, as they are now'),
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
  host: hostSchema.describe('As it is after the last event'),
  vms: z.array(vmSchema).describe('As they are after the last event'),
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
      means: z.string().nullable().describe('What the policy comes to in the profile; null when that version has no such policy'),
      totals: totalsSchema.nullable(),
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
      summary: z.array(z.string()).describe('Where the VM is, why, and what to do; empty for a run that built no domain'),
      sentences: z.array(z.string()).describe('Each decision with its numbers; [2] at the end of one is the second of the sources'),
      sources: z.array(z.string()).describe('Links to the source code that the sentences are about'),
      nodes: z.array(z.string()).describe('Boxes of the flowchart visited'),
      path: z.array(z.string()).describe('Edges taken'),
    }),
  ),
  recommendation: adviceSchema.nullable().describe('null = nothing is known that would help'),
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
        .describe('missing: essential and not right; warn: to be looked at; absent: not there, and not needed for what was asked'),
      found: z.string(),
      mend: z.string().describe('Empty when nothing is to be done'),
    }),
  ),
});

const expectedMasks = z
  .array(z.string().nullable())
  .describe('As hard: one entry for all vCPUs, or one for each; null = nothing is known of that vCPU');

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
          source: z.string().describe('Where it was found'),
          hard: z.union([expectedMasks, z.literal('all'), z.literal('placed'), z.null()]).describe('null = not known'),
          soft: expectedMasks.nullable().describe('null = left to the placement, or not known'),
        })
        .nullable()
        .describe('What was asked for when the domain was made; null = nobody told'),
      hard: masks,
      soft: masks,
      nodeAffinity: z.array(count),
      pagesByNode: z.array(count).describe('4 KiB pages, index = node'),
      drifts: z.array(z.strictObject({ code: z.enum(DRIFT_CODES), text: z.string() })),
    }),
  ),
  drifted: count.describe('Domains with at least one drift'),
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
        .describe('memory: nodes of its memory; planner: what the policy chooses; kept: right already; none: nothing to set'),
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
      profile: z.enum(PROFILES).describe('How its toolstack behaves'),
      profileSource: z.string().describe("Where that was found: the host's version, or --profile"),
      profileExact: z.boolean().describe('false: the nearest profile, from which that version differs in details'),
      policy: z.string().nullable().describe('Host.numa_affinity_policy; null = the host is older than it'),
      vms: count,
      drift: count,
      fault: z.string().nullable().describe('Why its VMs were not verified'),
    }),
  ),
  vms: z
    .array(
      z.strictObject({
        vm: z.string(),
        uuid: z.string(),
        host: z.string(),
        asked: z.string().describe("What was requested: a mask, the host's policy, or nothing"),
        onOneNode: z.boolean().nullable().describe('All memory that counts is on one node; null = not reported by the host'),
        nodes: z.array(count).nullable().describe('Nodes that hold more than 16 MiB of its memory; null = not reported by the host'),
        state: z.enum(['ok', 'drift', 'unknown']),
        drifts: z.array(z.enum(DRIFT_CODES)),
        why: z.string(),
      }),
    )
    .describe('VMs that run on the hosts'),
  drift: count.describe('VMs with drift'),
  notes: z.array(z.string()),
});

export const placePoolSchema = z.strictObject({
  command: z.literal('place'),
  version: z.string(),
  host: z.string().describe('Of the pool'),
  profile: z.enum(PROFILES).describe('Toolstack version whose planner chose'),
  done: z.boolean().describe('With --yes: the changes were made'),
  changes: z.array(
    z.strictObject({
      what: z.enum(['policy', 'mask']),
      of: z.string().describe('Name of the host, or of the VM'),
      uuid: z.string(),
      from: z.string().nullable(),
      to: z.string().describe('As it is written: masks name each CPU'),
      nodes: z.array(count).nullable().describe("Nodes of the mask's CPUs"),
      running: z.boolean().describe('The VM runs: the mask counts from its next start'),
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
  explain: explainSchema,
  doctor: doctorSchema,
  verify: verifySchema,
  place: placeSchema,
  'verify-pool': verifyPoolSchema,
  'place-pool': placePoolSchema,
};

/** JSON Schemas (2020-12) of what --json prints, by command. */
export function answerJsonSchemas(): Record<string, Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(ANSWERS).map(([name, schema]) => [
      name,
      { title: `xennuma ${name.replace('-pool', ' --pool')} --json`, ...z.toJSONSchema(schema, { io: 'output' }) },
    ]),
  );
}
