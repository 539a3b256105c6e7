// The file of the databases: descriptions of sources are in it once, and sources with the same
// history share their archives. The first version had both with each source.
import * as z from 'zod';
import { Rrd, type SourceInfo, type StoredRrd } from './rrd.js';

/** Of one host or VM; a host has 14 for each SR in use, and two for each card. */
const MOST_SERIES = 20_000;

const archive = z.object({
  runs: z.array(z.tuple([z.number().nullable(), z.int().min(1)])).max(400),
  row: z.object({ sum: z.number(), known: z.int().min(0), unknown: z.int().min(0) }),
});
const archives = z.array(archive).length(4);
const source = z.object({
  name: z.string().max(100),
  description: z.string().max(1000),
  units: z.string().max(100),
  type: z.enum(['GAUGE', 'DERIVE', 'ABSOLUTE']).default('GAUGE'),
  // JSON has no infinity.
  min: z.number().nullable(),
  max: z.number().nullable(),
  standard: z.boolean(),
});

function fileOf<Shape extends z.ZodType, Version extends number>(version: Version, database: Shape) {
  const databases = z.record(z.string().max(64), database);
  /** `host` is the coordinator's, and `hosts` are the others', by uuid. */
  return z.object({ version: z.literal(version), host: database, hosts: databases.optional(), vms: databases });
}

const step = z.int().min(0);
const first = fileOf(1, z.object({ step, series: z.array(z.object({ info: source, archives })).max(MOST_SERIES) }));
/** A series is the index of its description in `sources`, and of its track. */
const indexes = z.tuple([z.int().min(0), z.int().min(0)]);
const second = fileOf(
  2,
  z.object({ step, tracks: z.array(z.object({ archives })).max(MOST_SERIES), series: z.array(indexes).max(MOST_SERIES) }),
).extend({ sources: z.array(source) });
const file = z.discriminatedUnion('version', [first, second]);

export interface Databases {
  readonly host: Rrd;
  readonly hosts: ReadonlyMap<string, Rrd>;
  readonly vms: ReadonlyMap<string, Rrd>;
}

export function storedText({ host, hosts, vms }: Databases): string {
  const sources: SourceInfo[] = [];
  const known = new Map<string, number>();
  const indexOf = (info: SourceInfo): number => {
    const key = JSON.stringify(info);
    let index = known.get(key);
    if (index === undefined) {
      index = sources.push(info) - 1;
      known.set(key, index);
    }
    return index;
  };
  const stored = (rrd: Rrd) => {
    const { series, ...rest } = rrd.stored();
    return { ...rest, series: series.map(([info, track]) => [indexOf(info), track]) };
  };
  const all = (rrds: ReadonlyMap<string, Rrd>) => Object.fromEntries([...rrds].map(([uuid, rrd]) => [uuid, stored(rrd)]));
  const content = { version: 2, host: stored(host), ...(hosts.size > 0 ? { hosts: all(hosts) } : {}), vms: all(vms) };
  return JSON.stringify({ ...content, sources });
}

/** @throws an error of the file's form */
export function parseStored(text: string): Databases {
  const found = file.parse(JSON.parse(text));
  if (found.version === 1) {
    return restored(found, ({ step: at, series }) => ({
      step: at,
      tracks: series.map((one) => ({ archives: one.archives })),
      series: series.map(({ info }, index) => [bounded(info), index] as const),
    }));
  }
  const sources = found.sources.map(bounded);
  return restored(found, ({ series, tracks, step: at }) => ({
    step: at,
    tracks,
    series: series.map(([info, track]) => {
      if (sources[info] === undefined || tracks[track] === undefined) throw new Error('a series without its description or its track');
      return [sources[info], track] as const;
    }),
  }));
}

function restored<Stored>(
  { host, hosts = {}, vms }: { host: Stored; hosts?: Record<string, Stored> | undefined; vms: Record<string, Stored> },
  read: (stored: Stored) => StoredRrd,
): Databases {
  const all = (given: Record<string, Stored>) => new Map(Object.entries(given).map(([uuid, one]) => [uuid, Rrd.restored(read(one))]));
  return { host: Rrd.restored(read(host)), hosts: all(hosts), vms: all(vms) };
}

function bounded(info: z.output<typeof source>): SourceInfo {
  return { ...info, min: info.min ?? Number.NEGATIVE_INFINITY, max: info.max ?? Number.POSITIVE_INFINITY };
}
