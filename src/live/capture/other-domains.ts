// The domains of a host whose text has no `xl list`: from `xl list -l`, from list_domains, or from
// xapi's records of its VMs.
import { MIB } from '../../base/units.js';
import { readUserdata } from '../userdata.js';
import type { Listing } from './listings.js';
import type { NumberedDomain } from './xapi/list-domains.js';
import type { XapiRecords } from './xapi/xapi-records.js';
import type { ListedDomain, ListedVcpu } from './xl-tables.js';

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

export interface DomainSources {
  readonly userdata: ReadonlyMap<number, string>;
  readonly numbered: readonly NumberedDomain[];
  readonly xapi: XapiRecords;
  readonly vcpus: readonly ListedVcpu[];
  /** Of the host, among those of a pool. */
  readonly hostname: string;
}

/** Where `xl vcpu-list` lists the domains, only list_domains adds to it. */
export function otherDomains(sources: DomainSources, notes: string[]): ListedDomain[] {
  const { userdata, numbered, xapi, vcpus, hostname } = sources;
  const found = () => {
    if (vcpus.length > 0) return ofNumbers(sources);
    if (userdata.size > 0) return ofUserdata(userdata);
    return numbered.length > 0 ? ofNumbers(sources) : ofXapi(xapi, hostname, notes);
  };
  return found().sort((a, b) => a.domid - b.domid);
}

/** list_domains has no names: those of other listings, by number and by uuid. */
function ofNumbers({ numbered, xapi, vcpus }: DomainSources): ListedDomain[] {
  return numbered.map(({ domid, uuid, state, memoryMib = 0, vcpus: online = 0 }) => ({
    domid,
    name:
      vcpus.find((row) => row.domid === domid)?.name ??
      (domid === 0 ? 'Domain-0' : (xapi.vms.find((vm) => vm.uuid === uuid && vm.name !== '')?.name ?? `Domain-${domid}`)),
    memoryMib,
    vcpus: online,
    state,
    crashed: false,
    ...(uuid === undefined ? {} : { uuid }),
  }));
}

/** With uuids of list_domains, unless xapi has that VM by another name: its number was reused. */
export function withUuids(domains: readonly ListedDomain[], numbered: readonly NumberedDomain[], { vms }: XapiRecords): ListedDomain[] {
  return domains.map((domain) => {
    const uuid = numbered.find(({ domid }) => domid === domain.domid)?.uuid;
    const named = vms.find((vm) => vm.uuid === uuid && vm.name !== '')?.name;
    const isSame = named === undefined || named === domain.name || domain.domid === 0;
    return domain.uuid !== undefined || uuid === undefined || !isSame ? domain : { ...domain, uuid };
  });
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
