// The data sources of network cards and disks: names, units and bounds of xapi's
// (xcp-rrdd/bin/rrdp-netdev/rrdp_netdev.ml and rrdp-iostat/rrdp_iostat.ml of xen-api e2ee48d6). The
// daemon's devices are records that carry no traffic, so all values are those of idle devices: 0.
import { refsOf } from '../devices/pifs.js';
import type { Database } from '../model/database.js';
import type { WireStruct } from '../wire/values.js';
import { type Reading, reading } from './readings.js';

const RATE = { type: 'DERIVE', counter: 0 } as const;
/** Rates of errors: recorded only once somebody asks for them. */
const ERROR_RATE = { ...RATE, standard: false } as const;
const COUNT = { type: 'ABSOLUTE' } as const;

/** Values never change, so devices of one name share their readings. */
const known = new Map<string, readonly Reading[]>();
const MOST_KNOWN = 20_000;

function once(name: string, make: () => readonly Reading[]): readonly Reading[] {
  let found = known.get(name);
  if (found === undefined) {
    if (known.size >= MOST_KNOWN) known.clear();
    found = make();
    known.set(name, found);
  }
  return found;
}

function cardSources(name: string, text: string): readonly Reading[] {
  return once(name, () => [
    reading(`${name}_rx`, `Bytes per second received on ${text}`, 'B/s', 0, RATE),
    reading(`${name}_tx`, `Bytes per second sent on ${text}`, 'B/s', 0, RATE),
    reading(`${name}_rx_errors`, `Receive errors per second on ${text}`, 'err/s', 0, ERROR_RATE),
    reading(`${name}_tx_errors`, `Transmit errors per second on ${text}`, 'err/s', 0, ERROR_RATE),
  ]);
}

const allCards = [
  reading('pif_aggr_rx', 'Bytes per second received on all physical interfaces', 'B/s', 0, RATE),
  reading('pif_aggr_tx', 'Bytes per second sent on all physical interfaces', 'B/s', 0, RATE),
];

/**
 * Of a disk, or of all the disks in an SR.
 * @param nameOf the name of a source with this key: vbd_xvda_KEY, KEY_12345678
 */
function diskSources(nameOf: (key: string) => string, text: string): readonly Reading[] {
  const latency = (way: string, key: string) => reading(nameOf(key), `${way} latency of ${text}, in microseconds`, 'μs', 0);
  return once(nameOf(''), () => [
    reading(nameOf('read'), `Reads from ${text}, in B/s`, 'B/s', 0, RATE),
    reading(nameOf('write'), `Writes to ${text}, in B/s`, 'B/s', 0, RATE),
    latency('Read', 'read_latency'),
    latency('Write', 'write_latency'),
    reading(nameOf('io_throughput_read'), `Data read from ${text}, in MiB/s`, 'MiB/s', 0, COUNT),
    reading(nameOf('io_throughput_write'), `Data written to ${text}, in MiB/s`, 'MiB/s', 0, COUNT),
    reading(nameOf('io_throughput_total'), `All I/O of ${text}, in MiB/s`, 'MiB/s', 0, COUNT),
    reading(nameOf('iops_read'), 'Read requests per second', 'requests/s', 0, COUNT),
    reading(nameOf('iops_write'), 'Write requests per second', 'requests/s', 0, COUNT),
    reading(nameOf('iops_total'), 'I/O requests per second', 'requests/s', 0, COUNT),
    reading(nameOf('iowait'), 'Time that all requests waited, per second', 's/s', 0, COUNT),
    reading(nameOf('inflight'), 'I/O requests under way', 'requests', 0),
    latency('Average I/O', 'latency'),
    reading(nameOf('avgqu_sz'), 'Average length of the I/O queue', 'requests', 0),
  ]);
}

/** The disks of a running VM that are plugged, CDs too; an empty drive has no disk. */
function pluggedDisks(database: Database, vm: WireStruct): WireStruct[] {
  const all = refsOf(vm, 'VBDs').map((vbd) => database.get('VBD', vbd));
  return all.filter(({ currently_attached: attached, empty }) => attached === true && empty !== true);
}

/** @param vm of a running VM */
export function vmDeviceReadings(database: Database, vm: WireStruct): Reading[] {
  const cards = refsOf(vm, 'VIFs').map((vif) => database.get('VIF', vif));
  return [
    ...cards
      .filter(({ currently_attached: attached }) => attached === true)
      .flatMap(({ device }) => cardSources(`vif_${Number(device)}`, `virtual interface ${Number(device)}`)),
    ...pluggedDisks(database, vm).flatMap(({ device }) => diskSources((key) => `vbd_${String(device)}_${key}`, `device ${String(device)}`)),
  ];
}

/**
 * The host's cards and bonds, and the SRs whose disks its VMs use; a host without cards has none
 * of their sum either. An SR is named by the first eight characters of its uuid, as in xapi.
 * @param vms that run on this host
 */
export function hostDeviceReadings(database: Database, host: string, vms: readonly WireStruct[]): Reading[] {
  const cards = refsOf(database.get('host', host), 'PIFs')
    .map((pif) => database.get('PIF', pif))
    .filter((pif) => pif.physical === true || refsOf(pif, 'bond_master_of').length > 0)
    .map(({ device }) => String(device));
  const disks = vms.flatMap((vm) => pluggedDisks(database, vm).map(({ VDI: vdi }) => String(vdi)));
  const srs = new Set(disks.map((vdi) => String(database.get('VDI', vdi).SR)));
  const names = [...srs].map((sr) => String(database.get('SR', sr).uuid).slice(0, 8)).sort();
  return [
    ...(cards.length === 0 ? [] : allCards),
    ...cards.flatMap((device) => cardSources(`pif_${device}`, `physical interface ${device}`)),
    ...names.flatMap((name) => diskSources((key) => `${key}_${name}`, `SR ${name}`)),
    ...(cards.length === 0 ? [] : lowMemory),
  ];
}

const lowMemory = [reading('Tapdisks_in_low_memory_mode', 'Number of tapdisks in low memory mode', 'count', 0, COUNT)];
