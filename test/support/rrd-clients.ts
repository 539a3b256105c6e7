// A client of /rrd_updates, in our own words. Its rules are those of XO Lite (xen-orchestra
// 9ef53890b8, @xen-orchestra/lite/src/libs/xapi-stats.ts, and the charts that take its results);
// xo-server has the same names.

interface Updates {
  readonly meta: { readonly step: string; readonly end: string; readonly legend: readonly string[] };
  readonly data: readonly { readonly t: string; readonly values: readonly string[] }[];
}

type Values = readonly (number | null)[];

/** By kind of figure, then by the device's number or name; oldest value first. */
export type Charts = Readonly<Record<string, Readonly<Record<string, Values>>>>;

const HOST: Readonly<Record<string, RegExp>> = {
  load: /^()loadavg$/,
  memoryFree: /^()memory_free_kib$/,
  memory: /^()memory_total_kib$/,
  cpus: /^cpu(\d+)$/,
  'pifs.rx': /^pif_eth(\d+)_rx$/,
  'pifs.tx': /^pif_eth(\d+)_tx$/,
  'iops.r': /^iops_read_(\w+)$/,
  'iops.w': /^iops_write_(\w+)$/,
  'ioThroughput.r': /^io_throughput_read_(\w+)$/,
  'ioThroughput.w': /^io_throughput_write_(\w+)$/,
  'latency.r': /^read_latency_(\w+)$/,
  'latency.w': /^write_latency_(\w+)$/,
  iowait: /^iowait_(\w+)$/,
};

const VM: Readonly<Record<string, RegExp>> = {
  memory: /^()memory$/,
  memoryTarget: /^()memory_target$/,
  cpus: /^cpu(\d+)$/,
  cpuUsage: /^()cpu_usage$/,
  'vifs.rx': /^vif_(\d+)_rx$/,
  'vifs.tx': /^vif_(\d+)_tx$/,
  'xvds.r': /^vbd_xvd(.)_read$/,
  'xvds.w': /^vbd_xvd(.)_write$/,
  'iops.r': /^vbd_xvd(.)_iops_read$/,
  'iops.w': /^vbd_xvd(.)_iops_write$/,
  'iops.total': /^vbd_xvd(.)_iops_total$/,
  'vbdLatency.r': /^vbd_xvd(.)_read_latency$/,
  'vbdLatency.w': /^vbd_xvd(.)_write_latency$/,
  vbdIowait: /^vbd_xvd(.)_iowait$/,
  vbdInflight: /^vbd_xvd(.)_inflight$/,
  vbdAvgquSz: /^vbd_xvd(.)_avgqu_sz$/,
};

/** A text that is no number, but for NaN, is an error there. */
function numberOf(text: string): number | null {
  const value = Number(text);
  if (Number.isNaN(value) && text !== 'NaN') throw new Error(`no number: ${text}`);
  return Number.isNaN(value) ? null : value;
}

/**
 * @param step seconds that the client asked for; another step is an error there
 * @returns the charts of each object, by uuid
 */
export function xoLiteCharts(text: string, step: number): ReadonlyMap<string, Charts> {
  const { meta, data } = JSON.parse(text) as Updates;
  if (numberOf(meta.step) !== step) throw new Error(`step ${meta.step}, not ${step}`);
  const found = new Map<string, Record<string, Record<string, Values>>>();
  meta.legend.forEach((entry, column) => {
    const [, type, uuid, source] = /^AVERAGE:([^:]+):(.+):(.+)$/.exec(entry)!;
    const rules = type === 'host' ? HOST : VM;
    for (const [figure, rule] of Object.entries(rules)) {
      const device = rule.exec(source!)?.[1];
      if (device === undefined) continue;
      const charts = found.get(uuid!) ?? {};
      found.set(uuid!, charts);
      charts[figure] = { ...charts[figure], [device]: data.map(({ values }) => numberOf(values[column]!)).reverse() };
      break;
    }
  });
  return found;
}
