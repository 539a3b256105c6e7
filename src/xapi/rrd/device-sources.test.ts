// The data sources that clients look for, with the flags, types and bounds of xapi's
// (rrdp_cpu.ml, rrdp_netdev.ml, rrdp_iostat.ml and rrdp_squeezed.ml of xen-api e2ee48d6).
import { afterEach, describe, expect, it } from 'vitest';
import { type TestDaemon, testDaemon, vmRecord } from '../../../test/support/daemon.js';
import { xoLiteCharts } from '../../../test/support/rrd-clients.js';
import { GIB } from '../../base/units.js';
import type { WireFloat, WireStruct } from '../wire/values.js';
import { rrdXml, updatesJson, updatesOf } from './format.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Served {
  readonly daemon: TestDaemon;
  readonly host: string;
  readonly vm: { readonly ref: string; readonly uuid: string };
  readonly disk: { readonly vbd: string; readonly sr: string };
  readonly pass: (seconds: number) => void;
}

/** A VM with a disk, an empty CD drive and two network cards. */
async function served(): Promise<Served> {
  let nowMs = 1_800_000_000_000;
  const daemon = await testDaemon({ nowMs: () => nowMs });
  ends.push(() => daemon.close());
  const { call } = daemon;
  const ref = (await call('VM.create', vmRecord('web'))) as string;
  const pool = ((await call('pool.get_all')) as string[])[0]!;
  const sr = (await call('pool.get_default_SR', pool)) as string;
  const disk = { name_label: 'disk', SR: sr, virtual_size: GIB, type: 'user', sharable: false, read_only: false, other_config: {} };
  const vdi = (await call('VDI.create', disk)) as string;
  const device = {
    VM: ref,
    mode: 'RW',
    type: 'Disk',
    bootable: true,
    empty: false,
    other_config: {},
    qos_algorithm_type: '',
    qos_algorithm_params: {},
  };
  const vbd = (await call('VBD.create', { ...device, VDI: vdi, userdevice: '0' })) as string;
  await call('VBD.create', { ...device, VDI: 'OpaqueRef:NULL', userdevice: '3', mode: 'RO', type: 'CD', empty: true });
  const networks = (await call('network.get_all')) as string[];
  for (const number of ['0', '1']) {
    const card = {
      VM: ref,
      network: networks[0]!,
      device: number,
      MAC: '',
      MTU: 1500,
      other_config: {},
      qos_algorithm_type: '',
      qos_algorithm_params: {},
    };
    await call('VIF.create', { ...card, MAC: `02:00:00:00:00:0${number}` });
  }
  await call('VM.start', ref, false, false);
  return {
    daemon,
    host: (await call('host.get_uuid', daemon.objects.host)) as string,
    vm: { ref, uuid: (await call('VM.get_uuid', ref)) as string },
    disk: { vbd, sr: (await call('SR.get_uuid', sr)) as string },
    pass: (seconds) => {
      for (let i = 0; i < seconds / 5; i++) {
        nowMs += 5000;
        daemon.rrds.read();
      }
    },
  };
}

function updates({ daemon }: Served): string {
  const { hosts, vms } = daemon.rrds.current();
  return updatesJson(updatesOf([...hosts, ...vms.values()], { start: -30, interval: 5 })!);
}

type Source = Readonly<Record<'units' | 'name_description', string>> &
  Readonly<Record<'enabled' | 'standard', boolean>> &
  Readonly<Record<'min' | 'max', WireFloat>>;

async function sourcesOf({ call }: TestDaemon, type: 'VM' | 'host', ref: string): Promise<ReadonlyMap<string, Source>> {
  const all = (await call(`${type}.get_data_sources`, ref)) as WireStruct[];
  return new Map(all.map((one) => [one.name_label as string, one as unknown as Source]));
}

it('XO Lite draws the charts of an idle host and VM from them', async () => {
  const all = await served();
  all.pass(60);
  const charts = xoLiteCharts(updates(all), 5);
  const [host, vm] = [charts.get(all.host)!, charts.get(all.vm.uuid)!];
  const zeros = new Array<number>(7).fill(0);
  const cpus = Array.from({ length: 16 }, (_, cpu) => String(cpu));
  expect(Object.keys(host.cpus!)).toEqual(cpus);
  // Its chart of the pool's network takes the length of the first card's values.
  for (const way of ['pifs.rx', 'pifs.tx']) expect(host[way]).toEqual({ 0: zeros, 1: zeros, 2: zeros });
  const sr = all.disk.sr.slice(0, 8);
  for (const figure of ['iops.r', 'iops.w', 'ioThroughput.r', 'ioThroughput.w', 'latency.r', 'latency.w', 'iowait']) {
    expect([figure, host[figure]]).toEqual([figure, { [sr]: zeros }]);
  }
  expect(host.load).toEqual({ '': zeros });
  expect(Object.keys(vm.cpus!)).toEqual(['0', '1']);
  for (const way of ['vifs.rx', 'vifs.tx']) expect(vm[way]).toEqual({ 0: zeros, 1: zeros });
  const disks = [
    'xvds.r',
    'xvds.w',
    'iops.r',
    'iops.w',
    'iops.total',
    'vbdLatency.r',
    'vbdLatency.w',
    'vbdIowait',
    'vbdInflight',
    'vbdAvgquSz',
  ];
  for (const figure of disks) expect([figure, vm[figure]]).toEqual([figure, { a: zeros }]);
  expect(vm.memoryTarget).toEqual({ '': new Array<number>(7).fill(2 * GIB) });
});

it('have the units, bounds and flags of xapi', async () => {
  const { daemon, vm, disk, pass } = await served();
  pass(10);
  const [ofVm, ofHost] = [await sourcesOf(daemon, 'VM', vm.ref), await sourcesOf(daemon, 'host', daemon.objects.host)];
  const brief = (source: Source | undefined) => [source?.units, source?.min.value, source?.max.value, source?.standard, source?.enabled];
  const [most, least] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const sr = disk.sr.slice(0, 8);
  expect(
    [
      'cpu0',
      'cpu_avg',
      'loadavg',
      'hostload',
      'running_vcpus',
      'pif_eth0_rx',
      'pif_eth0_rx_errors',
      'pif_aggr_tx',
      `iops_total_${sr}`,
      `iowait_${sr}`,
    ].map((name) => brief(ofHost.get(name))),
  ).toEqual([
    ['(fraction)', 0, 1, true, true],
    ['(fraction)', 0, 1, true, true],
    ['(fraction)', least, most, true, true],
    ['(fraction)', 0, most, true, true],
    ['count', 0, most, true, true],
    ['B/s', 0, most, true, true],
    ['err/s', 0, most, false, false],
    ['B/s', 0, most, true, true],
    ['requests/s', 0, most, true, true],
    ['s/s', 0, most, true, true],
  ]);
  expect(
    ['cpu1', 'vif_1_tx', 'vif_1_tx_errors', 'vbd_xvda_read', 'vbd_xvda_latency', 'memory_target'].map((name) => brief(ofVm.get(name))),
  ).toEqual([
    ['(fraction)', 0, 1, true, true],
    ['B/s', 0, most, true, true],
    ['err/s', 0, most, false, false],
    ['B/s', 0, most, true, true],
    ['μs', 0, most, true, true],
    ['B', 0, most, true, true],
  ]);
  // An empty drive has no disk behind it.
  expect([...ofVm.keys()].filter((name) => name.includes('xvdd'))).toEqual([]);
});

it('those that are not recorded from the start are once somebody asks for them', async () => {
  const { daemon, vm, pass } = await served();
  pass(5);
  const columns = () =>
    daemon.rrds
      .of({ vm: vm.uuid })!
      .series()
      .map(({ info }) => info.name);
  expect(columns()).not.toContain('vif_0_rx_errors');
  await daemon.call('VM.record_data_source', vm.ref, 'vif_0_rx_errors');
  pass(5);
  expect(columns()).toContain('vif_0_rx_errors');
  expect(((await daemon.call('VM.query_data_source', vm.ref, 'vif_0_rx_errors')) as WireFloat).value).toBe(0);
});

it('the database names their types', async () => {
  const { daemon, host, vm, pass } = await served();
  pass(5);
  const typesOf = (text: string) =>
    new Map([...text.matchAll(/<name>([^<]*)<\/name><type>([^<]*)<\/type>/g)].map(([, name, type]) => [name, type]));
  const ofVm = typesOf(rrdXml(daemon.rrds.of({ vm: vm.uuid })!));
  expect(['memory', 'cpu0', 'vif_0_rx', 'vbd_xvda_write', 'vbd_xvda_iops_read', 'vbd_xvda_inflight'].map((name) => ofVm.get(name))).toEqual(
    [...['GAUGE', 'DERIVE', 'DERIVE', 'DERIVE', 'ABSOLUTE', 'GAUGE']],
  );
  const ofHost = typesOf(rrdXml(daemon.rrds.of({ host })!));
  expect(['cpu0', 'cpu_avg', 'pif_eth0_tx', 'loadavg', 'memory_free_kib'].map((name) => ofHost.get(name))).toEqual([
    ...['DERIVE', 'DERIVE', 'DERIVE', 'GAUGE', 'GAUGE'],
  ]);
});

describe('devices that come and go', () => {
  it('a disk that is unplugged leaves its history, and nothing new', async () => {
    const all = await served();
    all.pass(10);
    await all.daemon.call('VBD.unplug', all.disk.vbd);
    all.pass(10);
    const [vm, host] = [{ vm: all.vm.uuid }, { host: all.host }];
    for (const [owner, name] of [
      [vm, 'vbd_xvda_read'],
      [host, `iops_read_${all.disk.sr.slice(0, 8)}`],
    ] as const) {
      expect(all.daemon.rrds.newest(owner, name)).toBeNaN();
      expect(all.daemon.rrds.sourcesOf(owner).find(({ info }) => info.name === name)).toMatchObject({ enabled: false });
    }
  });

  it('a client that makes storage and removes it again does not fill the memory', async () => {
    const { daemon, host, vm, pass } = await served();
    const { call } = daemon;
    const pool = ((await call('pool.get_all')) as string[])[0]!;
    const sr = (await call('pool.get_default_SR', pool)) as string;
    const database = daemon.rrds.of({ host })!;
    pass(5);
    const before = database.size;
    // An SR's name here is the start of its uuid; another uuid stands for another SR.
    for (let turn = 0; turn < 60; turn++) {
      daemon.database.update('SR', sr, { uuid: `${String(turn).padStart(8, '0')}-0000-4000-8000-000000000000` });
      await daemon.database.flushed();
      pass(5);
    }
    expect(database.size).toBeGreaterThan(before);
    expect(database.size).toBeLessThanOrEqual(before + 500 + 14);
    expect(database.has(`iops_read_${String(59).padStart(8, '0')}`)).toBe(true);
    expect(daemon.rrds.of({ vm: vm.uuid })!.has('memory')).toBe(true);
  });
});
