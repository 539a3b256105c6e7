// Conformance kind `libxl-memory`: the memory that libxl requires on a host for one guest (format:
// conformance/README.md).
import * as z from 'zod';
import { InputError } from '../../base/errors.js';
import { KIB, MIB } from '../../base/units.js';
import { xlNeededBytes, xlPagingKib } from '../../planner/xl-placement.js';
import { xlMaxMemKib } from '../../xenopsd/start/xl-build.js';
import { differences } from '../differences.js';
import type { ConformancePlayer, JsonObject } from '../player.js';

const mib = z
  .int()
  .min(1)
  .max(2 ** 24);
const caseSchema = z.object({ kind: z.enum(['pv', 'pvh', 'hvm']), vcpus: z.int().min(1).max(8192), memoryMiB: mib, maxmemMiB: mib });
const ANSWERS = ['placementNeedsKib', 'maxMemKib', 'pagingPoolKib'] as const;

export function createLibxlMemoryPlayer(): ConformancePlayer {
  const play = (line: JsonObject): JsonObject => {
    const parsed = caseSchema.safeParse(line);
    if (!parsed.success) {
      const issue = parsed.error.issues[0]!;
      throw new InputError(issue.message, { path: issue.path.join('.') }, 'give a case as conformance/README.md describes');
    }
    const { kind, vcpus, memoryMiB, maxmemMiB } = parsed.data;
    const maxmemBytes = maxmemMiB * MIB;
    // Recorded for guests whose paging pool libxl sets; a PV guest has none.
    const paged = kind !== 'pv';
    return {
      ...line,
      placementNeedsKib: xlNeededBytes({ memoryBytes: memoryMiB * MIB, maxmemBytes, vcpus, kind }) / KIB,
      maxMemKib: paged ? xlMaxMemKib(memoryMiB) : null,
      pagingPoolKib: paged ? xlPagingKib({ maxmemBytes, vcpus }) : null,
    };
  };
  return {
    play,
    check(line) {
      const ours = play(line);
      return ANSWERS.flatMap((answer) => differences(line[answer], ours[answer], answer));
    },
  };
}
