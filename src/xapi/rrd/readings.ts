// Data sources with the values that were read for them, and the few ways in which they are made.
import type { SourceInfo, SourceType } from './rrd.js';

export interface Reading {
  readonly info: SourceInfo;
  /** Of a DERIVE source, the rate and not the counter. */
  readonly value: number;
  /** The counter itself. */
  readonly counter?: number;
  /** Recorded until somebody forgets it; otherwise only once somebody asks for it. */
  readonly recorded: boolean;
}

interface Kind {
  readonly type?: SourceType;
  readonly min?: number;
  readonly max?: number;
  /** ds_default: recorded by xapi from the start. */
  readonly standard?: boolean;
  /** Of this daemon, where it differs. */
  readonly recorded?: boolean;
  readonly counter?: number;
}

export const FRACTION: Kind = { max: 1, type: 'DERIVE' };

/** @param kind a gauge of at least 0 that is recorded, unless it says otherwise */
export function reading(name: string, description: string, units: string, value: number, kind: Kind = {}): Reading {
  const { type = 'GAUGE', min = 0, max = Number.POSITIVE_INFINITY, standard = true, recorded = standard, counter } = kind;
  const info = { name, description, units, type, min, max, standard };
  return counter === undefined ? { info, value, recorded } : { info, value, recorded, counter };
}
