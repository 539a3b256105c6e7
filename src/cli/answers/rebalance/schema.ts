// Schema of `rebalance --json`.
import * as z from 'zod';

const count = z.int().nonnegative();
const figures = z.strictObject({
  onOneNode: z.boolean().describe('Memory and preferred CPUs are on one and the same node; nodes with 16 MiB or less do not count'),
  meanDistance: z.number().describe('Mean distance from its vCPUs to its memory; what the SLIT calls unreachable counts as 255'),
  worstDistance: z.number(),
  remoteBytes: count.describe('Memory on nodes where no vCPU prefers to run'),
});
const totals = z.strictObject({
  vms: count,
  onOneNode: count,
  bytesOnOneNode: count.describe('Memory of the VMs that are on one node'),
  meanDistance: z.number().nullable().describe('Weighted by memory; null without VMs'),
  worstDistance: z.number().nullable(),
  remoteBytes: count,
});
const move = {
  domid: count.describe('Before the first migration; a migration gives the VM a new one'),
  name: z.string(),
  nodes: z.array(count).describe('Nodes of its vCPUs afterwards'),
  cpus: z.string().describe('Their CPUs that the VM may use, as "0-3,8"'),
  before: figures,
  after: figures,
};
const bytesByNode = z.array(count).describe('Index = node');

export const boundSchema = z
  .strictObject({
    onOneNode: count.describe('No placement of these VMs has more of them on one node'),
    bytesOnOneNode: count.describe('No placement of these VMs has more memory of VMs on one node'),
    best: z
      .strictObject({
        onOneNode: count.describe('VMs on one node in the packing that has most of them'),
        bytesOnOneNode: count.describe('Memory of VMs on one node in the packing that has most of it'),
      })
      .nullable()
      .describe('What packings reach, by HiGHS; null above 16 nodes or 30 VMs, without the package highs, or without a proof'),
  })
  .nullable()
  .describe('With --bound: what could be had if all VMs were packed anew at this instant');

export const rebalanceSchema = z.strictObject({
  command: z.literal('rebalance'),
  version: z.string(),
  host: z.string(),
  hypervisor: z.string(),
  limits: z.strictObject({ maxMoves: count.nullable(), maxBytes: count.nullable() }).describe('null = no limit'),
  freeMoves: z
    .array(
      z.strictObject({
        ...move,
        command: z.string().describe('A line of shell'),
        state: z.enum(['shown', 'done', 'failed', 'left']).describe('shown: without --yes; left: not run, as one before it failed'),
      }),
    )
    .describe('Soft affinity for the nodes where the memory lies; no memory moves'),
  migrations: z
    .array(
      z.strictObject({
        ...move,
        bytes: count.describe('Memory that is copied'),
        bytesBefore: bytesByNode,
        bytesAfter: bytesByNode,
        makesRoom: z.boolean().describe('It gains nothing itself, and makes room for others'),
        commands: z.array(z.string()).describe('Lines of shell'),
      }),
    )
    .describe('Migrations to the same host, each after the one before has ended; never carried out'),
  before: totals,
  afterFreeMoves: totals,
  after: totals,
  exact: z
    .boolean()
    .describe('Proved: within the limits no list of migrations has a smaller mean distance, nor reaches it in fewer or smaller migrations'),
  left: z.array(z.strictObject({ domid: count, name: z.string(), reason: z.string() })).describe('VMs not on one node at the end'),
  bound: boundSchema,
  notes: z.array(z.string()).describe('Information that the host does not give'),
});

export type RebalanceAnswer = z.output<typeof rebalanceSchema>;
