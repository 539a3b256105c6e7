// Schema of the --json output of `replay`.
import * as z from 'zod';
import { CHOOSE_RULES } from '../../replay/choose/choosers.js';

const count = z.int().nonnegative();
const share = z.number().min(0).max(1).nullable();

const moment = {
  memoryTaken: z.number().describe("Of the fleet's memory for guests: taken, by guests and by Xen for them"),
  oneNode: share.describe("Of the guests' memory: that of VMs whose vCPUs and memory are on one and the same node"),
  remote: share.describe("Of the guests' memory: what a vCPU finds on another node than its own, on average"),
  meanDistance: z.number().nullable().describe('From vCPUs to memory, as in the SLIT; by memory'),
  overload: share.describe('Of the CPU demand (0.4 cores a vCPU): what exceeds the cores of its node'),
  stranded: share.describe('Of the free memory: on nodes whose cores are all in demand'),
};

export const replaySchema = z.strictObject({
  command: z.literal('replay'),
  version: z.string(),
  trace: z.strictObject({
    name: z.string(),
    vms: count,
    seconds: z.number().describe('From the first arrival to the end of the record'),
    peak: z
      .strictObject({ vms: count, vcpus: count, memoryBytes: count })
      .describe('The most that its VMs ask for at once, before --scale'),
  }),
  host: z.strictObject({
    name: z.string(),
    nodes: count,
    cores: count,
    cpus: count,
    freeBytes: count.describe('For guests, on an empty host'),
  }),
  runs: z.array(
    z.strictObject({
      policy: z.string(),
      hosts: count,
      choose: z.enum(CHOOSE_RULES).describe('Rule that chooses the host of a VM'),
      scale: z.number().describe("Factor of the VMs' vCPUs and memory"),
      seed: count,
      vms: count,
      started: count,
      failedForHost: count.describe('Starts that failed because no host had room'),
      failedOnHost: count.describe('Starts that failed on the chosen host'),
      startedOnOneNode: count,
      peakVms: count,
      ...moment,
      overTime: z
        .array(z.strictObject({ seconds: z.number(), vms: count, ...moment, failed: count.describe('Failed starts so far') }))
        .describe('The fleet at equal distances of time; the figures of the run itself are over all the time'),
      bound: z
        .strictObject({
          seconds: z.number(),
          vms: count,
          oneNode: z.number().min(0).max(1),
          oneNodeAtMost: z.number().min(0).max(1).describe('No placement of these VMs on these hosts has more'),
        })
        .optional()
        .describe(
          'With --bound: where the trace asks for the most memory, that of VMs on one node, and the most that packing anew could reach',
        ),
    }),
  ),
});

export type ReplayAnswer = z.output<typeof replaySchema>;
