// Calls about CPU pools.
import { CPUPOOL_ANY, CPUPOOL_OP, SCHEDULERS, SYSCTL } from '../../abi/commands.js';
import { CPUPOOL_AT, SYSCTL_AT } from '../../abi/layout.js';
import { ERRNO } from '../../base/errors.js';
import type { CpupoolInfo, Xenctrl } from '../xenctrl.js';
import { type CallBuffers, callError } from './call-buffers.js';
import { decodeMask } from './masks.js';

const AT = SYSCTL_AT.union;
/**
 * A running vCPU can be in the way of the removal for a moment; libxenctrl tries this often
 * (xc_cpupool.c).
 */
const REMOVE_ATTEMPTS = 5;

export type CpupoolCalls = Pick<
  Xenctrl,
  'cpupoolCreate' | 'cpupoolDestroy' | 'cpupoolAddCpu' | 'cpupoolRemoveCpu' | 'cpupoolMoveDomain' | 'cpupoolList' | 'cpupoolFreeCpus'
>;

export function cpupoolCalls(calls: CallBuffers, cpuBits: number): CpupoolCalls {
  const must = (result: number, call: string) => {
    if (result < 0) throw callError(result, call);
  };
  return {
    cpupoolCreate(scheduler, id) {
      must(poolOp(calls, CPUPOOL_OP.create, { pool: id ?? CPUPOOL_ANY, scheduler: SCHEDULERS[scheduler] }), 'xc_cpupool_create');
      return calls.op.view.getUint32(AT + CPUPOOL_AT.pool, true);
    },
    cpupoolDestroy(pool) {
      must(poolOp(calls, CPUPOOL_OP.destroy, { pool }), `xc_cpupool_destroy(pool ${pool})`);
    },
    cpupoolAddCpu(pool, cpu) {
      must(poolOp(calls, CPUPOOL_OP.addcpu, { pool, cpu }), `xc_cpupool_addcpu(pool ${pool}, cpu ${cpu})`);
    },
    cpupoolRemoveCpu(pool, cpu) {
      let result = 0;
      for (let attempt = 0; attempt < REMOVE_ATTEMPTS; attempt++) {
        result = poolOp(calls, CPUPOOL_OP.rmcpu, { pool, cpu });
        if (result !== -ERRNO.EBUSY) break;
      }
      must(result, `xc_cpupool_removecpu(pool ${pool}, cpu ${cpu})`);
    },
    cpupoolMoveDomain: (pool, domid) => cpupoolMoveDomain(calls, pool, domid),
    cpupoolList: () => cpupoolList(calls, cpuBits),
    cpupoolFreeCpus() {
      must(poolOp(calls, CPUPOOL_OP.freeinfo, {}, cpuBits), 'xc_cpupool_freeinfo');
      return decodeMask(cpumap(calls, cpuBits).bytes, cpuBits);
    },
  };
}

export function cpupoolMoveDomain(calls: CallBuffers, pool: number, domid: number): void {
  const result = poolOp(calls, CPUPOOL_OP.movedomain, { pool, domid });
  if (result < 0) throw callError(result, `xc_cpupool_movedomain(pool ${pool}, domid ${domid})`);
}

/** INFO answers for the first pool whose id is at least the requested one. */
export function cpupoolList(calls: CallBuffers, cpuBits: number): CpupoolInfo[] {
  const pools: CpupoolInfo[] = [];
  for (let id = 0; ; ) {
    const result = poolOp(calls, CPUPOOL_OP.info, { pool: id }, cpuBits);
    if (result === -ERRNO.ENOENT) return pools;
    if (result < 0) throw callError(result, `xc_cpupool_getinfo(pool ${id})`);
    const { view } = calls.op;
    const found = view.getUint32(AT + CPUPOOL_AT.pool, true);
    pools.push({
      id: found,
      scheduler: view.getUint32(AT + CPUPOOL_AT.scheduler, true),
      domains: view.getUint32(AT + CPUPOOL_AT.domains, true),
      cpus: decodeMask(cpumap(calls, cpuBits).bytes, cpuBits),
    });
    id = found + 1;
  }
}

function cpumap(calls: CallBuffers, cpuBits: number) {
  return calls.buffer('cpumap', (cpuBits + 7) >>> 3);
}

interface PoolArguments {
  readonly pool?: number;
  readonly scheduler?: number;
  readonly domid?: number;
  readonly cpu?: number;
}

function poolOp(calls: CallBuffers, op: number, args: PoolArguments, mapBits = 0): number {
  const view = calls.startSysctl(SYSCTL.cpupool_op);
  view.setUint32(AT + CPUPOOL_AT.op, op, true);
  view.setUint32(AT + CPUPOOL_AT.pool, args.pool ?? 0, true);
  view.setUint32(AT + CPUPOOL_AT.scheduler, args.scheduler ?? 0, true);
  view.setUint32(AT + CPUPOOL_AT.domid, args.domid ?? 0, true);
  view.setUint32(AT + CPUPOOL_AT.cpu, args.cpu ?? 0, true);
  if (mapBits > 0) calls.putBitmap(AT + CPUPOOL_AT.cpumap, cpumap(calls, mapBits), mapBits);
  return calls.sysctl();
}
