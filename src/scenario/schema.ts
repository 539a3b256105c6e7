// The form of a scenario file: a host, its VMs, and events over time. The JSON Schema of it is
// generated from here.
import * as z from 'zod';
import { LIMITS } from '../machine/model.js';
import { hostFileSchema } from '../machine/readers/host-file.js';
import { vmEntrySchema } from '../machine/readers/vm-file.js';
import { DEFAULT_PROFILE, POLICIES, PROFILES } from '../xenopsd/api/profiles.js';

const name = z.string().min(1).max(200);
const path = z.string().min(1).max(4096);
const names = z.union([name, z.array(name).min(1).max(LIMITS.domains)], { error: 'expected the name of a VM, a list of names, or all' });
const cpuList = z
  .union([z.string().max(65_536), z.int().nonnegative()], { error: 'expected CPUs such as "0-3,8" or all' })
  .describe('CPUs: "0-3,8", "0-7,^2" or all');
const nodeList = z
  .union([z.string().max(4096), z.int().nonnegative()], { error: 'expected nodes such as "0-1" or 2' })
  .describe('Nodes: 2, "0-1"');
const poolId = z.int().min(0).max(0xfffe);
const vcpu = z.union([z.int().min(0).max(LIMITS.vcpusPerVm), z.literal('all')], { error: 'expected the number of a vCPU, or all' });
const mask = z
  .union([z.string().max(65_536), z.null()], { error: 'expected a mask in quotes such as "1,2,3", or null' })
  .describe('As given to xe: "1,2,3", "1,2;3,4" with a part for each vCPU, or null for none');

/** Expectations that can be checked at any time. */
const state = {
  nodes: nodeList.optional().describe('The nodes that hold the VM\'s memory, all of them; "" when it holds none'),
  nodeAffinity: nodeList.optional().describe("Xen's node affinity of the domain"),
  hard: cpuList.optional().describe('Hard affinity of every vCPU, or of vCPU 0 .. n with | between: "1-2|3-4"'),
  soft: cpuList.optional().describe('Soft affinity, as hard'),
};

/** Expectations that can be checked when an event is over. */
const expectation = {
  ...state,
  fails: z
    .union([z.boolean(), z.string().min(1).max(1000)], { error: 'expected true, false, or a part of the message' })
    .optional()
    .describe('true: it fails; text: it fails and the message holds this text; false: it succeeds'),
  surprise: z.string().min(1).max(200).optional().describe('The code of a surprise that the run must meet'),
};

const eventFields = {
  start: names.optional().describe('Starts a VM, or several one after another; all = every halted VM'),
  startTogether: names.optional().describe('Starts VMs in parallel, in an order that follows the seed'),
  stop: names.optional().describe('Shuts VMs down'),
  reboot: names.optional().describe('A new domain after the old one is gone'),
  migrate: names.optional().describe('To the same host: a new domain beside the old one'),
  pause: names.optional().describe('Pauses VMs'),
  unpause: names.optional().describe('Lets paused VMs run again'),
  create: vmEntrySchema.optional().describe('Adds a VM, described as an entry of vms'),
  remove: names.optional().describe('Forgets halted VMs'),
  mask: z.strictObject({ vm: name, set: mask }).optional().describe('Sets VCPUs_params:mask of a VM; takes effect at its next start'),
  hostMask: mask.optional().describe('Sets Host.guest_VCPUs_params:mask'),
  policy: z.enum(POLICIES).optional().describe('Sets Host.numa_affinity_policy'),
  profile: z.enum(PROFILES).optional().describe('Continues as this version of the toolstack, as after an upgrade'),
  nodeAffinity: z
    .strictObject({ vm: name, nodes: nodeList.describe('Nodes, or all for automatic') })
    .optional()
    .describe('Sets the node affinity of a running VM (xc_domain_node_setaffinity)'),
  pin: z
    .strictObject({ vm: name, vcpu: vcpu.default('all'), hard: cpuList.optional(), soft: cpuList.optional() })
    .optional()
    .describe('Sets the affinity of running vCPUs, as xl vcpu-pin does'),
  cpuOffline: cpuList.optional().describe('Takes CPUs offline, one after another'),
  cpuOnline: cpuList.optional().describe('Brings CPUs online'),
  poolCreate: z
    .strictObject({ pool: poolId.min(1), scheduler: z.enum(['credit', 'credit2', 'arinc653', 'rtds', 'null']).default('credit2') })
    .optional()
    .describe('Creates an empty CPU pool'),
  poolDestroy: poolId.optional().describe('Removes an empty CPU pool'),
  poolAdd: z.strictObject({ pool: poolId, cpus: cpuList }).optional().describe('Adds free CPUs to a pool'),
  poolRemove: z.strictObject({ pool: poolId, cpus: cpuList }).optional().describe('Takes CPUs out of a pool'),
  poolMove: z.strictObject({ vm: name, pool: poolId }).optional().describe('Moves a running VM to a pool'),
  check: z
    .strictObject({ vm: name, ...state })
    .optional()
    .describe('Changes nothing: compares a VM as it is now'),
};

export type EventKind = keyof typeof eventFields;
export const EVENT_KINDS = Object.keys(eventFields) as EventKind[];

const eventSchema = z
  .strictObject({
    ...eventFields,
    note: z.string().max(1000).optional().describe('A sentence for the reader, printed with the event'),
    expect: z.strictObject(expectation).optional().describe('Expectations for each VM of the event, checked when the event is over'),
  })
  .check((context) => {
    const kinds = EVENT_KINDS.filter((kind) => context.value[kind] !== undefined);
    if (kinds.length === 1) return;
    context.issues.push({
      code: 'custom',
      message: 'expected exactly one event, such as start, stop or pin',
      input: kinds.length === 0 ? Object.keys(context.value) : kinds,
      path: [],
    });
  });

const paths = z.union([path, z.array(path).min(1).max(16)], { error: 'expected the path of a file, or a list of paths' });

const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);

export const scenarioSchema = z.strictObject({
  title: z.string().min(1).max(200).optional(),
  about: z.string().max(10_000).optional().describe('What the scenario shows'),
  host: z
    .union([path, z.array(path).min(1).max(16), hostFileSchema], {
      error: ({ input }) => (isObject(input) ? undefined : 'expected the path of a file, a list of paths, or a host as in a host file'),
    })
    .describe('File or files that describe the host, as for --host, relative to this file; or the host itself, as in a host file'),
  cpupools: paths.optional().describe('CPU pools of the host, as for --cpupools: numa-split, or configs of pools'),
  vms: z
    .union([paths, z.array(vmEntrySchema).min(1).max(LIMITS.domains)], { error: 'expected paths of files of VMs, or a list of VMs' })
    .optional()
    .describe('VMs known from the start: paths, or entries as in a file of VMs'),
  profile: z
    .enum(PROFILES)
    .optional()
    .describe(`Toolstack version to act as; by default the host's own, where its listing shows it, else ${DEFAULT_PROFILE}`),
  policy: z.enum(POLICIES).default('default_policy'),
  hostMask: z.string().max(65_536).optional().describe('Host.guest_VCPUs_params:mask'),
  xen: z
    .string()
    .regex(/^4\.\d+$/, { message: 'expected a version such as "4.17"' })
    .optional()
    .describe('Version of Xen, in quotes'),
  scheduler: z.enum(['credit', 'credit2']).optional().describe('Scheduler of Pool-0'),
  seed: z.int().min(0).max(0xffffffff).default(1).describe('Seed for the order of parallel starts'),
  events: z.array(eventSchema).min(1).max(100_000),
});

export type ScenarioFile = z.output<typeof scenarioSchema>;
export type ScenarioEvent = ScenarioFile['events'][number];
export type Expectation = NonNullable<ScenarioEvent['expect']>;

/** JSON Schema (2020-12) of a scenario file, as shipped in schemas/scenario.schema.json. */
export function scenarioJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(scenarioSchema, { io: 'input' });
  const events = schema.properties?.events;
  // The rule of the check, as JSON Schema.
  if (typeof events === 'object' && typeof events.items === 'object' && !Array.isArray(events.items)) {
    events.items.oneOf = EVENT_KINDS.map((kind) => ({ type: 'object', properties: { [kind]: {} }, required: [kind] }));
  }
  return { title: 'xennuma scenario', ...schema };
}
