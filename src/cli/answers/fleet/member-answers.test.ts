// Answers of members, of any shape: another machine wrote them.
import { expect, it } from 'vitest';
import { askedVmsOf, driftedVmsOf, explainedVmOf } from './member-answers.js';

const vm = { name: 'db', domid: 3, vcpus: 2, memoryMib: [1024, 0] };
const drifted = { ...vm, remoteMib: 512, memoryNodes: [0], vcpuNodes: [1] };
const explained = { ...drifted, onOneNode: false };

it('an answer is read as it was written', () => {
  expect(askedVmsOf({ vms: [vm] })).toEqual([vm]);
  expect(driftedVmsOf({ host: 'x', vms: [drifted] })).toEqual([drifted]);
  expect(explainedVmOf({ vm: explained })).toEqual(explained);
});

it.each([null, 7, 'text', {}, { vms: null }, { vms: {} }, { vms: 'abc' }, { vms: [null] }, { error: 'x' }])(
  '%j is no list of VMs',
  (answer) => {
    expect(askedVmsOf(answer)).toBeNull();
    expect(driftedVmsOf(answer)).toBeNull();
  },
);

it.each([
  ['a name that is none', { name: 7 }],
  ['a name of 257 characters', { name: 'x'.repeat(257) }],
  ['a negative domid', { domid: -1 }],
  ['vCPUs as a text', { vcpus: '2' }],
  ['memory that is no list', { memoryMib: 1024 }],
  ['memory of 65 nodes', { memoryMib: new Array(65).fill(1) }],
  ['half a MiB', { memoryMib: [0.5] }],
  ['no remote memory', { remoteMib: undefined }],
  ['nodes that are no list', { memoryNodes: 0 }],
  ['nodes of vCPUs that are none', { vcpuNodes: ['a'] }],
])('a VM with %s makes the whole answer unreadable', (_, wrong) => {
  expect(driftedVmsOf({ vms: [drifted, { ...drifted, ...wrong }] })).toBeNull();
  expect(explainedVmOf({ vm: { ...explained, ...wrong } })).toBeNull();
});

it('a VM without a word on its place is none', () => {
  expect(explainedVmOf({ vm: { ...explained, onOneNode: 'yes' } })).toBeNull();
  expect(explainedVmOf({})).toBeNull();
});
