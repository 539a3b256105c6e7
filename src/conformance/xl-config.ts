// Conformance kind `xl-config`: guest configs as the real `xl create -n -d` reads them (format:
// conformance/README.md).
import * as z from 'zod';
import { InputError } from '../base/errors.js';
import type { XlMachine } from '../machine/readers/xl/cpu-list.js';
import { lateRefusal, parseXlGuest, type XlGuest } from '../machine/readers/xl/guest.js';
import { differences, isObject } from './differences.js';
import type { ConformancePlayer, JsonObject, JsonValue } from './player.js';

const number = z.int().min(0).max(65_535);
const caseSchema = z.object({
  info: z.string().default(''),
  cpus: z
    .array(z.object({ node: number }).nullable())
    .min(1)
    .max(4096),
  cfg: z.string(),
});

export function createXlConfigPlayer(): ConformancePlayer {
  const play = (line: JsonObject): JsonObject => {
    const parsed = caseSchema.safeParse(line);
    if (!parsed.success) {
      const issue = parsed.error.issues[0]!;
      throw new InputError(issue.message, { path: issue.path.join('.') }, 'give a case as conformance/README.md describes');
    }
    const { info, cpus, cfg } = parsed.data;
    const guest = guestOf(cfg, machineOf(info, cpus));
    return { ...line, rc: guest === null ? 1 : 0, real: guest === null ? null : answer(guest) };
  };
  return {
    play,
    check(line) {
      const ours = play(line);
      return [...differences(line.rc, ours.rc, 'rc'), ...differences(line.real, recordedKeys(line.real, ours.real), 'real')];
    },
  };
}

/** Records need not have every field. The fields that they have are compared. */
function recordedKeys(recorded: JsonValue | undefined, ours: JsonValue | undefined): JsonValue {
  if (!isObject(recorded) || !isObject(ours)) return ours ?? null;
  return Object.fromEntries(Object.keys(recorded).map((key) => [key, ours[key] ?? null]));
}

function machineOf(info: string, cpus: readonly ({ readonly node: number } | null)[]): XlMachine {
  const nodes = /^nr_nodes\s*:\s*(\d{1,4})\s*$/m.exec(info)?.[1];
  return {
    maxCpus: cpus.length,
    onlineCpus: cpus.filter((cpu) => cpu !== null).length,
    nodes: nodes === undefined ? Math.max(...cpus.map((cpu) => cpu?.node ?? 0)) + 1 : Number(nodes),
    cpusOfNode: (node) => cpus.flatMap((cpu, id) => (cpu?.node === node ? [id] : [])),
  };
}

/** Null when xl refuses the config. */
function guestOf(cfg: string, machine: XlMachine): XlGuest | null {
  try {
    const guest = parseXlGuest({ file: 'cfg', text: cfg }, machine);
    return lateRefusal(guest) === null ? guest : null;
  } catch (error) {
    if (error instanceof InputError) return null;
    throw error;
  }
}

/** As `xl create -n -d` prints it: fields that libxl would fill in later are null. */
function answer(guest: XlGuest): JsonObject {
  const masks = (affinity: XlGuest['hard']) =>
    affinity === undefined || affinity.masks.length === 0 ? null : affinity.masks.map((cpus) => [...cpus]);
  return {
    max_vcpus: guest.maxVcpus === 0 ? null : guest.maxVcpus,
    online_vcpus: guest.vcpus ?? 0,
    max_memkb: guest.maxMemKib ?? null,
    target_memkb: guest.targetMemKib ?? null,
    type: guest.kind,
    vcpu_hard_affinity: masks(guest.hard),
    vcpu_soft_affinity: masks(guest.soft),
    numa_placement: guest.mayPlace ? null : 'False',
    sched_params: guest.schedule,
    ...(guest.vnuma === undefined
      ? {}
      : {
          vnuma_nodes: guest.vnuma.nodes.map(({ pnode, sizeKib, vcpus, distances }) => ({
            ...{ memkb: sizeKib ?? null, pnode: pnode || null, distances: [...distances] },
            vcpus: vcpus.length === 0 ? null : [...vcpus],
          })),
        }),
  };
}
