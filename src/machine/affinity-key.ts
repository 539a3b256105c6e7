// The affinity key: xenopsd passes a VM's hard affinity to the domain builder through XenStore,
// with one key for each vCPU. Boxes of the chart: set_hard_affinity (written), set_hard_affinity?
// (read).

/**
 * The folder where xenopsd writes the builder's settings of a domain (xen-api 90ef043c,
 * ocaml/xenopsd/xc/domain.ml, make).
 */
export function platformPath(domid: number): string {
  return `/local/domain/${domid}/platform`;
}

/** Below `platformPath`. The number is the vCPU (the chart's text has the domain there). */
export function affinityKey(vcpu: number): string {
  return `vcpu/${vcpu}/affinity`;
}

/**
 * One character for each pCPU: character j is '1' if the vCPU may run on pCPU j, otherwise '0'
 * (xen-api 90ef043c, ocaml/xenopsd/xc/xenops_server_xen.ml 1300-1370).
 * @param cpus all below `pcpus`
 * @param pcpus length of the text: physinfo's max_cpu_id + 1
 */
export function encodeAffinity(cpus: readonly number[], pcpus: number): string {
  const characters = new Array<string>(pcpus).fill('0');
  for (const cpu of cpus) characters[cpu] = '1';
  return characters.join('');
}

/**
 * Reads the key as xenguest does: only '1' sets a CPU, any other character does not, and characters
 * past the host's CPU map are ignored (XenServer's xenguest.patch, configure_vcpus).
 * @param pcpus CPUs of the host; the text's length by default
 * @returns CPUs in ascending order
 */
export function decodeAffinity(text: string, pcpus: number = text.length): number[] {
  const cpus: number[] = [];
  for (let cpu = 0; cpu < Math.min(text.length, pcpus); cpu++) if (text[cpu] === '1') cpus.push(cpu);
  return cpus;
}
