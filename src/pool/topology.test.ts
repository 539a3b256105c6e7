import { describe, expect, it } from 'vitest';
import { InputError } from '../base/errors.js';
import { GIB } from '../base/units.js';
import type { Host } from '../machine/model.js';
import { endpointUrl, parsePoolUrl } from '../xapi-client/endpoint.js';
import type { PoolHost, PoolVm } from '../xapi-client/pool.js';
import { asItIsNow, topologyOf } from './topology.js';
import { leastNodes } from './verify.js';

const record: PoolHost = {
  ref: 'OpaqueRef:h',
  uuid: 'h',
  name: 'xcp-1',
  address: '',
  policy: 'any',
  mask: null,
  software: {},
  cpuCount: 4,
  socketCount: 1,
  nodeCount: null,
  memoryTotalBytes: 8 * GIB,
  memoryFreeBytes: 6 * GIB,
};
const two: Host = {
  name: 'two',
  source: 'test',
  nodes: [0, 1].map((id) => ({ id, memoryBytes: 4 * GIB, freeBytes: 4 * GIB })),
  cpus: [0, 1, 2, 3].map((id) => ({ id, node: id >> 1, core: id, socket: 0 })),
  distances: [
    [10, 20],
    [20, 10],
  ],
  notes: [],
};
const onNode1 = { numa: { nodes: 1, optimised: true, memoryBytes: new Map([[1, 2 * GIB]]) } } as unknown as PoolVm;
const free = (host: Host) => host.nodes.map((node) => node.freeBytes / GIB);

describe('a host of a pool', () => {
  it('needs no file with one node, and needs one with more', () => {
    expect(topologyOf(record, null)).toMatchObject({ nodes: [{ memoryBytes: 8 * GIB, freeBytes: 6 * GIB }] });
    expect(topologyOf({ ...record, nodeCount: 1 }, null).notes).toEqual([]);
    expect(() => topologyOf({ ...record, nodeCount: 2 }, null)).toThrow(InputError);
    expect(() => topologyOf({ ...record, socketCount: 2 }, null)).toThrow(/does not report the CPUs/);
  });

  it('has the free memory that the pool reports; the rest is subtracted where VMs hold it, otherwise from every node', () => {
    expect(free(asItIsNow(two, record, [onNode1]))).toEqual([4, 2]);
    expect(free(asItIsNow(two, record, []))).toEqual([3, 3]);
    expect(asItIsNow(two, record, []).notes).toHaveLength(1);
    expect(free(asItIsNow(two, { ...record, memoryFreeBytes: 9 * GIB }, [onNode1]))).toEqual([4, 4]);
    expect(free(asItIsNow(two, { ...record, memoryFreeBytes: 0 }, [onNode1]))).toEqual([0, 0]);
  });

  it('can hold a VM on so many nodes', () => {
    expect(leastNodes(4 * GIB, 2, two)).toBe(1);
    expect(leastNodes(4 * GIB + 1, 1, two)).toBe(2);
    expect(leastNodes(GIB, 3, two)).toBe(2);
  });

  it('is named by a URL without a path', () => {
    expect(endpointUrl(parsePoolUrl('xcp-1'))).toBe('https://xcp-1');
    expect(parsePoolUrl('http://[::1]:8080')).toMatchObject({ secure: false, host: '::1', port: 8080 });
    for (const bad of ['', 'ftp://x', 'https://u:p@x', 'https://x/y', 'https://x?y', 'https://'])
      expect(() => parsePoolUrl(bad), bad).toThrow(InputError);
  });
});
