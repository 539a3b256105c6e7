// The storage and network of a new embedded host, as a host has them after its installation: SMs, a
// local SR, the SR of the guest tools, the networks of the cards and the host's own network
// (create_misc.ml, create_networks.ml and create_storage.ml of xen-api e2ee48d6).
import { randomUUID } from 'node:crypto';
import { MIB } from '../../base/units.js';
import type { Database } from '../model/database.js';
import type { HostObjects } from '../model/host-objects.js';
import type { PoolHosts } from '../model/pool-hosts.js';
import { structOf } from '../wire/values.js';
import { installCards } from './cards.js';
import { DRIVERS, SR_BYTES } from './drivers.js';
import { createLinked } from './links.js';
import { ensureTemplates } from './templates.js';
import { createConsole } from './vm-devices.js';

/**
 * What is missing is made; what an administrator changed stays.
 * @param added hosts that are new in the pool
 */
export function ensureFirstObjects(database: Database, objects: HostObjects, hosts: PoolHosts, added: readonly string[]): void {
  ensureTemplates(database);
  for (const [type, { label, description, features }] of Object.entries(DRIVERS)) ensureSm(database, type, label, description, features);
  if (database.count('SR') === 0) createStorage(database, objects);
  if (database.count('network') === 0) {
    installCards(database, objects.host);
    createInternalNetwork(database);
  }
  for (const host of added) if (host !== objects.host) equipHost(database, host);
  for (const { ref } of hosts.all) setAddress(database, ref);
}

/** A further host: its own storage, and its place in what all hosts share. */
function equipHost(database: Database, host: string): void {
  const local = createLocalStorage(database, host);
  database.update('host', host, { suspend_image_sr: local, crash_dump_sr: local });
  for (const [sr, { shared, PBDs: pbds }] of [...database.records('SR')]) {
    const [first] = pbds as readonly string[];
    if (shared !== true || first === undefined) continue;
    const { device_config } = database.get('PBD', first);
    createLinked(database, 'PBD', { host, SR: sr, device_config: device_config!, currently_attached: true });
  }
  installCards(database, host);
}

function ensureSm(database: Database, type: string, label: string, description: string, features: readonly string[]): void {
  if ([...database.records('SM')].some(([, sm]) => sm.type === type)) return;
  database.create('SM', {
    name_label: label,
    name_description: description,
    type,
    vendor: 'xennuma',
    version: '3.0',
    required_api_version: '2.0',
    capabilities: features,
    features: structOf(Object.fromEntries(features.map((feature) => [feature, 1]))),
  });
}

function createLocalStorage(database: Database, host: string): string {
  const local = database.create('SR', {
    name_label: 'Local storage',
    type: 'ext',
    content_type: 'user',
    physical_size: SR_BYTES,
    other_config: structOf({ 'i18n-key': 'local-storage', 'i18n-original-value-name_label': 'Local storage' }),
  });
  createLinked(database, 'PBD', { host, SR: local, device_config: structOf({ device: '/dev/embedded' }), currently_attached: true });
  return local;
}

function createStorage(database: Database, { host, pool }: HostObjects): void {
  const local = createLocalStorage(database, host);
  database.update('pool', pool, { default_SR: local, suspend_image_SR: local, crash_dump_SR: local });
  database.update('host', host, { suspend_image_sr: local, crash_dump_sr: local });
  const tools = database.create('SR', {
    name_label: 'XenServer Tools',
    name_description: 'XenServer Tools ISOs',
    type: 'iso',
    content_type: 'iso',
    shared: true,
    physical_size: -1,
    physical_utilisation: -1,
    is_tools_sr: true,
    other_config: structOf({ xenserver_tools_sr: 'true', 'i18n-key': 'xenserver-tools' }),
  });
  const device = structOf({ location: '/opt/xensource/packages/iso', legacy_mode: 'true' });
  createLinked(database, 'PBD', { host, SR: tools, device_config: device, currently_attached: true });
  const image = { name_label: 'guest-tools.iso', location: 'guest-tools.iso', type: 'user', virtual_size: 64 * MIB };
  createLinked(database, 'VDI', { ...image, SR: tools, read_only: true, managed: true, is_tools_iso: true }, randomUUID());
}

/** The host's own network. */
function createInternalNetwork(database: Database): void {
  database.create('network', {
    name_label: 'Host internal management network',
    name_description: 'Network on which guests will be assigned a private link-local IP address which can be used to talk XenAPI',
    bridge: 'xenapi',
    MTU: 1500,
    managed: true,
    other_config: structOf({
      is_guest_installer_network: 'true',
      is_host_internal_management_network: 'true',
      ip_begin: '169.254.0.1',
      ip_end: '169.254.255.254',
      netmask: '255.255.0.0',
    }),
  });
}

/** The daemon may listen elsewhere than before. */
function setAddress(database: Database, host: string): void {
  const { address, control_domain: control } = database.get('host', host);
  for (const [ref, pif] of database.records('PIF')) {
    if (pif.management === true && pif.host === host) database.update('PIF', ref, { IP: address! });
  }
  if (!database.has('VM', control as string)) return;
  if ((database.get('VM', control as string).consoles as readonly string[]).length > 0) return;
  for (const protocol of ['rfb', 'vt100'] as const) createConsole(database, control as string, protocol, String(address));
}
