// Files of a thin `xe`, which speaks the protocol as the real one does: it loads them for the host,
// and moves them over HTTP/1.0 of its own, where it sends nothing before it is answered (newcli.ml
// of xen-api e2ee48d6).
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, it } from 'vitest';
import { type TestDaemon, testDaemon, testFront, vmRecord } from '../../../test/support/daemon.js';
import { GREETING, int } from '../../../test/support/thin-cli.js';
import { MOST_LOADED_BYTES } from '../../xe/files/client-files.js';
import { thinCliOf } from './serve-thin-cli.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-thin-'));
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(() => rmSync(folder, { recursive: true }));

async function serving(): Promise<{ daemon: TestDaemon; port: number }> {
  const daemon = await testDaemon();
  const front = await testFront(daemon, { thinCli: thinCliOf(daemon) });
  ends.push(
    () => daemon.close(),
    () => front.close(),
  );
  return { daemon, port: front.port };
}

const message = (...parts: readonly Buffer[]): Buffer => {
  const payload = Buffer.concat(parts);
  return Buffer.concat([int(payload.length), payload]);
};
const [OK, FAILED, WAIT] = [message(int(10), int(5)), message(int(10), int(6)), message(int(10), int(18))];
const END = message(int(11), int(8));

/** Bytes of a socket as they are asked for. */
async function* bytesOf(socket: Socket): AsyncGenerator<Buffer, Buffer, number> {
  let held = Buffer.alloc(0);
  let wanted = yield held;
  for await (const piece of socket) {
    held = Buffer.concat([held, piece as Buffer]);
    while (held.length >= wanted) {
      const taken = held.subarray(0, wanted);
      held = held.subarray(wanted);
      wanted = yield taken;
    }
  }
  return held;
}

/** The head of an answer, before anything of the request's body is sent; then the rest. */
function transfer(port: number, head: string, body: Buffer | null): Promise<{ status: number; rest: Buffer }> {
  return new Promise((done, failed) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${head}\r\n\r\n`));
    let got = Buffer.alloc(0);
    let status = 0;
    socket.on('data', (piece) => {
      got = Buffer.concat([got, piece]);
      const at = got.indexOf('\r\n\r\n');
      if (at < 0 || status !== 0) return;
      status = Number(got.toString('latin1', 9, 12));
      if (body === null) return;
      if (status === 200) socket.write(body, () => done({ status, rest: Buffer.alloc(0) }));
      else done({ status, rest: Buffer.alloc(0) });
    });
    socket.once('error', failed);
    socket.once('end', () => done({ status, rest: got.subarray(got.indexOf('\r\n\r\n') + 4) }));
  });
}

interface Seen {
  out: string;
  error: string;
  codes: string[];
  exit: number | null;
}

/** As the real xe: one command, until it is told to exit. */
async function xe(port: number, ...words: readonly string[]): Promise<Seen> {
  const socket = connect(port, '127.0.0.1');
  const body = [...words, 'username=root', 'password=x'].join('\n');
  socket.write(`POST /cli HTTP/1.0\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  const bytes = bytesOf(socket);
  await bytes.next(0);
  const read = async (length: number): Promise<Buffer> => (await bytes.next(length)).value;
  expect(await read(GREETING.length)).toEqual(GREETING);
  socket.write(GREETING);
  const seen: Seen = { out: '', error: '', codes: [], exit: null };
  while (seen.exit === null) {
    const frame = await read((await read(4)).readInt32LE());
    const tag = frame.readInt32LE(4);
    const texts: string[] = [];
    for (let at = 8; tag !== 4 && tag !== 14 && at < frame.length; ) {
      const length = frame.readInt32LE(at);
      texts.push(frame.toString('utf8', at + 4, at + 4 + length));
      at += 4 + length;
    }
    const [name = '', path = ''] = texts;
    if (tag === 0) seen.out += `${name}\n`;
    else if (tag === 16) seen.error += name;
    else if (tag === 14) seen.codes.push(frame.toString('utf8', 12, 12 + frame.readInt32LE(8)));
    else if (tag === 4) seen.exit = frame.readInt32LE(8);
    else if (tag === 1) load(socket, name);
    else if (tag === 12) {
      const { status, rest } = await transfer(port, `GET ${path} HTTP/1.0`, null);
      if (status === 200) writeFileSync(name, rest);
      socket.write(Buffer.concat([WAIT, status === 200 ? OK : FAILED]));
    } else if (tag === 13) {
      const content = readFileSync(name);
      const { status } = await transfer(port, `PUT ${path} HTTP/1.0\r\nContent-length: ${content.length}`, content);
      socket.write(Buffer.concat([WAIT, WAIT, status === 200 ? OK : FAILED]));
    }
  }
  socket.destroy();
  return seen;
}

function load(socket: Socket, name: string): void {
  let content: Buffer;
  try {
    content = readFileSync(name);
  } catch {
    socket.write(FAILED);
    return;
  }
  socket.write(Buffer.concat([OK, message(int(11), int(7), int(content.length)), content, END]));
}

it('a VM goes from one daemon to another as a file of metadata', async () => {
  const [from, to] = [await serving(), await serving()];
  const vm = (await from.daemon.call('VM.create', vmRecord('web', { VCPUs_params: { mask: '1,2' } }))) as string;
  await from.daemon.call('VM.start', vm, false, false);
  const file = join(folder, 'web.xva');
  expect(await xe(from.port, 'vm-export', 'vm=web', `filename=${file}`, 'metadata=true')).toEqual({
    ...{ out: 'Export succeeded\n', error: '', codes: [], exit: 0 },
  });
  const { out, exit } = await xe(to.port, 'vm-import', `filename=${file}`, 'metadata=true');
  expect([out, exit]).toEqual([expect.stringMatching(/^[0-9a-f-]{36}\n$/), 0]);
  const copy = (await to.daemon.call('VM.get_by_uuid', out.trim())) as string;
  expect(await to.daemon.call('VM.get_VCPUs_params', copy)).toEqual({ mask: '1,2' });
  expect(await to.daemon.call('task.get_all')).toEqual([]);
});

it('a failure on the host is told by its code', async () => {
  const { daemon, port } = await serving();
  await daemon.call('VM.create', vmRecord('web'));
  const file = join(folder, 'none.xva');
  writeFileSync(file, Buffer.alloc(1024));
  expect((await xe(port, 'vm-import', `filename=${file}`, 'metadata=true')).error).toContain(
    'The VM could not be imported.\nmsg: the file is no tar',
  );
  const whole = await xe(port, 'vm-export', 'vm=web', `filename=${join(folder, 'whole.xva')}`);
  expect([whole.exit, whole.error]).toEqual([1, 'The function is not implemented\nfunction: /export\n']);
  expect(await daemon.call('task.get_all')).toEqual([]);
});

it('a file of the client is read whole, up to a limit', async () => {
  const { port } = await serving();
  const file = join(folder, 'certificate.pem');
  const install = () => xe(port, 'pool-install-ca-certificate', `filename=${file}`);
  writeFileSync(file, 'x'.repeat(MOST_LOADED_BYTES));
  expect((await install()).error).toBe('The function is not implemented\nfunction: pool.install_ca_certificate\n');
  writeFileSync(file, 'x'.repeat(MOST_LOADED_BYTES + 1));
  expect(await install()).toMatchObject({ exit: 1, error: 'Error: the file is longer than 64 KiB\n' });
  rmSync(file);
  expect(await install()).toMatchObject({ exit: 1, error: `Error: Failed to read certificate '${file}'\n` });
});
