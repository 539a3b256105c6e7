// xapi's records of a host and its VMs, from the output of `xe` or from xapi's own database in a
// status report.
import { SaxesParser } from 'saxes';
import type { InputText } from '../../machine/readers/input-text.js';

export interface XapiVm {
  readonly uuid: string;
  readonly name: string;
  /** VCPUs_params["mask"]. */
  readonly mask?: string;
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

export function readXapiRecords(texts: readonly InputText[]): XapiRecords {
  const parts = texts.map(({ text }) => (/^\s*(?:<\?xml[^>]*>\s*)?<database>/.test(text) ? readDatabase(text) : readListings(text)));
  return { hosts: parts.flatMap(({ hosts }) => hosts), vms: parts.flatMap(({ vms }) => vms) };
}

/** `xe vm-list`, `xe host-list`: one "name ( RO): value" a line, records divided by empty lines. */
function readListings(text: string): XapiRecords {
  const hosts: XapiHost[] = [];
  const vms: XapiVm[] = [];
  let record = new Map<string, string>();
  const finish = () => {
    const uuid = record.get('uuid');
    if (uuid !== undefined && /^[0-9a-f-]{36}$/i.test(uuid)) {
      const name = record.get('name-label') ?? '';
      const software = record.get('software-version');
      const policy = record.get('numa-affinity-policy');
      const params = record.get('VCPUs-params');
      if (software !== undefined || policy !== undefined) {
        const hostname = record.get('hostname');
        hosts.push({
          uuid,
          name,
          software: pairs(software ?? ''),
          ...(hostname === undefined ? {} : { hostname }),
          ...(policy === undefined ? {} : { numaPolicy: policy }),
        });
      } else if (params !== undefined) vms.push(vmOf(uuid, name, pairs(params)));
    }
    record = new Map();
  };
  for (const raw of text.split('\n')) {
    const line = raw.replace(/^[> \t]*/, '').trimEnd();
    const field = /^([A-Za-z-]+) \( ?(?:RO|RW|SRO|SRW|MRO|MRW)\)(?: \[DEPRECATED\])?\s*: ?(.*)$/.exec(line);
    if (field === null) {
      if (line === '' || line.startsWith('@@xennuma')) finish();
      continue;
    }
    if (field[1] === 'uuid' && record.has('uuid')) finish();
    record.set(field[1]!, field[2]!);
  }
  finish();
  return { hosts, vms };
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

function vmOf(uuid: string, name: string, params: ReadonlyMap<string, string>): XapiVm {
  const mask = params.get('mask');
  return { uuid: uuid.toLowerCase(), name, ...(mask === undefined ? {} : { mask }) };
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
