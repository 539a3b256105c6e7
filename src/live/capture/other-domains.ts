// The domains of a host whose text has neither `xl list` nor `xl vcpu-list`: from `xl list -l`, or
// from xapi's records of its VMs.
import { MIB } from '../../base/units.js';
import { readUserdata } from '../userdata.js';
import type { Listing } from './listings.js';
import type { XapiRecords } from './xapi-records.js';
import type { ListedDomain } from './xl-tables.js';

/** The records that libxl keeps of domains, by domid: files of dom0, and `xl list -l`. */
export function userdataOf(listings: readonly Listing[]): Map<number, string> {
  const found = new Map<number, string>();
  for (const { kind, lines, domid } of listings) {
    const text = lines.map((line) => line.text).join('\n');
    if (kind === 'libxl userdata' && domid !== undefined && text.trim() !== '') found.set(domid, text);
    if (kind === 'xl list -l') for (const [id, one] of longList(text)) if (!found.has(id)) found.set(id, one);
  }
  return found;
}

/**
 * `xl list -l`: a list of {domid, config}; each config is the record that libxl keeps of the
 * domain.
 */
function longList(text: string): [number, string][] {
  try {
    const list = JSON.parse(text) as unknown;
    if (!Array.isArray(list)) return [];
    return list.flatMap((one: { domid?: unknown; config?: unknown }) =>
      typeof one?.domid === 'number' && typeof one.config === 'object' ? [[one.domid, JSON.stringify(one.config)] as [number, string]] : [],
    );
  } catch {
    // The JSON was cut in a paste; the tables have the rest.
    return [];
  }
}

/** @param hostname of the host, among those of a pool */
export function otherDomains(userdata: ReadonlyMap<number, string>, xapi: XapiRecords, hostname: string, notes: string[]): ListedDomain[] {
  const domains = userdata.size > 0 ? ofUserdata(userdata) : ofXapi(xapi, hostname, notes);
  return domains.sort((a, b) => a.domid - b.domid);
}

function ofUserdata(userdata: ReadonlyMap<number, string>): ListedDomain[] {
  return [...userdata].map(([domid, text]) => {
    const { name, vcpus = 0, memoryBytes = 0 } = readUserdata(text, `the record of domain ${domid}`);
    return domainOf(domid, name ?? (domid === 0 ? 'Domain-0' : `Domain-${domid}`), vcpus, memoryBytes);
  });
}

/**
 * The uuid of a listed domain by its number among the VMs of that host. A record with another name
 * is of another host or of another time.
 */
export function uuidInXapi(domid: number, name: string, xapi: XapiRecords, hostname: string): string | undefined {
  const { own } = runningHere(xapi, hostname);
  const found = new Set(own.filter((vm) => vm.domid === domid && vm.name === name).map(({ uuid }) => uuid));
  return found.size === 1 ? [...found][0] : undefined;
}

/** xapi's VMs that run on this host, as far as the records tell. */
function runningHere({ hosts, vms }: XapiRecords, hostname: string) {
  const running = vms.flatMap(({ uuid, name, running }) => (running === undefined ? [] : [{ uuid, name, ...running }]));
  const here = hosts.find((host) => host.hostname === hostname || host.name === hostname)?.uuid.toLowerCase();
  const several = new Set(running.map(({ hostUuid }) => hostUuid)).size > 1;
  return { several, own: several ? running.filter(({ hostUuid }) => hostUuid === here) : running };
}

function ofXapi(xapi: XapiRecords, hostname: string, notes: string[]): ListedDomain[] {
  const { several, own } = runningHere(xapi, hostname);
  if (several && own.length === 0) {
    notes.push(`The VMs of \`xe\` are on several hosts, and ${hostname} is none of them by its name: add \`xe host-list params=all\`.`);
  }
  return own.map(({ domid, name, uuid, vcpus = 0, memoryBytes = 0 }) => ({
    ...domainOf(domid, domid === 0 ? 'Domain-0' : name, vcpus, memoryBytes),
    uuid,
  }));
}

function domainOf(domid: number, name: string, vcpus: number, memoryBytes: number): ListedDomain {
  return { domid, name, memoryMib: Math.floor(memoryBytes / MIB), vcpus, state: 'running', crashed: false };
}
