// The sentence of each note, with both sides of every condition in it.
import { expect, it } from 'vitest';
import { landingNote } from '../../../test/support/flow-records.js';
import { FlowRecord, type NoteTopic, type NoteValues } from '../record.js';
import { NOTE_SCHEMAS } from '../schema/notes.js';
import { explain } from './explain.js';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const counts = { gib: 1, mib2: 0, kib4: 3 };
const populated = { domid: 3, pages: 4, pagesByNode: [4, 0], nodeAffinity: '0', counts, onDemand: false, specialPages: 8 };

type Case = { [T in NoteTopic]: readonly [T, NoteValues[T], string | RegExp] }[NoteTopic];
const CASES: readonly Case[] = [
  ['domain', { domid: 3, kind: 'pvh', vcpus: 1 }, 'Domain 3 was created (pvh, 1 vCPU).'],
  ['domain', { domid: 3, kind: 'pv', vcpus: 2 }, 'Domain 3 was created (pv, 2 vCPUs).'],
  ['device model', { domid: 3, pid: 812 }, 'QEMU, process 812, emulates the devices of domain 3.'],
  ['libxl', { cpus: true, cpusSoft: false }, /^xl starts this guest\./],
  [
    'free memory',
    { wantedBytes: GIB, freeBytes: 2 * GIB, waitedSeconds: 0 },
    'The host has 2 GiB free; the build needs 1 GiB, from any nodes.',
  ],
  [
    'free memory',
    { wantedBytes: 2 * GIB, freeBytes: GIB, waitedSeconds: 1 },
    'The host has only 1 GiB free after 1 second of waiting for the scrubber; the build needs 2 GiB, from any nodes.',
  ],
  ['paging pool', { domid: 3, bytes: 4 * MIB }, "Xen set aside 4 MiB for the domain's shadow or paging pool."],
  ['hard by toolstack', { domid: 3, masks: ['1'] }, /^xenopsd set the hard affinity itself/],
  ['no numa', { domid: 3 }, /^The planner sees no NUMA on this host/],
  [
    'claim',
    { domid: 3, node: 1, pages: 262_144, errno: null },
    'Xen granted a claim of 1 GiB on node 1: no other VM can take that memory before the build does.',
  ],
  ['claim', { domid: 3, node: null, pages: 262_144, errno: 'ENOMEM' }, 'Xen refused a claim of 1 GiB anywhere on the host with ENOMEM.'],
  ['soft affinity failed', { domid: 3, vcpu: 2, errno: 'EINVAL' }, /^Setting the soft affinity of vCPU 2 failed with EINVAL/],
  ['no weight or cap', { domid: 3, scheduler: 'null' }, 'Weight and cap were not set: the scheduler of its CPU pool, null, has neither.'],
  ['no credit scheduler', { errno: 'EINVAL' }, 'Weight and cap were left alone: the scheduler of its CPU pool is not credit.'],
  [
    'virtual nodes',
    { domid: 3, by: 'tight', nodes: [{ node: 1, mib: 2048, vcpus: '0-1' }] },
    'The guest has virtual nodes: 2 GiB only from node 1 for vCPUs 0-1. The vCPUs prefer the CPUs of those nodes.',
  ],
  [
    'virtual nodes',
    {
      domid: 3,
      by: 'libxl',
      nodes: [
        { node: 1, mib: 2048, vcpus: '0-1' },
        { node: 0, mib: 1024, vcpus: '2' },
      ],
    },
    /2 GiB only from node 1 for vCPUs 0-1, 1 GiB only from node 0 for vCPUs 2/,
  ],
  ['memory on one node only', { node: 2, because: '-mem_pnode' }, 'The builder was told to take all memory from node 2 (-mem_pnode).'],
  [
    'memory on one node only',
    { node: 2, because: '-keep_on_node' },
    'The builder took all memory from node 2, which had enough free memory (-keep_on_node).',
  ],
  [
    'memory not kept on one node',
    { nodes: '0-1' },
    "The memory was to stay on one node, but the domain's node affinity names nodes 0-1, so the builder did not insist on one.",
  ],
  [
    'memory not kept on one node',
    { node: 2, freeMib: 512, wantedMib: 1024 },
    'The memory was to stay on node 2, but the guest needs 1 GiB and only 512 MiB are free there, so the builder did not insist on the node.',
  ],
  ['populated', populated, 'The builder took the memory in pieces: 1 of 1 GiB, 3 of 4 KiB.'],
  [
    'populated',
    { ...populated, counts: { gib: 0, mib2: 2, kib4: 0 }, onDemand: true },
    'The builder took the memory in pieces: 2 of 2 MiB; the rest of its maximum is populated on demand.',
  ],
  [
    'populated',
    { domid: 3, pages: null, pagesByNode: null, nodeAffinity: '0', failed: 'no room' },
    'The builder failed while it took the memory: no room.',
  ],
  ['landed', landingNote(), /^Its memory came from node 0: 1 GiB \(100%\)\.$/m],
  ['migrate', { from: 3, pages: [] }, /^The VM ran as domain 3\. The new domain is built beside it/],
  ['suspended', { domid: 3, bytes: 2 * MIB }, 'The guest of domain 3 suspended itself; a file of 2 MiB holds its memory.'],
  ['restored', { domid: 4, from: null }, 'Domain 4 was filled with the memory of the suspended guest.'],
  ['restored', { domid: 4, from: 3 }, "The guest's memory was copied from domain 3 to domain 4."],
  ['suspend called off', { domid: 3, failure: null }, 'The suspend was called off: the guest goes on in domain 3.'],
  ['suspend called off', { domid: 3, failure: 'no' }, 'The suspend was to be called off, but the guest in domain 3 stays suspended: no'],
  ['ended', { domid: 3, ending: 'poweroff' }, 'The guest shut itself down.'],
  ['ended', { domid: 3, ending: 'reboot' }, 'The guest requested a reboot.'],
  ['ended', { domid: 3, ending: 'crash' }, 'The guest crashed.'],
  ['ended', { domid: 3, ending: 'gone' }, /^Somebody else removed its domain/],
  ['destroyed', { domid: 3 }, 'Domain 3 was destroyed: its memory, claims and XenStore keys are released.'],
  ['node affinity', { domid: 3, asked: [1], stored: [1] }, 'Node affinity was requested for node 1; Xen now holds node 1.'],
  [
    'node affinity',
    { domid: 3, asked: 'all', stored: Array.from({ length: 64 }, (_, node) => node) },
    'All 64 node bits were requested as node affinity; Xen now holds every node.',
  ],
  [
    'pool',
    { domid: 3, pool: 1, nodeAffinityBefore: [0, 1], nodeAffinity: [1] },
    'Domain 3 was moved to CPU pool 1; its node affinity went from nodes 0-1 to node 1.',
  ],
  ['state not kept', { message: 'ENOSPC' }, /ENOSPC/],
  ['not cleaned up', { message: 'EIO' }, /EIO.*next operation tries again/],
  ['failed', { step: 'VM.build', message: 'no memory', errno: null }, 'It failed in VM.build: no memory'],
  ['failed', { step: 'xenguest', message: 'xenguest: no memory', errno: null }, 'It failed in xenguest: no memory'],
];

it.each(CASES)('%s %j', (topic, values, sentence) => {
  const record = new FlowRecord('any', [{ kind: 'note', topic, values } as FlowRecord['entries'][number]]);
  const text = explain(record).details.join('\n');
  if (typeof sentence === 'string') expect(text).toBe(sentence);
  else expect(text).toMatch(sentence);
});

it('every topic has a sentence and is tested here', () => {
  expect([...new Set(CASES.map(([topic]) => topic))].sort()).toEqual(Object.keys(NOTE_SCHEMAS).sort());
});
