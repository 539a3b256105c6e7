// Reading a record's values, and saying them: numbers, lists of vCPUs, bytes. Part of explain.
import { formatList } from '../../base/bitset.js';
import { formatBytes } from '../../base/units.js';
import type { FlowValues } from '../path.js';
import type { FlowValue } from '../record.js';

export function number(values: FlowValues, key: string): number | null {
  const value = values[key];
  return typeof value === 'number' ? value : null;
}

export function text(values: FlowValues, key: string): string | null {
  const value = values[key];
  return typeof value === 'string' ? value : null;
}

export function bool(values: FlowValues, key: string): boolean | null {
  const value = values[key];
  return typeof value === 'boolean' ? value : null;
}

function items(value: FlowValue | undefined): readonly FlowValue[] {
  return Array.isArray(value) ? (value as readonly FlowValue[]) : [];
}

export function numbers(values: FlowValues, key: string): number[] {
  return items(values[key]).filter((item) => typeof item === 'number');
}

export function lists(values: FlowValues, key: string): string[] {
  return items(values[key]).filter((item) => typeof item === 'string');
}

export function records(values: FlowValues, key: string): FlowValues[] {
  return items(values[key]).filter((item): item is FlowValues => typeof item === 'object' && item !== null && !Array.isArray(item));
}

export function bytes(values: FlowValues, key: string): string {
  return formatBytes(number(values, key) ?? 0);
}

export function pagesText(pages: number): string {
  return formatBytes(pages * 4096);
}

export function plural(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? '' : 's'}`;
}

/** "vCPU 0", "vCPUs 0-3". */
export function vcpuList(vcpus: readonly number[]): string {
  const sorted = [...new Set(vcpus)].sort((a, b) => a - b);
  return `vCPU${sorted.length === 1 ? '' : 's'} ${formatList(sorted)}`;
}

/** "node 0", "nodes 0-1,3". */
export function nodeList(nodes: readonly number[]): string {
  const sorted = [...new Set(nodes)].sort((a, b) => a - b);
  return sorted.length === 0 ? 'no node' : `node${sorted.length === 1 ? '' : 's'} ${formatList(sorted)}`;
}
