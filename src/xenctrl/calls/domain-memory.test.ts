// Debug key 'u' and the console ring behind it: with other text in the ring, after any number of
// wraps, and with other readers.

import { describe, expect, test } from 'vitest';
import { HYPERCALL, SYSCTL } from '../../abi/commands.js';
import { READCONSOLE_AT, SYSCTL_AT } from '../../abi/layout.js';
import { writeU64 } from '../../abi/u64.js';
import { GIB } from '../../base/units.js';
import { machineFromHost } from '../../xen/state/machine.js';
import type { HypercallBuffer, HypercallDoor } from '../doors/door.js';
import { EmbeddedDoor } from '../doors/embedded-door.js';
import { openXenctrl } from '../open-xenctrl.js';
import type { Xenctrl } from '../xenctrl.js';
import { parseNumaDump } from './numa-dump.js';

const UUID = new Uint8Array(16);

describe('the dump as text', () => {
  const old = [
    "(XEN) 'u' pressed -> dumping numa info (now = 13204581953)",
    '(XEN) NODE0 start->0 size->524288 free->1068',
    '(XEN) NODE1 start->524288 size->524288 free->7000',
    '(XEN) CPU0...1 -> NODE0',
    '(XEN) Memory location of each domain:',
    '(XEN) Domain 0 (total: 262144):',
    '(XEN)     Node 0: 262144',
    '(XEN)     Node 1: 0',
    '(XEN) Domain 1 (total: 904310):',
    '(XEN)     Node 0: 491037',
    '(XEN)     Node 1: 413273',
  ];

  test('as 4.17 and older print it', () => {
    expect(parseNumaDump(old.join('\n'), 2)).toEqual([
      { domid: 0, totalPages: 262144, pagesByNode: [262144, 0] },
      { domid: 1, totalPages: 904310, pagesByNode: [491037, 413273] },
    ]);
  });

  test('as newer ones print it, with time stamps, carriage returns, virtual NUMA and other messages between', () => {
    const text = [
      '(XEN) [2025-02-27 10:11:12.123] Memory location of each domain:',
      '(XEN) [2025-02-27 10:11:12.123] d0 (total: 10):',
      '(XEN) [2025-02-27 10:11:12.123]     Node 0: 10',
      '(XEN) [2025-02-27 10:11:12.124] grant_table.c:803:d0v1 Bad flags (0) or dom (0)',
      '(d3) Node 1: 77',
      '(XEN) [2025-02-27 10:11:12.124] d7 (total: 30):',
      '(XEN) [2025-02-27 10:11:12.124]     Node 2: 30',
      '(XEN) [2025-02-27 10:11:12.124]      2 vnodes, 2 vcpus, guest physical layout:',
      '(XEN) [2025-02-27 10:11:12.124]          0: pnode  0, vcpus 0 ',
      '(XEN) [2025-02-27 10:11:12.124]             0000000000000000 - 0000000040000000',
    ].join('\r\n');
    expect(parseNumaDump(text, 2)).toEqual([
      { domid: 0, totalPages: 10, pagesByNode: [10, 0] },
      { domid: 7, totalPages: 30, pagesByNode: [0, 0, 30] },
    ]);
  });

  test('only the last dump counts; without one there is no answer', () => {
    const newer = ['(XEN) Memory location of each domain:', '(XEN) Domain 0 (total: 1):', '(XEN)     Node 0: 1'];
    expect(parseNumaDump([...old, ...newer].join('\n'), 1)).toEqual([{ domid: 0, totalPages: 1, pagesByNode: [1] }]);
    expect(parseNumaDump(old.slice(5).join('\n'), 2)).toBeNull();
    expect(parseNumaDump('', 2)).toBeNull();
    expect(parseNumaDump('(XEN) Memory location of each domain:', 2)).toEqual([]);
  });
});

function embedded(nodes = 2, version = '4.17'): EmbeddedDoor {
  const indices = Array.from({ length: nodes }, (_, node) => node);
  return new EmbeddedDoor(
    machineFromHost(
      {
        name: 'test',
        source: 'test',
        nodes: indices.map((id) => ({ id, memoryBytes: GIB, freeBytes: GIB / 2 })),
        cpus: indices.map((id) => ({ id, node: id, core: id, socket: 0 })),
        distances: indices.map((i) => indices.map((j) => (i === j ? 10 : 20))),
        notes: [],
      },
      { version },
    ),
  );
}

/** The door with nothing but hypercalls; `after` runs when one was made. */
function bare(door: EmbeddedDoor, after: (op: number, structure: DataView | undefined) => void = () => {}): HypercallDoor {
  const buffers = new Map<number, HypercallBuffer>();
  return {
    name: 'bare',
    allocBuffer(size) {
      const buffer = door.allocBuffer(size);
      buffers.set(buffer.address, buffer);
      return buffer;
    },
    freeBuffer: (buffer) => door.freeBuffer(buffer),
    hypercall(op, a1, a2, a3) {
      const result = door.hypercall(op, a1, a2, a3);
      after(op, buffers.get(a1)?.view);
      return result;
    },
    close: () => door.close(),
  };
}

function guests(xc: Xenctrl, count: number, pages: number): void {
  for (let i = 0; i < count; i++) {
    const domid = xc.domainCreate({ domid: 0, kind: 'pv', maxVcpus: 1, uuid: UUID });
    xc.domainMaxVcpus(domid, 1);
    xc.domainSetMaxmem(domid, 2 ** 20);
    xc.domainPopulatePhysmap(domid, { extents: pages, order: 0 });
  }
}

const truth = (door: EmbeddedDoor, xc: Xenctrl) =>
  xc.domainList().map(({ domid, totPages }) => ({ domid, totalPages: totPages, pagesByNode: door.inspect.pagesByNode(domid) }));

for (const version of ['4.13', '4.17', '4.18', '4.22']) {
  test(`${version}: the answer stays right while the ring wraps over and over`, () => {
    const door = embedded(2, version);
    const xc = openXenctrl(bare(door));
    for (let i = 0; i < 60; i++) {
      guests(xc, 1, 3 + i);
      expect(xc.domainMemory()).toEqual(truth(door, xc));
    }
  });
}

test('readers side by side do not disturb each other', () => {
  const door = embedded();
  const [first, second] = [openXenctrl(bare(door)), openXenctrl(bare(door))];
  guests(first, 5, 10);
  for (let i = 0; i < 5; i++) {
    expect(first.domainMemory()).toEqual(truth(door, first));
    expect(second.domainMemory()).toEqual(truth(door, first));
  }
});

test('somebody who clears the ring between the key and the reading: asked again', () => {
  const door = embedded();
  let clears = 2;
  const clear = door.allocBuffer(SYSCTL_AT.sizeBytes);
  const text = door.allocBuffer(65536);
  const xc = openXenctrl(
    bare(door, (op, structure) => {
      if (op !== HYPERCALL.sysctl || structure?.getUint32(SYSCTL_AT.cmd, true) !== SYSCTL.debug_keys || clears === 0) return;
      clears--;
      clear.view.setUint32(SYSCTL_AT.cmd, SYSCTL.readconsole, true);
      clear.view.setUint32(SYSCTL_AT.version, 0x15, true);
      clear.view.setUint8(SYSCTL_AT.union + READCONSOLE_AT.clear, 1);
      writeU64(clear.view, SYSCTL_AT.union + READCONSOLE_AT.buffer, text.address);
      clear.view.setUint32(SYSCTL_AT.union + READCONSOLE_AT.count, 65536, true);
      expect(door.hypercall(HYPERCALL.sysctl, clear.address)).toBe(0);
    }),
  );
  guests(xc, 2, 7);
  expect(xc.domainMemory()).toEqual(truth(door, xc));
  expect(clears).toBe(0);
});

test('a dump longer than the ring: the embedded door knows by itself, a real Xen is one clear error', () => {
  const door = embedded(8);
  const xc = openXenctrl(door);
  guests(xc, 200, 2);
  expect(xc.domainMemory()).toEqual(truth(door, xc));
  expect(() => openXenctrl(bare(door)).domainMemory()).toThrowError(
    "what debug key 'u' prints is longer than Xen's console ring (16384 bytes of it are left)",
  );
});
