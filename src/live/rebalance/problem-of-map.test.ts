// The data of a host that reaches the planner of rebalancing, and the figures that are refused.
import { describe, expect, it } from 'vitest';
import { domain, GIB_PAGES, idleHost, range } from '../../../test/support/host-maps.js';
import { InputError } from '../../base/errors.js';
import type { HostMap, MapDomain } from '../../map/host-map.js';
import type { DomainInfo } from '../../xenctrl/xenctrl.js';
import { migrationCommands } from './move-commands.js';
import { problemOfMap } from './problem-of-map.js';

/** Two nodes of eight CPUs and 32 GiB: 27 GiB of node 0 and 31 GiB of node 1 are free. */
const idle = idleHost({ nodes: 2, cpusPerNode: 8, nodeGib: 32 });
const all = range(0, 16);
const web = domain(1, 'web', 2, all, all, { 0: 4, 1: 4 }, 2);

/** The domains' memory is no longer free. */
function hostWith(...domains: MapDomain[]): HostMap {
  const held = (node: number) => domains.reduce((sum, { pages }) => sum + pages[node]!, 0);
  return {
    ...idle,
    nodes: idle.nodes.map((node) => ({ ...node, freePages: node.freePages - held(node.id) })),
    domains: [...idle.domains, ...domains],
  };
}

const everyone = (map: HostMap) => new Set(map.domains.map(({ domid }) => domid));
const problemOf = (map: HostMap, infos: readonly DomainInfo[] = []) => problemOfMap(map, infos, everyone(map));
const infoOf = (domid: number, totPages: number) => ({ domid, totPages }) as DomainInfo;

describe('a host for the planner', () => {
  it('has the VMs, what is free, and the reserve of node 0; Domain-0 and dying domains are no VMs', () => {
    const { problem, stays } = problemOf(hostWith(web, { ...web, domid: 2, name: 'old', state: 'dying' }));
    expect(problem.vms).toMatchObject([{ id: 1, vcpus: 2, pages: [4 * GIB_PAGES, 4 * GIB_PAGES], shares: [0.5, 0.5], mayMove: true }]);
    expect(problem.vms[0]).not.toHaveProperty('allowedCpus');
    expect(problem.freePages).toEqual([(27 - 8) * GIB_PAGES, (31 - 8) * GIB_PAGES]);
    expect(problem.reservePages).toEqual([2 * GIB_PAGES]);
    expect(stays.size).toBe(0);
  });

  it('counts cores, not threads, and those of two sockets apart', () => {
    expect(problemOf(hostWith(web)).problem.host.nodeCores).toEqual([4, 4]);
    const sameNumbers = { ...hostWith(web), cpus: idle.cpus.map((cpu) => ({ ...cpu!, core: 0, socket: cpu!.id })) };
    expect(problemOf(sameNumbers).problem.host.nodeCores).toEqual([8, 8]);
  });

  it('leaves out CPUs that are offline, and takes claimed memory from what is free', () => {
    const host = hostWith(web);
    const offline = { ...host, cpus: host.cpus.map((cpu) => (cpu!.id === 3 ? { ...cpu!, online: false } : cpu)) };
    expect(problemOf(offline).problem.host.cpuToNode[3]).toBe(0xffffffff);
    const claimed = { ...host, nodes: host.nodes.map((node) => ({ ...node, claimedPages: GIB_PAGES })) };
    expect(problemOf(claimed).problem.freePages).toEqual([22 * GIB_PAGES, 26 * GIB_PAGES]);
  });

  it('asks for the paging pool of the copy: 1 MiB a vCPU, 1/128 of the memory, and 2 MiB', () => {
    expect(problemOf(hostWith(web)).problem.vms[0]!.sparePages).toBe(2 * 256 + (8 * GIB_PAGES) / 128 + 512);
  });

  it('hands on a hard mask, within the pool', () => {
    const masked = { ...web, vcpus: web.vcpus.map((vcpu) => ({ ...vcpu, hard: range(4, 8) })) };
    expect(problemOf(hostWith(masked)).problem.vms[0]!.allowedCpus).toEqual(range(4, 8));
  });

  it.each<[string, MapDomain, { mayPin: boolean; mayMove: boolean } | null, RegExp]>([
    [
      'vCPUs with different masks',
      { ...web, vcpus: [{ ...web.vcpus[0]!, hard: [0] }, web.vcpus[1]!] },
      { mayPin: false, mayMove: false },
      /different/,
    ],
    ['a paused VM', { ...web, state: 'paused' }, { mayPin: true, mayMove: false }, /it is paused/],
    ['no vCPUs', { ...web, vcpus: [] }, null, /no vCPUs/],
    ['a pool without CPUs', { ...web, pool: 7 }, null, /no CPU to run on/],
  ])('says why it stays: %s', (_, one, may, reason) => {
    const { problem, stays } = problemOf(hostWith(one));
    expect(stays.get(1)).toMatch(reason);
    if (may === null) expect(problem.vms).toEqual([]);
    else expect(problem.vms).toMatchObject([may]);
  });

  it('leaves alone who was not named', () => {
    const { problem, stays } = problemOfMap(hostWith(web), [], new Set());
    expect(problem.vms).toMatchObject([{ mayPin: false, mayMove: false }]);
    expect(stays.get(1)).toMatch(/not among/);
  });
});

describe('figures that cannot be true', () => {
  const refused = (map: HostMap, infos: readonly DomainInfo[] = []) => {
    try {
      problemOf(map, infos);
    } catch (error) {
      if (error instanceof InputError) return error.message;
      throw error;
    }
    return 'accepted';
  };
  const nodeOf = (change: (node: HostMap['nodes'][number]) => Partial<HostMap['nodes'][number]>): HostMap => {
    const host = hostWith(web);
    return { ...host, nodes: host.nodes.map((node) => ({ ...node, ...(node.id === 1 ? change(node) : {}) })) };
  };

  it('are memory that is not known by node, and a sum that is not what Xen says', () => {
    expect(refused(hostWith({ ...web, pages: [0, 0] }))).toBe('the memory by node of domain 1 (web) is not known');
    const total = 8 * GIB_PAGES;
    const most = Math.floor((total + 4096) / 0.99);
    expect(refused(hostWith(web), [infoOf(1, total)])).toBe('accepted');
    expect(refused(hostWith(web), [infoOf(1, most)])).toBe('accepted');
    expect(refused(hostWith(web), [infoOf(1, most + 2)])).toMatch(
      /^domain 1 \(web\) has 8\.1 GiB, but its memory by node sums up to 8 GiB$/,
    );
  });

  it('are a node with more than it has, and more claimed than is free', () => {
    const whole = 32 * GIB_PAGES;
    const most = Math.floor(whole * 1.01) - 4 * GIB_PAGES;
    expect(refused(nodeOf(() => ({ freePages: most })))).toBe('accepted');
    expect(refused(nodeOf(() => ({ freePages: most + 1 })))).toMatch(
      /^node 1 has 32 GiB, but 4 GiB of domains and 28\.3 GiB free sum up to more$/,
    );
    expect(refused(nodeOf(({ freePages }) => ({ claimedPages: freePages })))).toBe('accepted');
    expect(refused(nodeOf(({ freePages }) => ({ claimedPages: freePages + 1 })))).toMatch(
      /^node 1 has 27 GiB free, but 27 GiB of it claimed$/,
    );
  });

  it('are more nodes than can be planned', () => {
    const nodes = (count: number) => ({ ...idle, nodes: range(0, count).map((id) => ({ ...idle.nodes[1]!, id, freePages: 0 })) });
    expect(refused(nodes(64))).toBe('accepted');
    expect(refused(nodes(65))).toMatch(/65 NUMA nodes/);
  });
});

describe('a host of one node', () => {
  const oneNode = idleHost({ nodes: 1, cpusPerNode: 8, nodeGib: 32 });
  const known = domain(1, 'web', 2, range(0, 8), range(0, 8), { 0: 4 }, 1);
  it.each([
    ['memory', { pages: [0] }],
    ['affinity', { masksUnknown: true as const }],
    ['pool', { poolUnknown: true as const }],
  ])('needs no %s of a VM that stays there in any case', (_, unknown) => {
    const nodes = oneNode.nodes.map((node) => ({ ...node, freePages: 8 * GIB_PAGES }));
    const map = { ...oneNode, nodes, domains: [...oneNode.domains, known, { ...known, ...unknown, domid: 2, name: 'db' }] };
    const { problem, stays } = problemOf(map);
    expect(problem.vms.map(({ id }) => id)).toEqual([1]);
    expect([...stays]).toEqual([[2, 'the host has one node']]);
  });
});

describe('the commands of a migration', () => {
  const move = { cpus: [8, 9, 10, 12] };

  it('quote names that a shell would read otherwise', () => {
    expect(migrationCommands({ toolstack: 'xl', name: "it's $(x)" }, move)).toEqual([
      `echo 'cpus_soft="8-10,12"' >> 'it'\\''s $(x).cfg'`,
      `xl migrate -C 'it'\\''s $(x).cfg' 'it'\\''s $(x)' localhost`,
    ]);
    expect(migrationCommands({ toolstack: 'xapi', name: 'a b' }, move)[0]).toBe(
      "xe vm-param-set uuid=$(xe vm-list 'name-label=a b' --minimal) VCPUs-params:mask=8,9,10,12",
    );
  });

  it('put back the mask that the VM had', () => {
    const known = { toolstack: 'xapi', name: 'web', uuid: 'u', hostUuid: 'h' } as const;
    expect(migrationCommands({ ...known, mask: '1,2' }, move).at(-1)).toBe('xe vm-param-set uuid=u VCPUs-params:mask=1,2');
    expect(migrationCommands(known, move).at(-1)).toBe('xe vm-param-remove uuid=u param-name=VCPUs-params param-key=mask');
  });

  it('set no mask that the VM has already', () => {
    const moved = { toolstack: 'xapi', name: 'web', uuid: 'u', hostUuid: 'h', mask: '8,9,10,12' } as const;
    expect(migrationCommands(moved, move)).toEqual(['xe vm-migrate uuid=u host-uuid=h live=true']);
  });
});
