// xapi's database, as a status report has it twice: xapi-db.xml, from the file on the disk, and
// xapi-db-dumped.xml (ocaml/database/db_xml.ml).
import { SaxesParser } from 'saxes';
import type { XapiHost, XapiRecords, XapiVm } from './xapi-record-types.js';

export function looksLikeDatabase(text: string): boolean {
  return /^\s*(?:<\?xml[^>]*>\s*)?<database>/.test(text);
}

type Field = (key: string) => string;

/**
 * <table name="VM"><row ref="OpaqueRef:..." uuid="..." name__label="..."
 * VCPUs__params="(('mask'%.'1,2'))"/>. Of a database that was cut off, what was read stands.
 */
export function readDatabase(text: string): XapiRecords {
  const hosts: { readonly host: XapiHost; readonly ref: string }[] = [];
  const vms: { readonly vm: XapiVm; readonly of: Field }[] = [];
  let table = '';
  const parser = new SaxesParser();
  parser.on('opentag', ({ name, attributes }) => {
    const of = (key: string) => unprotected(attributes[key] ?? '');
    if (name === 'table') table = of('name');
    if (name !== 'row') return;
    if (table === 'VM' && of('is_a_template') !== 'true') vms.push({ vm: vmOf(of), of });
    if (table === 'host') hosts.push({ host: hostOf(of), ref: of('ref') });
  });
  try {
    parser.write(text).close();
  } catch {
    // Cut off.
  }
  const uuids = new Map(hosts.map(({ host, ref }) => [ref, host.uuid.toLowerCase()]));
  return {
    hosts: hosts.map(({ host }) => host),
    // The table of hosts may come after that of VMs.
    vms: vms.map(({ vm, of }) => ({ ...vm, ...runningOf(of, uuids.get(of('resident_on'))) })),
  };
}

function hostOf(of: Field): XapiHost {
  const [hostname, policy] = [of('hostname'), of('numa_affinity_policy')];
  return {
    uuid: of('uuid'),
    name: of('name__label'),
    software: sexpPairs(of('software_version')),
    ...(hostname === '' ? {} : { hostname }),
    ...(policy === '' ? {} : { numaPolicy: policy }),
  };
}

function vmOf(of: Field): XapiVm {
  const mask = sexpPairs(of('VCPUs__params')).get('mask');
  return { uuid: of('uuid').toLowerCase(), name: of('name__label'), ...(mask === undefined ? {} : { mask }) };
}

/** xapi writes -1 for a VM without a domain. */
function runningOf(of: Field, hostUuid: string | undefined): Pick<XapiVm, 'running'> {
  const [domid, vcpus, memoryBytes] = ['domid', 'VCPUs__at_startup', 'memory__target'].map((key) =>
    /^\d{1,16}$/.test(of(key)) ? Number(of(key)) : undefined,
  );
  if (domid === undefined || hostUuid === undefined || of('power_state') !== 'Running') return {};
  return {
    running: { domid, hostUuid, ...(vcpus === undefined ? {} : { vcpus }), ...(memoryBytes ? { memoryBytes } : {}) },
  };
}

const PROTECTED: Readonly<Record<string, string>> = { '.': ' ', _: '  ', t: '\t', n: '\n', r: '\r', '%': '%' };

/** XML joins blanks in attributes, so xapi writes "%." for each (ocaml/database/xml_spaces.ml). */
function unprotected(text: string): string {
  return text.replace(/%([._tnr%])/g, (_, sign: string) => PROTECTED[sign]!);
}

/** (('mask' '1,2') ('weight' '256')), with backslash escapes. */
function sexpPairs(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, key, value] of text.matchAll(/\('((?:[^'\\]|\\.)*)'\s+'((?:[^'\\]|\\.)*)'\)/g)) {
    found.set(key!.replace(/\\(.)/g, '$1'), value!.replace(/\\(.)/g, '$1'));
  }
  return found;
}
