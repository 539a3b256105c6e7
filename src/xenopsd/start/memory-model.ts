// How much memory a domain gets and takes, by kind (xen-api 90ef043c,
// ocaml/xapi-idl/memory/memory.ml). Part of the box VM.build.
import { MIB } from '../../base/units.js';
import type { VmKind, VmSpec } from '../../machine/vm.js';

const PAGES_A_MIB = 256;
const SHADOW_PAGES_A_VCPU = 256;

interface MemoryModel {
  readonly extraInternalMib: number;
  readonly extraExternalMib: number;
  /** Memory of the shim under a PV-in-PVH guest. */
  readonly shimMib: (mib: number) => number;
}

const none = () => 0;
/** 'pvh' is XenServer's PV-in-PVH: the PV shim takes 23 MiB and a ninetieth. */
const MODELS: Readonly<Record<VmKind, MemoryModel>> = {
  hvm: { extraInternalMib: 1, extraExternalMib: 1, shimMib: none },
  pv: { extraInternalMib: 0, extraExternalMib: 1, shimMib: none },
  pvh: { extraInternalMib: 1, extraExternalMib: 1, shimMib: (mib) => 23 + Math.floor(mib / 90) },
};

export interface MemoryConfig {
  /** -mem_max_mib of the builder. */
  readonly buildMaxMib: number;
  /** -mem_start_mib: what is populated. */
  readonly buildStartMib: number;
  /** Xen's max_mem. */
  readonly xenMaxMib: number;
  readonly shadowMib: number;
  /** Memory that must be free on the host, on any nodes. */
  readonly requiredHostFreeMib: number;
  /** Pages that profile 26.3 claims before the build. */
  readonly buildClaimPages: number;
  readonly staticMaxMib: number;
  readonly targetMib: number;
}

/** `toolstack`: xenopsd's 'pvh' has the PV shim, libxl's has not. */
export function memoryConfig(vm: VmSpec, toolstack: 'xenopsd' | 'libxl'): MemoryConfig {
  const { extraInternalMib, extraExternalMib, shimMib } = MODELS[vm.kind === 'pvh' && toolstack === 'libxl' ? 'hvm' : vm.kind];
  const staticMaxMib = Math.ceil(vm.memoryStaticMaxBytes / MIB);
  const targetMib = Math.ceil(vm.memoryTargetBytes / MIB);
  const shadowMib = Math.max(1, Math.ceil((SHADOW_PAGES_A_VCPU * vm.vcpusMax + 2 * staticMaxMib) / PAGES_A_MIB));
  const buildStartMib = targetMib + shimMib(targetMib);
  return {
    buildMaxMib: staticMaxMib + shimMib(staticMaxMib),
    buildStartMib,
    xenMaxMib: staticMaxMib + extraInternalMib + shimMib(staticMaxMib),
    shadowMib,
    requiredHostFreeMib: targetMib + extraInternalMib + extraExternalMib + shadowMib + shimMib(staticMaxMib),
    buildClaimPages: buildStartMib * PAGES_A_MIB,
    staticMaxMib,
    targetMib,
  };
}
