// xapi's records of a host and its VMs, from the output of `xe` or from xapi's own database in a
// status report.
import { SaxesParser } from 'saxes';
import type { InputText } from '../../machine/readers/input-text.js';
import type { Listing } from './listings.js';

export interface XapiVm {
  readonly uuid: string;
  readonly name: string;
  /** VCPUs_params["mask"]. */
  readonly mask?: string;
  /** For a running VM with a known domain. */
  readonly running?: { readonly domid: number; readonly vcpus?: number; readonly memoryBytes?: number; readonly hostUuid?: string };
}

export interface XapiHost {
  readonly uuid: string;
  readonly name: string;
  /** As the host calls itself; the same as `xl info` prints. */
  readonly hostname?: string;
  readonly numaPolicy?: string;
  /** software_version: product_version, xapi's own and others. */
  readonly software: ReadonlyMap<string, string>;
}

export interface XapiRecords {
  readonly hosts: readonly XapiHost[];
  readonly vms: readonly XapiVm[];
}

/** @param listings the answers of `xe` among the listings of those texts */
export function readXapiRecords(texts: readonly InputText[], listings: readonly Listing[]): XapiRecords {
  const databases = texts.flatMap(({ text }) => (/^\s*(?:<\?xml[^>]*>\s*)?<database>/.test(text) ? [readDatabase(text)] : []));
  const parts = [...databases, ...listings.map(readListing)];
  return { hosts: parts.flatMap(({ hosts }) => hosts), vms: parts.flatMap(({ vms }) => vms) };
}

const FIELD = /^\s*([A-Za-z][\w-]*) \( ?[SM]?R[OW]\)(?: \[DEPRECATED\])?\s*: ?(.*)$/;

/** `xe vm-list`, `xe host-list` and others: one "name ( RO): value" a line, the uuid first. */
function readListing({ lines }: Listing): XapiRecords {
  const hosts: XapiHost[] = [];
  const vms: XapiVm[] = [];
  let record = new Map<string, string>();
  const finish = () => {
    const uuid = record.get('uuid')?.trim();
    if (uuid !== undefined && /^[0-9a-f-]{36}$/i.test(uuid)) {
      if (record.has('software-version') || record.has('numa-affinity-policy')) hosts.push(hostOf(uuid, record));
      else if (record.has('VCPUs-params'))
        vms.push(vmOf(uuid, record.get('name-label') ?? '', pairs(record.get('VCPUs-params')!), runningOf(record)));
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

function vmOf(uuid: string, name: string, params: ReadonlyMap<string, string>, running: Pick<XapiVm, 'running'> = {}): XapiVm {
  const mask = params.get('mask');
  return { uuid: uuid.toLowerCase(), name, ...(mask === undefined ? {} : { mask }), ...running };
}

/**
 * xapi-db.xml: <table name="VM"><row uuid="..." name__label="..." VCPUs__params="(('mask'
 * '1,2'))"/> (ocaml/database/db_xml.ml).
 */
function readDatabase(text: string): XapiRecords {
  const hosts: XapiHost[] = [];
  const vms: XapiVm[] = [];
  let table = '';
  const parser = new SaxesParser();
  parser.on('opentag', ({ name, attributes }) => {
    const of = (key: string) => attributes[key] ?? '';
    if (name === 'table') table = of('name');
    if (name !== 'row') return;
    if (table === 'VM' && of('is_a_template') !== 'true') vms.push(vmOf(of('uuid'), of('name__label'), sexpPairs(of('VCPUs__params'))));
    if (table === 'host') {
      const policy = of('numa_affinity_policy');
      hosts.push({
        uuid: of('uuid'),
        name: of('name__label'),
        software: sexpPairs(of('software_version')),
        ...(of('hostname') === '' ? {} : { hostname: of('hostname') }),
        ...(policy === '' ? {} : { numaPolicy: policy }),
      });
    }
  });
  try {
    parser.write(text).close();
  } catch {
    // A database that was cut off: what was read stands.
  }
  return { hosts, vms };
}

/** (('mask' '1,2')('weight' '256')), with backslash escapes. */
function sexpPairs(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, key, value] of text.matchAll(/\('((?:[^'\\]|\\.)*)'\s+'((?:[^'\\]|\\.)*)'\)/g)) {
    found.set(key!.replace(/\\(.)/g, '$1'), value!.replace(/\\(.)/g, '$1'));
  }
  return found;
}
