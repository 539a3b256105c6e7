// Which machines can exist: each limit from both sides.
import { describe, expect, it } from 'vitest';
import { InputError } from '../../base/errors.js';
import { type Host, LIMITS, UNREACHABLE } from '../model.js';
import { checkHost, MAX_CPU_ID, MAX_NODE_ID } from './check.js';

function host(nodes = 2, cpus = 4): Host {
  return {
    name: 'test',
    source: 'test',
    nodes: Array.from({ length: nodes }, (_, id) => ({ id, memoryBytes: 1000, freeBytes: 500 })),
    cpus: Array.from({ length: cpus }, (_, id) => ({ id, node: id % Math.max(nodes, 1), core: null, socket: null })),
    distances: Array.from({ length: nodes }, (_, i) => Array.from({ length: nodes }, (_, j) => (i === j ? 10 : 20))),
    notes: [],
  };
}

const fine = (changed: Host): void => expect(checkHost(changed)).toBe(changed);
const refused = (changed: Host, message: string | RegExp): void => expect(() => checkHost(changed)).toThrow(message);
const withNode = (change: Partial<Host['nodes'][number]>): Host => ({
  ...host(),
  nodes: [host().nodes[0]!, { ...host().nodes[1]!, ...change }],
});
const withCpu = (change: Partial<Host['cpus'][number]>): Host => ({
  ...host(),
  cpus: [host().cpus[0]!, { ...host().cpus[1]!, ...change }],
});
const withDistances = (distances: number[][]): Host => ({ ...host(), distances });

describe('a host', () => {
  it('has a node, a CPU, and no more than the limits', () => {
    refused(host(0), 'expected at least one NUMA node, got none');
    refused(host(1, 0), 'expected at least one CPU, got none');
    fine(host(LIMITS.nodes));
    refused(host(LIMITS.nodes + 1), 'expected at most 64 NUMA nodes, got 65');
    fine(host(1, LIMITS.pcpus));
    refused(host(1, LIMITS.pcpus + 1), 'expected at most 4096 CPUs, got 4097');
  });

  it('is refused with its file and line, and how to mend it', () => {
    try {
      checkHost(host(0), { file: 'f', line: 7 });
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(InputError);
      expect((error as InputError).place).toStrictEqual({ file: 'f', line: 7 });
      expect((error as InputError).mend).not.toBe('');
    }
  });
});

describe('nodes', () => {
  it('have numbers from 0, each one once', () => {
    fine(withNode({ id: MAX_NODE_ID }));
    for (const id of [-1, MAX_NODE_ID + 1, 0.5, Number.NaN]) refused(withNode({ id }), `expected node numbers from 0 to 65535, got ${id}`);
    refused(withNode({ id: 0 }), 'node 0 is given twice');
  });

  it('have memory in whole bytes, of which all or none may be free', () => {
    fine(withNode({ memoryBytes: 0, freeBytes: 0 }));
    for (const memoryBytes of [-1, 0.5, 2 ** 53]) refused(withNode({ memoryBytes }), 'node 1: expected a size in whole bytes');
    fine(withNode({ freeBytes: 0 }));
    fine(withNode({ freeBytes: 1000 }));
    for (const freeBytes of [-1, 1001, 0.5]) refused(withNode({ freeBytes }), 'node 1: the used or free memory exceeds the total');
  });
});

describe('CPUs', () => {
  it('have numbers from 0, ascending, each one once', () => {
    fine(withCpu({ id: MAX_CPU_ID }));
    for (const id of [-1, MAX_CPU_ID + 1, 1.5]) refused(withCpu({ id }), `expected CPU numbers from 0 to 65535, got ${id}`);
    refused(withCpu({ id: 0 }), 'CPU 0 is given twice');
    refused({ ...host(), cpus: [...host().cpus].reverse() }, 'CPU 2 comes after CPU 3');
  });

  it('are on a node that is there, by its position', () => {
    fine(withCpu({ node: 0 }));
    for (const node of [-1, 2, 0.5]) refused(withCpu({ node }), 'CPU 1 is on a node that does not exist');
  });
});

describe('distances', () => {
  it('are a square of the nodes', () => {
    refused(withDistances([[10, 20]]), 'expected 2 rows of distances, one a node, got 1');
    refused(withDistances([[10, 20], [20]]), 'expected 2 distances from node 1, got 1');
    const three = [10, 20, 30];
    refused(withDistances([three, three]), 'expected 2 distances from node 0, got 3');
  });

  it('are 10 from a node to itself, and 11 to 254 or unreachable to others (Xen, slit_valid)', () => {
    for (const distance of [11, 254, UNREACHABLE])
      fine(
        withDistances([
          [10, distance],
          [20, 10],
        ]),
      );
    for (const distance of [10, 9, 0, 256, 20.5])
      refused(
        withDistances([
          [10, distance],
          [20, 10],
        ]),
        /from node 0 to node 1 to be a number/,
      );
    for (const distance of [11, 9, UNREACHABLE])
      refused(
        withDistances([
          [10, 20],
          [20, distance],
        ]),
        'from node 1 to node 1 to be 10',
      );
  });
});
