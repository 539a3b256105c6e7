// Xen's inside as far as it is visible: debug key 'u', and the boxes of the chart. Rules measured
// on a real Xen 4.17.7, in bytes through the door.
import { expect, test } from 'vitest';
import { bootedXen } from '../../../test/support/booted-xen.js';
import { SYSCTL } from '../../abi/commands.js';
import { EDGES, type EdgeId } from '../../flow/chart.js';
import { FlowRecord, NO_FLOW } from '../../flow/record.js';

test("debug key 'u' prints where the memory is, and the console ring holds it once read and cleared", () => {
  const { door, xen } = bootedXen();
  const domid = xen.guest();
  xen.setNodes(domid, [1]);
  xen.populate(domid, 7);
  const [free0, free1] = door.inspect.freePages();
  const keys = door.allocBuffer(1);
  keys.bytes[0] = 'u'.charCodeAt(0);
  const press = () =>
    xen.sysctl(SYSCTL.debug_keys, (view) => {
      view.setBigUint64(8, BigInt(keys.address), true);
      view.setUint32(16, 1, true);
    });
  const text = door.allocBuffer(65536);
  const read = () => {
    xen.sysctl(SYSCTL.readconsole, (view) => {
      view.setUint8(8, 1);
      view.setBigUint64(16, BigInt(text.address), true);
      view.setUint32(24, 65536, true);
    });
    return Buffer.from(text.bytes.subarray(0, xen.view.getUint32(24, true))).toString('latin1');
  };
  expect(press()).toBe(0);
  const lines = read().replaceAll('(XEN) ', '').split('\n');
  expect(lines).toContain(`NODE0 start->0 size->1048576 free->${free0}`);
  expect(lines).toContain(`NODE1 start->1048576 size->1048576 free->${free1}`);
  expect(lines).toContain('CPU4...7 -> NODE1');
  const at = lines.indexOf(`Domain ${domid} (total: 7):`);
  expect(lines.slice(at + 1, at + 3)).toEqual(['    Node 0: 0', '    Node 1: 7']);
  expect(read()).toBe('');
});

test("debug key 'u' prints a range of CPUs, or one alone (arch/x86/numa.c, dump_numa)", () => {
  const { door, xen } = bootedXen(2, 3, { cpus: [0, 0, 1, 0, 0, 1].map((node, core) => ({ node, core, socket: 0 })) });
  const [keys, text] = [door.allocBuffer(1), door.allocBuffer(65536)];
  keys.bytes[0] = 'u'.charCodeAt(0);
  xen.sysctl(SYSCTL.debug_keys, (view) => {
    view.setBigUint64(8, BigInt(keys.address), true);
    view.setUint32(16, 1, true);
  });
  xen.sysctl(SYSCTL.readconsole, (view) => {
    view.setBigUint64(16, BigInt(text.address), true);
    view.setUint32(24, 65536, true);
  });
  const lines = Buffer.from(text.bytes.subarray(0, xen.view.getUint32(24, true)))
    .toString('latin1')
    .split('\n');
  const cpus = lines.filter((line) => line.startsWith('(XEN) CPU')).map((line) => line.slice('(XEN) '.length));
  expect(cpus).toEqual(['CPU0...1 -> NODE0', 'CPU2 -> NODE1', 'CPU3...4 -> NODE0', 'CPU5 -> NODE1']);
});

test('a domctl is recorded with its number and name, one that Xen does not have without a name', () => {
  const { door, xen } = bootedXen();
  const domid = xen.guest(1);
  const record = new FlowRecord('names');
  door.inspect.setFlow(record);
  xen.nodes(domid);
  xen.domctl(9999, domid);
  const values = record.entries.flatMap((entry) => (entry.kind === 'node' && entry.node === 'do_domctl' ? [entry.values] : []));
  // XEN_DOMCTL_getnodeaffinity is 69 (public/domctl.h).
  expect(values).toEqual([
    { cmd: 69, command: 'getnodeaffinity', domid },
    { cmd: 9999, command: null, domid },
  ]);
});

test('every edge inside Xen is recorded, and nothing is without a sink', () => {
  const { door, xen } = bootedXen();
  const record = new FlowRecord('all of Xen');
  const domid = xen.guest(1);
  door.inspect.setFlow(record);
  xen.setAffinity(domid, 0, { soft: [0] });
  xen.setNodes(domid, [1]);
  xen.setNodes(
    domid,
    Array.from({ length: 64 }, (_, node) => node),
  );
  xen.nodes(domid);
  door.inspect.setFlow(NO_FLOW);
  const count = record.entries.length;
  xen.setNodes(domid, [1]);
  expect(record.entries).toHaveLength(count);
  const outside: EdgeId[] = [
    'XEN_VCPUAFFINITY_SOFT -> do_domctl',
    'XEN_VCPUAFFINITY_HARD -> do_domctl',
    'xc_domain_node_setaffinity -> do_domctl',
  ];
  const first = EDGES.findIndex((edge) => edge.from === 'domain_update_node_aff');
  const inside = EDGES.slice(first)
    .map((edge) => edge.id)
    .filter((id) => !outside.includes(id));
  expect([...record.edgesTaken()].sort()).toEqual([...inside].sort());
});
