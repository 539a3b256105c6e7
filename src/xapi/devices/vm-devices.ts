// The devices of a VM: their creation, and their changes when the VM starts, stops, is copied or
// destroyed (xapi_vbd.ml, xapi_vif_helpers.ml, xapi_vm_clone.ml and xapi_vm_lifecycle.ml of xen-api
// e2ee48d6).
import { createHash, randomUUID } from 'node:crypto';
import { kindOf } from '../life/vm-spec.js';
import type { ChangeKind, Database } from '../model/database.js';
import { NULL } from '../model/schema-types.js';
import { deviceErrors } from '../wire/device-errors.js';
import { xapiErrors } from '../wire/errors.js';
import { networkErrors } from '../wire/network-errors.js';
import type { Wire, WireStruct } from '../wire/values.js';
import { assertVbdAllows } from './allowed.js';
import { isAttached } from './allowed-storage.js';
import { copyDisk, destroyDisk, dropVbd, dropVif } from './disks.js';
import { createLinked, destroyLinked, updateLinked } from './links.js';
import { attachNetwork, isBondMember, pifsOn, refsOf } from './pifs.js';

type Fields = Readonly<Record<string, Wire>>;

export const MAC_SEED = 'mac_seed';

/** Number of a disk behind a name such as 3, xvdd or hdd; null = none of these. */
export function diskNumber(device: string): number | null {
  if (/^\d{1,3}$/.test(device)) return Number(device) <= 255 ? Number(device) : null;
  const letters = /^(?:xvd|hd|sd)([a-z]{1,2})$/.exec(device)?.[1];
  if (letters === undefined) return null;
  const number = [...letters].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 96, 0) - 1;
  return number <= 255 ? number : null;
}

/** "xvda" for 0, "xvdaa" for 26. */
export function diskName(number: number): string {
  const letter = (index: number) => String.fromCharCode(97 + index);
  return `xvd${number < 26 ? letter(number) : letter(Math.floor(number / 26) - 1) + letter(number % 26)}`;
}

export function freeVbdDevices(database: Database, vm: WireStruct): string[] {
  const used = new Set(
    refsOf(vm, 'VBDs').flatMap((vbd) => {
      const { device, userdevice } = database.get('VBD', vbd);
      return [diskNumber(device as string), diskNumber(userdevice as string)];
    }),
  );
  const most = vm.is_control_domain === true ? 255 : 254;
  return Array.from({ length: most + 1 }, (_, number) => number)
    .filter((number) => !used.has(number))
    .map(String);
}

export function freeVifDevices(database: Database, vm: WireStruct): string[] {
  const used = new Set(refsOf(vm, 'VIFs').map((vif) => database.get('VIF', vif).device));
  return Array.from({ length: 16 }, (_, number) => String(number)).filter((number) => !used.has(number));
}

/** @throws XapiError with the reason why xapi would not make it */
export function createVbd(database: Database, fields: Fields): string {
  const vm = database.get('VM', fields.VM as string);
  const isCd = fields.type === 'CD';
  const empty = fields.empty === true;
  if (fields.type === 'Floppy') throw xapiErrors.notImplemented("VBD of type 'floppy'");
  if (!empty) database.get('VDI', fields.VDI as string);
  if (!empty && ['ha_statefile', 'redo_log', 'cbt_metadata'].includes(database.get('VDI', fields.VDI as string).type as string)) {
    throw deviceErrors.vdiIncompatibleType(fields.VDI as string, String(database.get('VDI', fields.VDI as string).type));
  }
  if (isCd && fields.mode !== 'RO') throw deviceErrors.cdMustBeReadOnly();
  if (!isCd && empty) throw deviceErrors.notRemovable('in constructor');
  if (!empty && fields.mode === 'RW' && database.get('VDI', fields.VDI as string).read_only === true) {
    throw deviceErrors.vdiReadOnly(fields.VDI as string);
  }
  const requested = fields.userdevice as string;
  const free = freeVbdDevices(database, vm);
  const userdevice = requested === 'autodetect' ? free[0] : requested;
  const number = userdevice === undefined ? null : diskNumber(userdevice);
  if (userdevice === undefined || number === null) throw deviceErrors.invalidDevice(requested);
  if (!free.includes(String(number))) throw deviceErrors.deviceExists(userdevice);
  const suspended = vm.power_state === 'Suspended';
  return createLinked(database, 'VBD', {
    ...fields,
    ...(empty ? { VDI: NULL } : {}),
    userdevice,
    device: suspended ? fields.device! : '',
    currently_attached: suspended && fields.currently_attached === true,
    metrics: database.create('VBD_metrics', {}),
  });
}

/** A locally administered address from the VM's seed (gen_mac of xapi_vif_helpers.ml). */
export function macOf(device: number, seed: string): string {
  const md5 = (data: Buffer | string) => createHash('md5').update(data).digest();
  let first = md5(seed);
  for (let turn = 0; turn < device * 2; turn++) first = md5(first);
  const second = md5(first);
  const bytes = [(first[0]! | 2) & ~1, first[1]!, first[2]!, first[3]!, second[1]!, second[2]!];
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** @throws XapiError with the reason why xapi would not make it */
export function createVif(database: Database, fields: Fields): string {
  const vm = database.get('VM', fields.VM as string);
  database.get('network', fields.network as string);
  const device = fields.device as string;
  if (!/^\d{1,4}$/.test(device)) throw deviceErrors.invalidDevice(device);
  const seed = (vm.other_config as Readonly<Record<string, string>>)[MAC_SEED];
  const generated = fields.MAC === '' && seed !== undefined;
  const mac = generated ? macOf(Number(device), seed) : (fields.MAC as string);
  if (!/^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/.test(mac)) throw deviceErrors.macInvalid(mac);
  if (refsOf(vm, 'VIFs').some((vif) => Number(database.get('VIF', vif).device) === Number(device))) {
    throw deviceErrors.deviceExists(device);
  }
  return createLinked(database, 'VIF', {
    ...fields,
    MAC: mac,
    MAC_autogenerated: generated,
    currently_attached: vm.power_state === 'Suspended' && fields.currently_attached === true,
    metrics: database.create('VIF_metrics', {}),
  });
}

function disksIn(database: Database, vm: WireStruct): [string, WireStruct][] {
  const all = refsOf(vm, 'VBDs').map((vbd): [string, WireStruct] => [vbd, database.get('VBD', vbd)]);
  return all.filter(([, { empty }]) => empty !== true);
}

/** assert_can_see_SRs of xapi_vm_helpers.ml. @throws XapiError VM_REQUIRES_SR */
export function assertSeesStorage(database: Database, ref: string, host: string): void {
  for (const [, { VDI: vdi }] of disksIn(database, database.get('VM', ref))) {
    const sr = database.get('VDI', vdi as string).SR as string;
    if (!isAttached(database, database.get('SR', sr), host)) throw deviceErrors.vmRequiresSr(ref, sr);
  }
}

/**
 * A network with cards of hosts is on those hosts; one without is on the host where VMs use it
 * (assert_can_see_named_networks of xapi_network_attach_helpers.ml).
 * @throws XapiError VM_REQUIRES_NETWORK, HOST_CANNOT_ATTACH_NETWORK for one whose card is in a bond
 */
export function assertSeesNetworks(database: Database, ref: string, host: string): void {
  const networks = refsOf(database.get('VM', ref), 'VIFs').map((vif) => database.get('VIF', vif).network as string);
  for (const network of networks) if (!isSeen(database, network, host)) throw deviceErrors.vmRequiresNetwork(ref, network);
  for (const network of networks) assertAttachableOn(database, network, host);
}

function assertAttachableOn(database: Database, network: string, host: string): void {
  const inBond = pifsOn(database, network, host).some((pif) => isBondMember(database.get('PIF', pif)));
  if (inBond) throw networkErrors.hostCannotAttach(host, network);
}

/**
 * A VIF of a running VM, on another network of its host.
 * @throws XapiError HOST_CANNOT_ATTACH_NETWORK
 */
export function assertMovesToNetwork(database: Database, vif: string, network: string): void {
  const { VM: vm, currently_attached: attached } = database.get('VIF', vif);
  const { power_state: power, resident_on: host } = database.get('VM', String(vm));
  if (attached !== true || power === 'Suspended') return;
  if (!isSeen(database, network, String(host))) throw networkErrors.hostCannotAttach(String(host), network);
  assertAttachableOn(database, network, String(host));
}

function isSeen(database: Database, network: string, host: string): boolean {
  const record = database.get('network', network);
  const cards = refsOf(record, 'PIFs').map((pif) => database.get('PIF', pif).host);
  if (cards.length > 0) return cards.includes(host);
  if ((record.other_config as WireStruct).assume_network_is_shared === 'true' || record.managed !== true) return true;
  const users = refsOf(record, 'VIFs').map((vif) => database.get('VM', database.get('VIF', vif).VM as string));
  const hosts = users.filter(({ power_state: power }) => power === 'Running').map((vm) => vm.resident_on);
  return hosts.length === 0 || hosts.includes(host);
}

/**
 * Before the VM's domain is built.
 * @throws XapiError VDI_IN_USE, VDI_READONLY, DISK_VBD_MUST_BE_READWRITE_FOR_HVM
 */
export function assertDisksUsable(database: Database, ref: string): void {
  const vm = database.get('VM', ref);
  for (const [vbd, { currently_attached: attached, mode, type }] of disksIn(database, vm)) {
    if (attached !== true) assertVbdAllows(database, vbd, 'attach');
    if (mode === 'RO' && type !== 'CD' && kindOf(vm) === 'hvm') throw deviceErrors.diskMustBeWritable(vbd);
  }
}

/** After the VM's domain was built: its devices are in it, and it has a console. */
export function attachDevices(database: Database, ref: string, address: string, kind: ChangeKind): void {
  const vm = database.get('VM', ref);
  for (const vbd of refsOf(vm, 'VBDs')) {
    const number = diskNumber(database.get('VBD', vbd).userdevice as string);
    database.update('VBD', vbd, { currently_attached: true, device: number === null ? '' : diskName(number) }, kind);
  }
  for (const vif of refsOf(vm, 'VIFs')) {
    database.update('VIF', vif, { currently_attached: true }, kind);
    attachNetwork(database, String(database.get('VIF', vif).network), String(vm.resident_on), kind);
  }
  const protocol = kindOf(vm) === 'hvm' ? 'rfb' : 'vt100';
  if (refsOf(vm, 'consoles').length === 0) createConsole(database, ref, protocol, address, kind);
}

/** console.location of xapi_xenops.ml: a page of the host, by the console's own uuid. */
export function createConsole(database: Database, vm: string, protocol: 'rfb' | 'vt100', address: string, kind?: ChangeKind): void {
  const uuid = randomUUID();
  const location = `https://${address}/console?uuid=${uuid}`;
  createLinked(database, 'console', { VM: vm, protocol, location }, uuid, kind);
}

/** After the VM's domain is gone; one that is suspended keeps its devices. */
export function detachDevices(database: Database, ref: string, into: 'Halted' | 'Suspended', kind: ChangeKind): void {
  const vm = database.get('VM', ref);
  for (const console of refsOf(vm, 'consoles')) destroyLinked(database, 'console', console, kind);
  if (into === 'Suspended') return;
  for (const vbd of refsOf(vm, 'VBDs')) database.update('VBD', vbd, { currently_attached: false }, kind);
  for (const vif of refsOf(vm, 'VIFs')) database.update('VIF', vif, { currently_attached: false }, kind);
}

/** Removes the devices with the VM; its disks stay. */
export function dropDevices(database: Database, ref: string): void {
  const vm = database.get('VM', ref);
  for (const vbd of refsOf(vm, 'VBDs')) dropVbd(database, vbd);
  for (const vif of refsOf(vm, 'VIFs')) dropVif(database, vif);
  for (const console of refsOf(vm, 'consoles')) destroyLinked(database, 'console', console);
  for (const vtpm of refsOf(vm, 'VTPMs')) destroyLinked(database, 'VTPM', vtpm);
}

export interface CopyHow {
  readonly how: 'clone' | 'copy' | 'snapshot';
  /** SR of full copies; NULL = the SR of each disk. */
  readonly sr?: string;
  /** VM.snapshot leaves them out. */
  readonly ignored?: readonly string[];
  /** A snapshot keeps its VM's addresses anyway. */
  readonly keepsMacs?: true;
}

/** Fields that are not copied: the database sets them, or they belong to the new device. */
const OWN = ['uuid', 'allowed_operations', 'current_operations', 'metrics', 'VM', 'VDI'];

/** A disk of a VM as its copy gets it. @throws XapiError with the reason why one is not allowed */
function copiedDisk(database: Database, vbd: WireStruct, { how, sr }: CopyHow): string {
  if (vbd.empty === true) return NULL;
  // A CD is the same one.
  return vbd.type === 'CD' ? (vbd.VDI as string) : copyDisk(database, vbd.VDI as string, how, sr);
}

/** Disks of a VM that is to be copied, before the copy is made: refused ones leave nothing. */
export function copyDevices(database: Database, from: string, to: string, options: CopyHow): void {
  const vm = database.get('VM', from);
  const copy = database.get('VM', to);
  const suspended = copy.power_state === 'Suspended';
  const fieldsOf = (record: WireStruct) => {
    const fields = Object.fromEntries(Object.entries(record).filter(([name]) => !OWN.includes(name)));
    return { ...fields, VM: to, currently_attached: suspended && record.currently_attached === true };
  };
  for (const ref of refsOf(vm, 'VBDs')) {
    const vbd = database.get('VBD', ref);
    if (options.ignored?.includes(vbd.VDI as string) === true) continue;
    const vdi = copiedDisk(database, vbd, options);
    createLinked(database, 'VBD', { ...fieldsOf(vbd), VDI: vdi, empty: vdi === NULL, metrics: database.create('VBD_metrics', {}) });
  }
  const seed = (copy.other_config as Readonly<Record<string, string>>)[MAC_SEED];
  for (const ref of refsOf(vm, 'VIFs')) {
    const vif = database.get('VIF', ref);
    // A snapshot keeps its VM's addresses (copy of xapi_vif_helpers.ml).
    const renewed = options.how !== 'snapshot' && options.keepsMacs !== true && seed !== undefined;
    const mac = renewed ? { MAC: macOf(Number(vif.device), seed), MAC_autogenerated: true } : {};
    createLinked(database, 'VIF', { ...fieldsOf(vif), ...mac, metrics: database.create('VIF_metrics', {}) });
  }
  for (const ref of refsOf(vm, 'VTPMs')) {
    const { persistence_backend, is_unique } = database.get('VTPM', ref);
    createLinked(database, 'VTPM', { VM: to, persistence_backend: persistence_backend!, is_unique: is_unique! });
  }
}

/**
 * VM.revert: the VM gets copies of the snapshot's disks in place of its own, and the snapshot's
 * network cards (xapi_vm_snapshot.ml, revert_vbds).
 */
export function revertDevices(database: Database, vm: string, snapshot: string): void {
  const disksOf = (ref: string) =>
    refsOf(database.get('VM', ref), 'VBDs')
      .map((vbd) => database.get('VBD', vbd))
      .filter(({ type, empty }) => type !== 'CD' && empty !== true)
      .map(({ VDI: vdi }) => vdi as string);
  const originals = new Map(disksOf(snapshot).map((vdi) => [vdi, database.get('VDI', vdi).snapshot_of as string]));
  const siblings = new Map([...originals.values()].map((ref) => [ref, snapshotsOf(database, ref)]));
  const old = disksOf(vm).filter((vdi) => [...originals.values()].includes(vdi));
  for (const vbd of refsOf(database.get('VM', vm), 'VBDs')) dropVbd(database, vbd);
  for (const vif of refsOf(database.get('VM', vm), 'VIFs')) dropVif(database, vif);
  for (const vtpm of refsOf(database.get('VM', vm), 'VTPMs')) destroyLinked(database, 'VTPM', vtpm);
  for (const vdi of old) destroyDisk(database, vdi);
  copyDevices(database, snapshot, vm, { how: 'clone', keepsMacs: true });
  const created = disksOf(vm);
  [...originals.values()].forEach((original, index) => {
    for (const one of siblings.get(original) ?? []) updateLinked(database, 'VDI', one, { snapshot_of: created[index]! });
  });
}

function snapshotsOf(database: Database, vdi: string): readonly string[] {
  return database.has('VDI', vdi) ? refsOf(database.get('VDI', vdi), 'snapshots') : [];
}
