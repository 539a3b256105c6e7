// The affinity key: how a VM's hard affinity travels from xenopsd to the domain builder through
// XenStore, one key a vCPU. Boxes of the chart: set_hard_affinity (written), set_hard_affinity?
// (read).

/**
 * Where xenopsd leaves what the builder of a domain reads (xen-api 90ef043c,
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
 * One character a pCPU: character j is '1' when the vCPU may run on pCPU j, else '0' (xen-api
 * 90ef043c, ocaml/xenopsd/xc/xenops_server_xen.ml 1300-1370).
 * @param cpus all below `pcpus`
 * @param pcpus length of the text: physinfo's max_cpu_id + 1
 */
export function encodeAffinity(cpus: readonly number[], pcpus: number): string {
  const characters = new Array<string>(pcpus).fill('0');
  for (const cpu of cpus) characters[cpu] = '1';
  return characters.join('');
}

/**
 * As xenguest reads it: only '1' sets a CPU, whatever the other characters are, and characters past
 * the host's CPU map count for nothing (XenServer's xenguest.patch, configure_vcpus).
 * @param pcpus CPUs of the host; the text's length by default
 * @returns CPUs in ascending order
 */
export function decodeAffinity(text: string, pcpus: number = text.length): number[] {
  const cpus: number[] = [];
  for (let cpu = 0; cpu < Math.min(text.length, pcpus); cpu++) if (text[cpu] === '1') cpus.push(cpu);
  return cpus;
}
