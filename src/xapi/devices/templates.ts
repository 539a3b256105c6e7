// The templates of a new embedded host, under the keys of a shipped template (other_config of the
// guest templates of a XenServer or XCP-ng host), and the disks that VM.provision creates from
// their `disks` key (xapi_templates.ml of xen-api e2ee48d6).
import { GIB, MIB } from '../../base/units.js';
import type { Database } from '../model/database.js';
import { XapiError, xapiErrors } from '../wire/errors.js';
import { newStruct, structOf, type Wire, type WireStruct } from '../wire/values.js';
import { createDisk } from './disks.js';
import { createVbd } from './vm-devices.js';

const DISKS = 'disks';
const POST_INSTALL = 'postinstall';

interface Template {
  readonly name: string;
  readonly description: string;
  readonly memoryBytes: number;
  readonly vcpus: number;
  readonly diskBytes: number | null;
  readonly more: Readonly<Record<string, string>>;
  readonly platform?: Readonly<Record<string, string>>;
}

const NETWORK_INSTALL = { linux_template: 'true', 'install-methods': 'cdrom,nfs,http,ftp' };

const TEMPLATES: readonly Template[] = [
  {
    name: 'Other install media',
    description: 'Template which allows VM installation from install media',
    memoryBytes: GIB,
    vcpus: 1,
    diskBytes: null,
    more: { 'install-methods': 'cdrom' },
  },
  {
    name: 'Debian Bookworm 12',
    description: 'Template for a Debian 12 VM',
    memoryBytes: 2 * GIB,
    vcpus: 1,
    diskBytes: 10 * GIB,
    more: { ...NETWORK_INSTALL, 'install-distro': 'debianlike', 'debian-release': 'bookworm' },
  },
  {
    name: 'Ubuntu Jammy Jellyfish 22.04',
    description: 'Template for an Ubuntu 22.04 VM',
    memoryBytes: 2 * GIB,
    vcpus: 1,
    diskBytes: 10 * GIB,
    more: { ...NETWORK_INSTALL, 'install-distro': 'debianlike', 'debian-release': 'jammy' },
  },
  {
    name: 'Rocky Linux 9',
    description: 'Template for a Rocky Linux 9 VM',
    memoryBytes: 2 * GIB,
    vcpus: 1,
    diskBytes: 10 * GIB,
    more: { ...NETWORK_INSTALL, 'install-distro': 'rhlike' },
  },
  {
    name: 'Windows Server 2022 (64-bit)',
    description: 'Template for a Windows Server 2022 VM',
    memoryBytes: 4 * GIB,
    vcpus: 2,
    diskBytes: 32 * GIB,
    more: { 'install-methods': 'cdrom' },
    platform: { viridian: 'true', 'cores-per-socket': '2', device_id: '0002' },
  },
];

/** Once; a host whose templates were made keeps what it has. */
export function ensureTemplates(database: Database): void {
  if ([...database.records('VM')].some(([, vm]) => vm.is_default_template === true)) return;
  for (const template of TEMPLATES) {
    const metrics = database.create('VM_metrics', { state: ['halted'] });
    database.create('VM', { ...recordOf(template), metrics });
  }
}

function recordOf({ name, description, memoryBytes, vcpus, diskBytes, more, platform }: Template): Record<string, Wire> {
  return {
    name_label: name,
    name_description: description,
    is_a_template: true,
    is_default_template: true,
    domain_type: 'hvm',
    memory_static_min: 512 * MIB,
    memory_dynamic_min: memoryBytes,
    memory_dynamic_max: memoryBytes,
    memory_static_max: memoryBytes,
    memory_target: memoryBytes,
    VCPUs_max: vcpus,
    VCPUs_at_startup: vcpus,
    actions_after_shutdown: 'destroy',
    actions_after_reboot: 'restart',
    actions_after_crash: 'restart',
    HVM_boot_policy: 'BIOS order',
    HVM_boot_params: structOf({ order: 'cdn', firmware: 'bios' }),
    platform: structOf({ acpi: '1', apic: 'true', nx: 'true', pae: 'true', hpet: 'true', vga: 'std', videoram: '8', ...platform }),
    recommendations: RECOMMENDATIONS,
    other_config: structOf({
      default_template: 'true',
      ...more,
      ...(diskBytes === null ? {} : { [DISKS]: provision(diskBytes) }),
    }),
    reference_label: name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, ''),
  };
}

const RECOMMENDATIONS =
  '<restrictions><restriction field="memory-static-max" max="1649267441664"/><restriction field="vcpus-max" max="32"/>' +
  '<restriction property="number-of-vbds" max="255"/><restriction property="number-of-vifs" max="7"/>' +
  '<restriction field="has-vendor-device" value="false"/></restrictions>';

function provision(bytes: number): string {
  return `<provision><disk bootable="true" device="0" sr="" size="${bytes}" type="system"/></provision>`;
}

interface DiskRequest {
  readonly device: string;
  readonly bytes: number;
  readonly sr: string;
  readonly bootable: boolean;
  readonly type: string;
}

const TYPES = ['system', 'user', 'ephemeral', 'suspend', 'crashdump'];

/** @throws XapiError INTERNAL_ERROR for a text that xapi does not read either */
export function disksOf(text: string): DiskRequest[] {
  const unreadable = () => xapiErrors.internal('Xapi_templates.Parse_failure');
  const inner = /^\s*(?:<\?xml[^>]*\?>\s*)?<provision\s*(?:\/>|>(.*)<\/provision>)\s*$/s.exec(text);
  if (inner === null) throw unreadable();
  const body = inner[1] ?? '';
  const elements = [...body.matchAll(/<disk\s([^<>]*?)\/?>(?:\s*<\/disk>)?/g)];
  if (elements.reduce((left, [whole]) => left.replace(whole, ''), body).trim() !== '') throw unreadable();
  return elements.map(([, attributes]) => {
    const values = new Map([...attributes!.matchAll(/([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)].map((one) => [one[1]!, one[2] ?? one[3]!]));
    const [device, size, sr, bootable] = ['device', 'size', 'sr', 'bootable'].map((name) => values.get(name));
    if (device === undefined || size === undefined || sr === undefined || bootable === undefined || !/^\d{1,15}$/.test(size)) {
      throw unreadable();
    }
    const type = values.get('type') ?? 'system';
    return { device, bytes: Number(size), sr, bootable: bootable === 'true', type: TYPES.includes(type) ? type : 'system' };
  });
}

/**
 * VM.provision: the VM is no longer a template, and gets the disks that its other_config requests.
 * @throws XapiError UUID_INVALID for an SR that does not exist, or why the SR refuses a disk
 */
export function provisionVm(database: Database, ref: string): void {
  const vm = database.get('VM', ref);
  const config = Object.assign(newStruct(), vm.other_config as WireStruct) as Record<string, string>;
  for (const disk of config[DISKS] === undefined ? [] : disksOf(config[DISKS])) {
    const sr = database.findUuid('SR', disk.sr);
    if (sr === null) throw new XapiError('UUID_INVALID', 'sr', disk.sr);
    const vdi = createDisk(database, {
      name_description: 'Created by template provisioner',
      SR: sr,
      virtual_size: disk.bytes,
      type: disk.type,
      sm_config: structOf({ vmhint: String(vm.uuid) }),
    });
    const vbd = createVbd(database, {
      VM: ref,
      VDI: vdi,
      userdevice: disk.device,
      bootable: disk.bootable,
      mode: 'RW',
      type: 'Disk',
      unpluggable: disk.type !== 'system',
      other_config: structOf({ owner: '' }),
    });
    database.update('VDI', vdi, { name_label: database.get('VBD', vbd).userdevice! });
  }
  delete config[DISKS];
  delete config[POST_INSTALL];
  database.update('VM', ref, { is_a_template: false, other_config: Object.freeze(config) });
}
