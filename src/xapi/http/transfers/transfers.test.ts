// VMs' metadata as files: from one daemon to another, by xe and by plain HTTP; archives that are
// broken or hostile; and files that the daemon does not have.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { packTar } from 'modern-tar';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { vmRecord } from '../../../../test/support/daemon.js';
import { checkedXe, type XeHost, xeHost } from '../../../../test/support/xe-host.js';
import { MOST_ARCHIVE_BYTES, writeOva } from '../../calls/archive/ova.js';
import { structOf, type Wire, type WireStruct } from '../../wire/values.js';

import { MOST_DROPPED_BYTES } from './refuse-upload.js';

let [from, to]: XeHost[] = [];
const folder = mkdtempSync(join(tmpdir(), 'xennuma-archive-'));
let files = 0;
const newFile = (): string => join(folder, String(++files));
beforeAll(async () => {
  [from, to] = [await xeHost(), await xeHost()];
});
afterAll(async () => {
  await Promise.all([from!.close(), to!.close()]);
  rmSync(folder, { recursive: true });
});

interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** As `root`, by name and password. */
function http(host: XeHost, method: string, path: string, body?: Buffer, auth = 'root:secret'): Promise<Answer> {
  return new Promise((done, failed) => {
    const sent = request({ host: '127.0.0.1', port: host.port, method, path, auth, agent: false }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.once('end', () => done({ status: response.statusCode!, body: Buffer.concat(pieces), headers: response.headers }));
      response.once('error', failed);
    });
    sent.once('error', failed);
    sent.end(body);
  });
}

/** Of a client that reads only when it has sent everything, as simple ones do. */
function sendsFirst(host: XeHost, path: string, body: Buffer): Promise<string> {
  return new Promise((done) => {
    const head = `PUT ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic ${btoa('root:secret')}\r\ncontent-length: ${body.length}\r\n\r\n`;
    const socket = connect({ host: '127.0.0.1', port: host.port });
    socket.pause();
    const pieces: Buffer[] = [];
    let sent = false;
    socket.write(Buffer.concat([Buffer.from(head), body]), () => {
      sent = true;
      socket.on('data', (piece: Buffer) => pieces.push(piece)).resume();
    });
    socket.on('error', () => done('closed while it was sent'));
    socket.once('close', () => done(sent ? String(Buffer.concat(pieces)) : 'closed while it was sent'));
  });
}

const field = async (host: XeHost, ref: string, name: string): Promise<Wire> => host.ask(`VM.get_${name}`, ref);

/** Fields that an archive of metadata keeps. */
const KEPT = [
  ...['name_label', 'name_description', 'VCPUs_max', 'VCPUs_at_startup', 'VCPUs_params', 'memory_static_min', 'memory_static_max'],
  ...['memory_dynamic_min', 'memory_dynamic_max', 'platform', 'tags', 'domain_type', 'HVM_boot_params', 'xenstore_data', 'is_a_template'],
];

async function richVm(host: XeHost, name: string): Promise<string> {
  const ref = (await host.ask(
    'VM.create',
    vmRecord(name, {
      ...{ name_description: 'a <b> & "c" é', VCPUs_max: 4, VCPUs_at_startup: 3, VCPUs_params: { mask: '1,2', weight: '256' } },
      ...{ platform: { 'cores-per-socket': '2' }, tags: ['one', 'two, three'], memory_static_min: 2 ** 28 },
      ...{ other_config: { 'xennuma:numa_affinity_policy': 'best_effort', mine: '\n"' }, xenstore_data: { 'vm-data/a': 'b' } },
    }),
  )) as string;
  const [network] = (await host.ask('network.get_by_name_label', 'Pool-wide network associated with eth1')) as string[];
  const card = { VM: ref, network: network!, device: '0', MTU: 1500, MAC: '02:00:00:00:00:07', other_config: {} };
  await host.ask('VIF.create', { ...card, qos_algorithm_type: '', qos_algorithm_params: {} });
  const drive = { VM: ref, VDI: 'OpaqueRef:NULL', userdevice: '3', bootable: false, mode: 'RO', type: 'CD', empty: true, other_config: {} };
  await host.ask('VBD.create', { ...drive, qos_algorithm_type: '', qos_algorithm_params: {} });
  return ref;
}

describe('from one daemon to another', () => {
  it('a VM keeps its name, vCPUs, masks, memory, policy, settings and devices', async () => {
    const source = await richVm(from!, 'rich');
    const file = newFile();
    expect(await checkedXe(from!).xe('vm-export', 'vm=rich', `filename=${file}`, 'metadata=true')).toBe('Export succeeded');
    const uuid = await checkedXe(to!).xe('vm-import', `filename=${file}`, 'metadata=true');
    const copy = (await to!.ask('VM.get_by_uuid', uuid)) as string;
    for (const name of KEPT) expect([name, await field(to!, copy, name)]).toEqual([name, await field(from!, source, name)]);
    expect(await field(to!, copy, 'other_config')).toMatchObject({ 'xennuma:numa_affinity_policy': 'best_effort', mine: '\n"' });
    expect(await field(to!, copy, 'power_state')).toBe('Halted');
    // New identities: both VMs can run side by side.
    expect(uuid).not.toBe(await field(from!, source, 'uuid'));
    const seed = async (host: XeHost, ref: string) => ((await field(host, ref, 'other_config')) as WireStruct).mac_seed;
    expect(await seed(to!, copy)).not.toBe(await seed(from!, source));
    const [vif] = (await field(to!, copy, 'VIFs')) as string[];
    expect(await to!.ask('VIF.get_MAC', vif!)).not.toBe('02:00:00:00:00:07');
    const network = (await to!.ask('VIF.get_network', vif!)) as string;
    expect(await to!.ask('network.get_name_label', network)).toBe('Pool-wide network associated with eth1');
    const [vbd] = (await field(to!, copy, 'VBDs')) as string[];
    expect([await to!.ask('VBD.get_type', vbd!), await to!.ask('VBD.get_empty', vbd!), await to!.ask('VBD.get_userdevice', vbd!)]).toEqual([
      'CD',
      true,
      '3',
    ]);
    // It starts, on the nodes of its mask.
    await checkedXe(to!).xe('vm-start', `uuid=${uuid}`);
    await checkedXe(to!).xe('vm-shutdown', `uuid=${uuid}`, '--force');
  });

  it('preserve=true keeps the uuid, the seed and the addresses, and replaces a VM once', async () => {
    const source = await richVm(from!, 'kept');
    const uuid = (await field(from!, source, 'uuid')) as string;
    const file = newFile();
    await checkedXe(from!).xe('vm-export', `uuid=${uuid}`, `filename=${file}`, 'metadata=true');
    const words = ['vm-import', `filename=${file}`, 'metadata=true', 'preserve=true'];
    expect(await checkedXe(to!).xe(...words)).toBe(uuid);
    const copy = (await to!.ask('VM.get_by_uuid', uuid)) as string;
    expect(await field(to!, copy, 'version')).toBe(1);
    const [vif] = (await field(to!, copy, 'VIFs')) as string[];
    expect(await to!.ask('VIF.get_MAC', vif!)).toBe('02:00:00:00:00:07');
    expect(await checkedXe(to!).fails(...words)).toMatch(/existing_version: 1\nversion_to_import: 0$/);
    expect(await checkedXe(to!).xe(...words, 'force=true')).toBe(uuid);
    expect(await to!.ask('VM.get_by_uuid', uuid)).not.toBe(copy);
    const running = (await to!.ask('VM.get_by_uuid', uuid)) as string;
    await to!.ask('VM.start', running, false, false);
    expect(await checkedXe(to!).fails(...words)).toContain('expected: halted');
    expect(await field(to!, running, 'VIFs')).toHaveLength(1);
  });

  it('preserve=true leaves the VM as it was if an object of the archive cannot be made', async () => {
    const source = await richVm(to!, 'survivor');
    const [uuid, devices] = [(await field(to!, source, 'uuid')) as string, await field(to!, source, 'VIFs')];
    const record = { ...((await to!.ask('VM.get_record', source)) as WireStruct), version: 7 };
    const version = { xapi_major: 25, xapi_minor: 0 };
    const put = async (objects: Wire) => http(to!, 'PUT', '/import_metadata?restore=true', await writeOva({ version, objects }));
    const answer = await put([
      object('VM', 'Ref:0', record),
      object('network', 'Ref:1', { name_label: 'Pool-wide network associated with eth0' }),
      object('VIF', 'Ref:2', { VM: 'Ref:0', network: 'Ref:1', device: 'x' }),
    ]);
    expect(answer.body.toString()).toMatch(/INVALID_DEVICE x/);
    expect(await to!.ask('VM.get_by_uuid', uuid)).toBe(source);
    expect(await field(to!, source, 'VIFs')).toEqual(devices);
    expect(await field(to!, source, 'allowed_operations')).toContain('start');
    const twice = await put([object('VM', 'Ref:0', record), object('VM', 'Ref:1', record)]);
    expect(twice.body.toString()).toMatch(/^IMPORT_ERROR two VMs/);
    expect(await to!.ask('VM.get_by_uuid', uuid)).toBe(source);
  });

  it('a dry run makes nothing', async () => {
    const file = newFile();
    await checkedXe(from!).xe('vm-export', 'vm=db', `filename=${file}`, 'metadata=true');
    const before = await to!.ask('VM.get_all');
    expect(await checkedXe(to!).xe('vm-import', `filename=${file}`, 'metadata=true', 'dry-run=true')).toBe(
      'xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx',
    );
    expect(await to!.ask('VM.get_all')).toEqual(before);
  });

  it('templates and snapshots can be exported too', async () => {
    const [file, other] = [newFile(), newFile()];
    await checkedXe(from!).xe('template-export', 'template-uuid=<template>', `filename=${file}`, 'metadata=true');
    const uuid = await checkedXe(to!).xe('vm-import', `filename=${file}`, 'metadata=true');
    expect(await checkedXe(to!).xe('template-param-get', `uuid=${uuid}`, 'param-name=name-label')).toBe('template');
    const snapshot = await checkedXe(from!).xe('vm-snapshot', 'vm=db', 'new-name-label=before');
    await checkedXe(from!).xe('snapshot-export-to-template', `snapshot-uuid=${snapshot}`, `filename=${other}`, 'metadata=true');
    const again = await checkedXe(to!).xe('vm-import', `filename=${other}`, 'metadata=true');
    expect(await checkedXe(to!).xe('template-param-get', `uuid=${again}`, 'param-name=name-label')).toBe('before');
  });
});

describe('disks', () => {
  it('of a VM must be here; force=true imports it without them', async () => {
    const source = (await from!.ask('VM.create', vmRecord('disk'))) as string;
    const sr = (await from!.ask('SR.get_by_name_label', 'Local storage')) as string[];
    const disk = { name_label: 'd', SR: sr[0]!, virtual_size: 2 ** 30, type: 'user', sharable: false, read_only: false, other_config: {} };
    const vdi = (await from!.ask('VDI.create', disk)) as string;
    const drive = { VM: source, VDI: vdi, userdevice: '0', bootable: true, mode: 'RW', type: 'Disk', empty: false, other_config: {} };
    await from!.ask('VBD.create', { ...drive, qos_algorithm_type: '', qos_algorithm_params: {} });
    const file = newFile();
    await checkedXe(from!).xe('vm-export', 'vm=disk', `filename=${file}`, 'metadata=true');
    const words = ['vm-import', `filename=${file}`, 'metadata=true'];
    expect(await checkedXe(to!).fails(...words)).toContain('VDI_CONTENT_ID_MISSING');
    const uuid = await checkedXe(to!).xe(...words, 'force=true');
    expect(await field(to!, (await to!.ask('VM.get_by_uuid', uuid)) as string, 'VBDs')).toEqual([]);
    // On the host that has the disk, it is in both VMs.
    const here = await checkedXe(from!).xe(...words);
    const [vbd] = (await field(from!, (await from!.ask('VM.get_by_uuid', here)) as string, 'VBDs')) as string[];
    expect(await from!.ask('VBD.get_VDI', vbd!)).toBe(vdi);
  });
});

/** An archive around objects of a header. */
async function archive(objects: readonly unknown[], version = '25', name = 'ova.xml'): Promise<Buffer> {
  const xml = (value: unknown): string => {
    if (typeof value === 'boolean') return `<value><boolean>${Number(value)}</boolean></value>`;
    if (Array.isArray(value)) return `<value><array><data>${value.map(xml).join('')}</data></array></value>`;
    if (typeof value !== 'object') return `<value>${String(value)}</value>`;
    const members = Object.entries(value as object).map(([key, one]) => `<member><name>${key}</name>${xml(one)}</member>`);
    return `<value><struct>${members.join('')}</struct></value>`;
  };
  const body = xml({ version: { hostname: 'x', xapi_major: version, xapi_minor: 0, export_vsn: 2 }, objects });
  return Buffer.from(await packTar([{ header: { name, size: Buffer.byteLength(body) }, body }]));
}

const VM = { ...structOf(vmRecord('made')), uuid: '5a1c3c6e-8c3c-4f0e-8f2e-0d6f3a6b9d10', power_state: 'Halted' };
const object = (type: string, id: string, snapshot: WireStruct) => ({ class: type, id, snapshot });

describe('by plain HTTP', () => {
  it('an archive comes with its length, and is read again, also packed with gzip', async () => {
    const got = await http(from!, 'GET', `/export_metadata?uuid=${from!.uuids.db}`);
    expect([got.status, got.headers['content-type'], Number(got.headers['content-length'])]).toEqual([
      200,
      'application/octet-stream',
      got.body.length,
    ]);
    // A tar whose first file is ova.xml.
    expect(got.body.toString('latin1', 0, 7)).toBe('ova.xml');
    for (const body of [got.body, gzipSync(got.body)]) {
      const put = await http(to!, 'PUT', '/import_metadata', body);
      expect([put.status, put.body.toString()]).toEqual([200, expect.stringMatching(/^OpaqueRef:[0-9a-f-]{36}\n$/)]);
    }
  });

  it('answers with the codes of xapi to archives that it does not take', async () => {
    const put = async (body: Buffer): Promise<string> => (await http(to!, 'PUT', '/import_metadata', body)).body.toString().trim();
    const good = await archive([object('VM', 'Ref:0', VM)]);
    expect(await put(good)).toMatch(/^OpaqueRef:/);
    const vms = await to!.ask('VM.get_all');
    expect(await put(Buffer.alloc(0))).toBe('IMPORT_ERROR_PREMATURE_EOF');
    expect(await put(good.subarray(0, 700))).toBe('IMPORT_ERROR_PREMATURE_EOF');
    expect(await put(Buffer.alloc(2048, 'x'))).toMatch(/^IMPORT_ERROR /);
    expect(await put(await archive([], '25', 'disk.img'))).toBe('IMPORT_ERROR_UNEXPECTED_FILE ova.xml disk.img');
    expect(await put(await archive([object('VM', 'Ref:0', VM)], '2000'))).toBe('IMPORT_INCOMPATIBLE_VERSION');
    expect(await put(await archive([object('VM', 'Ref:0', VM), object('VM', 'Ref:0', VM)]))).toMatch(/^IMPORT_ERROR two objects/);
    expect(await put(await archive([{ class: 'VM' }]))).toMatch(/^IMPORT_ERROR object 0/);
    expect(await put(await archive(Array.from({ length: 2001 }, (_, id) => object('VM', `Ref:${id}`, {}))))).toMatch(
      /^IMPORT_ERROR .*2000 objects/,
    );
    expect(await put(await archive([object('VDI', 'Ref:0', { SR: 'Ref:9' })]))).toBe('IMPORT_ERROR_FAILED_TO_FIND_OBJECT Ref:9');
    expect(await put(await archive([object('VM', 'Ref:0', { ...VM, memory_static_max: 'much' })]))).toMatch(/^FIELD_TYPE_ERROR/);
    expect(await put(await archive([object('VM', 'Ref:0', { ...VM, VCPUs_max: 0 })]))).toMatch(/^[A-Z_]+ /);
    const doctype = Buffer.from(good.toString('latin1').replace('<value>', '<!DOCTYPE'), 'latin1');
    expect(await put(doctype)).toMatch(/^IMPORT_ERROR ova.xml: /);
    const deep = `<value>${'<array><data><value>'.repeat(40)}`;
    expect(await put(Buffer.from(await packTar([{ header: { name: 'ova.xml', size: deep.length }, body: deep }])))).toMatch(
      /^IMPORT_ERROR .*levels/,
    );
    expect(await put(gzipSync(Buffer.alloc(64 * MOST_ARCHIVE_BYTES)))).toMatch(/^IMPORT_ERROR the archive holds more/);
    expect(await put(gzipSync(good).subarray(0, 60))).toBe('IMPORT_ERROR_PREMATURE_EOF');
    expect(await put(Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0]))).toMatch(/^IMPORT_ERROR .*zstd/);
    // A second VM that cannot be made: the first one is not made either.
    expect(
      await put(
        await archive([
          object('VM', 'Ref:0', VM),
          object('VM', 'Ref:1', VM),
          object('VIF', 'Ref:2', { VM: 'Ref:1', network: 'Ref:3', device: 'x' }),
          object('network', 'Ref:3', { name_label: 'new' }),
        ]),
      ),
    ).toMatch(/INVALID_DEVICE x/);
    expect(await to!.ask('VM.get_all')).toEqual(vms);
    expect(await to!.ask('network.get_by_name_label', 'new')).toEqual([]);
  });

  it('an archive may be as long as the limit, and no longer', async () => {
    const good = await archive([object('VM', 'Ref:0', VM)]);
    const padded = (length: number) => Buffer.concat([good, Buffer.alloc(length - good.length)]);
    expect((await http(to!, 'PUT', '/import_metadata', padded(MOST_ARCHIVE_BYTES))).status).toBe(200);
    const refused = await http(to!, 'PUT', '/import_metadata', padded(MOST_ARCHIVE_BYTES + 1));
    expect(refused.body.toString()).toContain(`at most ${MOST_ARCHIVE_BYTES} bytes`);
    expect(to!.daemon.ledger.held('bytes')).toBe(0);
  });

  it('asks who it is, and refuses readers', async () => {
    const file = readFileSync('/dev/null');
    expect((await http(to!, 'PUT', '/import_metadata', file, 'root:wrong')).status).toBe(401);
    expect((await http(to!, 'GET', `/export_metadata?uuid=${to!.uuids.db}`, undefined, 'comma:sec,ret')).status).toBe(403);
    expect((await http(to!, 'GET', '/export_metadata?session_id=OpaqueRef:none', undefined)).status).toBe(401);
    const sessions = to!.daemon.sessions.live().length;
    await http(to!, 'GET', `/export_metadata?uuid=${to!.uuids.db}`);
    expect(to!.daemon.sessions.live()).toHaveLength(sessions);
    expect((await http(to!, 'GET', '/export_metadata?uuid=none')).status).toBe(404);
    expect((await http(to!, 'POST', '/export_metadata')).status).toBe(405);
  });

  it('a task of a client ends with the transfer, and only its own', async () => {
    const task = (await to!.ask('task.create', 'export', '')) as string;
    const { status, headers } = await http(to!, 'GET', `/export_metadata?uuid=${to!.uuids.db}&task_id=${task}`);
    expect([status, headers['task-id'], await to!.ask('task.get_status', task)]).toEqual([200, task, 'success']);
    expect((await http(to!, 'GET', `/export_metadata?uuid=${to!.uuids.db}&task_id=${task}`)).status).toBe(404);
    const other = (await to!.ask('task.create', 'export', '')) as string;
    const refused = await http(to!, 'GET', `/export?task_id=${other}`, undefined, 'comma:sec,ret');
    expect([refused.status, await to!.ask('task.get_status', other)]).toEqual([404, 'pending']);
    const put = await http(to!, 'PUT', `/import_metadata?task_id=${other}`, Buffer.alloc(512));
    expect([put.status, await to!.ask('task.get_status', other)]).toEqual([200, 'failure']);
    expect(await to!.ask('task.get_error_info', other)).toEqual(['IMPORT_ERROR', 'the file is no tar archive']);
  });
});

describe('what the daemon does not have', () => {
  it.each([
    ['as long as what is read of it', MOST_DROPPED_BYTES],
    ['of a few bytes', 9],
  ])('a client that sends a file %s before it reads gets the answer', async (_length, bytes) => {
    const path = `/import_raw_vdi?format=raw&task_id=${(await to!.ask('task.create', 'import', '')) as string}`;
    const answer = await sendsFirst(to!, path, Buffer.alloc(bytes));
    expect(answer).toMatch(/^HTTP\/1.1 501 .*NOT_IMPLEMENTED \/import_raw_vdi\n$/s);
    const failed = (await to!.ask('task.get_all_records_where', 'field "name__label" = "import"')) as Record<string, WireStruct>;
    expect(Object.values(failed).map(({ status }) => status)).not.toContain('pending');
  });

  it('no more of a refused file is read than the limit', async () => {
    expect(await sendsFirst(to!, '/import_raw_vdi', Buffer.alloc(4 * MOST_DROPPED_BYTES))).toBe('closed while it was sent');
  });

  it.each([
    ['vm-export uuid=<db>', '/export'],
    ['vm-import', '/import'],
    ['vdi-export uuid=<vdi>', '/export_raw_vdi'],
    ['vdi-import uuid=<vdi>', '/import_raw_vdi'],
    ['pool-dump-database', '/pool/xmldbdump'],
    ['host-backup', '/host_backup'],
    ['audit-log-get', '/audit_log'],
  ])('xe %s is refused with the path', async (command, path) => {
    const disk = { name_label: 'c', SR: ((await to!.ask('SR.get_by_name_label', 'Local storage')) as string[])[0]!, virtual_size: 2 ** 21 };
    const vdi = (await to!.ask('VDI.create', { ...disk, type: 'user', sharable: false, read_only: false, other_config: {} })) as string;
    const file = newFile();
    if (/import/.test(command)) writeFileSync(file, 'x');
    const words = command.replace('<vdi>', (await to!.ask('VDI.get_uuid', vdi)) as string).split(' ');
    const key = /database|backup/.test(command) ? 'file-name' : 'filename';
    expect(await checkedXe(to!).fails(...words, `${key}=${file}`)).toBe(`The function is not implemented\nfunction: ${path}`);
    expect(await to!.ask('task.get_all_records_where', 'field "status" = "pending"')).toEqual({});
  });

  it('a file that is there already, or is not there, is the client’s own failure', async () => {
    const file = newFile();
    writeFileSync(file, 'mine');
    expect(await checkedXe(to!).fails('vm-export', 'uuid=<db>', `filename=${file}`, 'metadata=true')).toMatch(
      /^Operation failed. Error: EEXIST/,
    );
    expect(readFileSync(file, 'utf8')).toBe('mine');
    expect(await checkedXe(to!).fails('vm-import', `filename=${newFile()}`, 'metadata=true')).toMatch(/^Operation failed. Error: ENOENT/);
  });
});
