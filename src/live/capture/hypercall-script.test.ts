// The script's hypercalls on the embedded Xen: its Python gets the test's own ctypes, whose memory
// and calls are those of the embedded door.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { machine, vm, vmWithMask } from '../../../test/support/toolstack.js';
import { PAGE_BYTES } from '../../base/units.js';
import type { HypercallBuffer, HypercallDoor } from '../../xenctrl/doors/door.js';
import { embeddedHost } from '../../xenopsd/hosts/embedded-host.js';
import { createToolstack } from '../../xenopsd/life/toolstack.js';
import { readHypercalls } from './hypercall-answers.js';
import { HYPERCALL_SCRIPT } from './hypercall-script.js';
import { captureScript } from './script.js';

const CTYPES = `import os, json
requests, replies = os.fdopen(3, "w"), os.fdopen(4)
def ask(*words):
    requests.write(json.dumps(words) + "\\n")
    requests.flush()
    return json.loads(replies.readline())
c_void_p = c_uint = c_uint64 = c_size_t = None
class Function:
    def __init__(self, work): self.work = work
    def __call__(self, *words): return self.work(*words)
class CDLL:
    def __init__(self, name, use_errno=False):
        assert name == "libxencall.so.1"
        self.xencall_open = Function(lambda logger, flags: 1)
        self.xencall_alloc_buffer = Function(lambda door, size: ask("alloc", size))
        self.xencall1 = Function(lambda door, number, a: ask("call", number, a, 0))
        self.xencall2 = Function(lambda door, number, a, b: ask("call", number, a, b))
def memset(address, value, size): ask("write", address, (bytes([value]) * size).hex())
def memmove(address, data, size): ask("write", address, data[:size].hex())
def string_at(address, size): return bytes.fromhex(ask("read", address, size))
`;

const folder = mkdtempSync(join(tmpdir(), 'xennuma-hypercalls-'));
beforeAll(() => writeFileSync(join(folder, 'ctypes.py'), CTYPES));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The script's output, with its hypercalls made through the door. */
async function runOn(door: HypercallDoor): Promise<{ out: string; err: string; status: number | null }> {
  const child = spawn('python3', ['-c', HYPERCALL_SCRIPT], {
    env: { ...process.env, PYTHONPATH: folder },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
  });
  const buffers: HypercallBuffer[] = [];
  const at = (address: number, size: number): Uint8Array => {
    const found = buffers.find((one) => address >= one.address && address + size <= one.address + one.bytes.length);
    if (found === undefined) throw new Error(`the script touches memory that is not its own: ${address}, ${size} bytes`);
    return found.bytes.subarray(address - found.address, address - found.address + size);
  };
  const handlers: Record<string, (...words: never[]) => unknown> = {
    alloc: (size: number) => {
      const buffer = door.allocBuffer(size);
      buffers.push(buffer);
      return buffer.address;
    },
    write: (address: number, hex: string) => at(address, hex.length / 2).set(Buffer.from(hex, 'hex')),
    read: (address: number, size: number) => Buffer.from(at(address, size)).toString('hex'),
    call: (number: number, a: number, b: number) => door.hypercall(number, a, b),
  };
  createInterface({ input: child.stdio[3] as Readable }).on('line', (line) => {
    const [word, ...rest] = JSON.parse(line) as [string, ...never[]];
    (child.stdio[4] as Writable).write(`${JSON.stringify(handlers[word]!(...rest) ?? null)}\n`);
  });
  let [out, err] = ['', ''];
  child.stdout!.on('data', (chunk: Buffer) => {
    out += String(chunk);
  });
  child.stderr!.on('data', (chunk: Buffer) => {
    err += String(chunk);
  });
  return new Promise((done) => child.once('close', (status) => done({ out, err, status })));
}

const python = spawnSync('python3', ['--version']).status === 0;

describe.runIf(python)('the script', { timeout: 240_000 }, () => {
  it.each(['4.13', '4.15', '4.16', '4.17', '4.18', '4.22'])('reads from Xen %s what the typed calls read', async (xenVersion) => {
    const doors = await embeddedHost(machine([2048, 2048, 1024], 3), { profile: 'xapi-25.6', xenVersion });
    const toolstack = await createToolstack(doors, { profile: 'xapi-25.6', policy: 'best_effort', seed: 1 });
    for (const spec of [vm('a', 2, 512), vmWithMask('b', 3, 256, '1,2,8'), vm('c', 4, 128, { vcpusAtStartup: 2 })]) {
      await toolstack.add(spec);
      expect((await toolstack.start(spec.name)).failure).toBeNull();
    }
    await toolstack.pin('c', 'all', { soft: [0, 4, 8] });
    const { xc } = toolstack.doors;
    const { out, err, status } = await runOn(xc.door);
    expect({ err, status }).toEqual({ err: '', status: 0 });
    const answers = readHypercalls(out.trim())!;
    expect(answers.freeBytes).toEqual(xc.numaInfo().nodes.map(({ freeBytes }) => freeBytes));
    expect(answers.spanBytes).toEqual(xc.numaInfo().nodes.map(({ sizeBytes }) => sizeBytes));
    expect(answers.totalBytes).toBe(xc.physInfo().totalPages * PAGE_BYTES);
    expect(answers.cpuBits).toBe(9);
    expect([...answers.domains.keys()]).toEqual(xc.domainList().map(({ domid }) => domid));
    for (const info of xc.domainList()) {
      const found = answers.domains.get(info.domid)!;
      expect({ ...found.info, uuid: info.uuid }).toEqual(info);
      expect(found.info.uuid.every((byte) => byte === 0)).toBe(true);
      expect(found.nodeAffinity).toEqual(xc.domainNodeGetAffinity(info.domid));
      expect(found.vcpus).toEqual(
        Array.from({ length: info.maxVcpuId + 1 }, (_, id) => ({
          id,
          online: xc.vcpuInfo(info.domid, id).online,
          ...xc.vcpuGetAffinity(info.domid, id),
        })),
      );
    }
  });

  it('ends without an answer where Xen refuses it', async () => {
    const { xc } = await embeddedHost(machine([1024], 1), { profile: 'xapi-25.6' });
    const refusing: HypercallDoor = {
      ...xc.door,
      allocBuffer: (size) => xc.door.allocBuffer(size),
      hypercall: (op, a) => (op === 17 ? xc.door.hypercall(op, a) : -13),
    };
    const { out, status } = await runOn(refusing);
    expect([out, status]).toEqual(['', 1]);
  });
});

it('fits in the quotes of the script of sh, which runs without a word where there is no Python', () => {
  expect(HYPERCALL_SCRIPT).not.toContain("'");
  const script = captureScript({ nonce: 'n', archive: false, memory: false });
  const bin = mkdtempSync(join(folder, 'bin-'));
  writeFileSync(join(bin, 'python3'), '#!/bin/sh\necho broken >&2; exit 1\n', { mode: 0o755 });
  const { stdout, stderr, status } = spawnSync('sh', ['-s'], { input: script, encoding: 'utf8', env: { PATH: `${bin}:/usr/bin:/bin` } });
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  expect(stdout).not.toContain('hypercalls');
  expect(stdout).toContain('end of capture');
});

it.each([
  ['not JSON', '{"hypercalls": 1, '],
  ['without its parts', '{"hypercalls": 1, "memory": "00"}'],
  [
    'with a mask that is not there',
    '{"hypercalls": 1, "memory": "", "distances": "", "topology": "000000000000000000000000", "masks": ["01"], "domains": [["' +
      '00'.repeat(104) +
      '", "0100000000000000", [[1, 0, 7]]]]}',
  ],
  [
    'with a record that is too short',
    '{"hypercalls": 1, "memory": "", "distances": "", "topology": "000000000000000000000000", "masks": ["01"], "domains": [["0000", "0100000000000000", []]]}',
  ],
])('an answer %s is none', (_, line) => expect(readHypercalls(line)).toBeNull());
