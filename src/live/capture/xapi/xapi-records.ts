// xapi's records of a host and its VMs, from the output of `xe` or from xapi's own database in a
// status report.
import type { InputText } from '../../../machine/readers/input-text.js';
import type { Listing } from '../listings.js';
import { looksLikeDatabase, readDatabase } from './xapi-database.js';
import type { XapiHost, XapiRecords, XapiVm } from './xapi-record-types.js';

export type { XapiHost, XapiRecords, XapiVm } from './xapi-record-types.js';

/** @param listings the answers of `xe` among the listings of those texts */
export function readXapiRecords(texts: readonly InputText[], listings: readonly Listing[]): XapiRecords {
  const databases = texts.flatMap(({ text }) => (looksLikeDatabase(text) ? [readDatabase(text)] : []));
  const parts = [...databases, ...listings.map(readListing)];
  return {
    hosts: merged(
      parts.flatMap(({ hosts }) => hosts),
      (before, after) => ({ ...before, ...after, software: after.software.size > 0 ? after.software : before.software }),
    ),
    vms: merged(
      parts.flatMap(({ vms }) => vms),
      joinedVms,
    ),
  };
}

/** A list of chosen fields may lack the name, where the VM runs, or the parameters of its vCPUs. */
function joinedVms(before: XapiVm, after: XapiVm): XapiVm {
  const { mask, paramsUnknown } = after.paramsUnknown === true ? before : after;
  const running = runningOfBoth(before.running, after.running);
  return {
    uuid: after.uuid,
    name: after.name === '' ? before.name : after.name,
    ...(mask === undefined ? {} : { mask }),
    ...(paramsUnknown === undefined ? {} : { paramsUnknown }),
    ...(running === undefined ? {} : { running }),
  };
}

/** A VM that was started again has another domain. */
function runningOfBoth(before: XapiVm['running'], after: XapiVm['running']): XapiVm['running'] {
  return before !== undefined && after !== undefined && before.domid === after.domid ? { ...before, ...after } : (after ?? before);
}

/** A record may be in several of them, with other fields; the later one counts. */
function merged<T extends { readonly uuid: string }>(records: readonly T[], join: (before: T, after: T) => T): T[] {
  const found = new Map<string, T>();
  for (const record of records) {
    const key = record.uuid.toLowerCase();
    const before = found.get(key);
    found.set(key, before === undefined ? record : join(before, record));
  }
  return [...found.values()];
}

const FIELD = /^\s*([A-Za-z][\w-]*) \( ?[SM]?R[OW]\)(?: \[DEPRECATED\])?\s*: ?(.*)$/;

/** Fields that only records of VMs have: with params=all, by default, or chosen. */
const FIELDS_OF_VMS = ['VCPUs-params', 'dom-id', 'power-state'];

/** `xe vm-list`, `xe host-list` and others: one "name ( RO): value" a line, the uuid first. */
function readListing({ lines }: Listing): XapiRecords {
  const hosts: XapiHost[] = [];
  const vms: XapiVm[] = [];
  let record = new Map<string, string>();
  const finish = () => {
    const uuid = record.get('uuid')?.trim();
    if (uuid !== undefined && /^[0-9a-f-]{36}$/i.test(uuid)) {
      if (record.has('software-version') || record.has('numa-affinity-policy')) hosts.push(hostOf(uuid, record));
      else if (FIELDS_OF_VMS.some((field) => record.has(field))) vms.push(vmOf(uuid, record));
    }
    record = new Map();
  };
  for (const { text } of lines) {
    const [, name, value] = FIELD.exec(text) ?? [];
    if (name === undefined) continue;
    if (record.has(name)) finish();
    record.set(name, value!);
  }
  finish();
  return { hosts, vms };
}

function hostOf(uuid: string, record: ReadonlyMap<string, string>): XapiHost {
  const hostname = record.get('hostname');
  const policy = record.get('numa-affinity-policy');
  return {
    uuid,
    name: record.get('name-label') ?? '',
    software: pairs(record.get('software-version') ?? ''),
    ...(hostname === undefined ? {} : { hostname }),
    ...(policy === undefined ? {} : { numaPolicy: policy }),
  };
}

/** The domain of a VM that runs, as far as the fields tell. */
function runningOf(record: ReadonlyMap<string, string>): Pick<XapiVm, 'running'> {
  const count = (key: string) => {
    const value = record.get(key)?.trim() ?? '';
    return /^\d{1,16}$/.test(value) ? Number(value) : undefined;
  };
  const domid = count('dom-id');
  if (domid === undefined) return {};
  // A list of chosen fields may have the one or the other.
  const [vcpus, memoryBytes] = [count('VCPUs-number') ?? count('VCPUs-at-startup') ?? count('VCPUs-max'), count('memory-actual')];
  const host = record.get('resident-on')?.trim();
  return {
    running: {
      domid,
      ...(vcpus === undefined ? {} : { vcpus }),
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
      ...(host === undefined || !/^[0-9a-f-]{36}$/i.test(host) ? {} : { hostUuid: host.toLowerCase() }),
    },
  };
}

/**
 * "mask: 1,2,3; weight: 256" as xe prints a map. A mask for each vCPU holds semicolons of its own,
 * without a colon after them.
 */
function pairs(text: string): Map<string, string> {
  const found = new Map<string, string>();
  let last: string | undefined;
  for (const part of text.split('; ')) {
    const match = /^([\w.-]+): (.*)$/s.exec(part);
    if (match !== null) {
      last = match[1]!;
      found.set(last, match[2]!);
    } else if (last !== undefined) found.set(last, `${found.get(last)}; ${part}`);
  }
  return found;
}

function vmOf(uuid: string, record: ReadonlyMap<string, string>): XapiVm {
  const params = record.get('VCPUs-params');
  const mask = params === undefined ? undefined : pairs(params).get('mask');
  return {
    uuid: uuid.toLowerCase(),
    name: record.get('name-label') ?? '',
    ...(mask === undefined ? {} : { mask }),
    ...(params === undefined ? { paramsUnknown: true as const } : {}),
    ...runningOf(record),
  };
}
