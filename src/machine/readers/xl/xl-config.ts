// Reader of xl guest configs: the VM that libxl would build, with libxl's defaults.
import { hasControls } from '../../../base/safe-text.js';
import { KIB } from '../../../base/units.js';
import { type Host, LIMITS, presentCpus } from '../../model.js';
import type { VirtualNode, VmBoot, VmSpec } from '../../vm.js';
import type { InputText } from '../input-text.js';
import { MAX_NODES, type XlMachine } from './cpu-list.js';
import { lateRefusal, parseXlGuest, type XlAffinity, type XlGuest } from './guest.js';
import { keyNotes } from './keys.js';

/** 16 TiB: Xen's own bound on a host's memory on x86. */
const MAX_KIB = 16 * 1024 * 1024 * 1024;
/** libxl_create.c, libxl__domain_build_info_setdefault. */
const DEFAULT_MEMORY_KIB = 32 * 1024;

/** A setting of guest configs, at the start of a line. */
export function looksLikeXlConfig(text: string): boolean {
  return /^[ \t]*(?:name|type|builder|vcpus|maxvcpus|memory|maxmem|cpus|cpus_soft|kernel|disk|vif)[ \t]*=/m.test(text);
}

/**
 * `cpus` and `cpus_soft` become masks for `host`: CPUs past its highest number are left out, as
 * libxl does, and a mask may end up empty. Settings that xl would refuse or ignore, and that the
 * plan ignores, are in `notes`.
 * @throws InputError with file and line for a config that xl refuses, or beyond the limits of this
 * project
 */
export function readXlConfig(input: InputText, host: Host): VmSpec {
  const guest = parseXlGuest(input, machineOf(host));
  const { settings, name } = guest;
  if (name === '') throw settings.refusal('name', 'expected a name, got an empty one', 'add a line such as name = "web"');
  if (hasControls(name))
    throw settings.refusal('name', 'expected a name without control characters', 'write it in letters, digits and signs');
  if (guest.maxVcpus > LIMITS.vcpusPerVm) {
    const key = settings.line('maxvcpus') === undefined ? 'vcpus' : 'maxvcpus';
    throw settings.refusal(key, `expected at most ${LIMITS.vcpusPerVm} vCPUs, got ${guest.maxVcpus}`, 'lower the number');
  }
  const vcpusMax = guest.maxVcpus || 1;
  const hard = masksFor(host, guest.hard, vcpusMax);
  const soft = masksFor(host, guest.soft, vcpusMax);
  const boot = bootOf(guest);
  const notes = notesOf(guest, host);
  const { weight, cap } = guest.schedule;
  const params = Object.entries({ weight, cap }).filter(([, value]) => value !== undefined && value >= 0);
  return {
    name,
    ...(guest.uuid === undefined ? {} : { uuid: guest.uuid }),
    kind: guest.kind,
    vcpusMax,
    vcpusAtStartup: guest.vcpus || 1,
    ...memoryOf(guest),
    vcpusParams: Object.fromEntries(params.map(([key, value]) => [key, String(value)])),
    ...(soft === undefined ? {} : { xlSoftCpus: soft }),
    ...(hard === undefined ? {} : { xlHardCpus: hard, xlHardCpusForm: guest.hard!.form }),
    ...(guest.vnuma === undefined ? {} : { vnuma: virtualNodes(guest) }),
    ...(guest.pool === undefined ? {} : { pool: guest.pool }),
    ...(boot === undefined ? {} : { boot }),
    ...(notes.length === 0 ? {} : { notes }),
  };
}

function machineOf(host: Host): XlMachine {
  const present = presentCpus(host);
  return {
    maxCpus: (present.at(-1)?.id ?? 0) + 1,
    onlineCpus: host.cpus.length,
    nodes: host.nodes.length,
    cpusOfNode: (node) => present.filter((cpu) => cpu.node === node).map(({ id }) => id),
  };
}

/**
 * One mask for each vCPU if it is a list, completed with all CPUs if it is shorter; one mask if it
 * is a string.
 */
function masksFor(host: Host, affinity: XlAffinity | undefined, vcpusMax: number): number[][] | undefined {
  if (affinity === undefined || (affinity.form === 'string' && affinity.masks.length === 0)) return undefined;
  const last = presentCpus(host).at(-1)?.id ?? 0;
  const known = new Map<readonly number[], number[]>();
  const there = (mask: readonly number[]) => {
    const found = known.get(mask) ?? mask.filter((cpu) => cpu <= last);
    known.set(mask, found);
    return found;
  };
  if (affinity.form === 'string') return [there(affinity.masks[0]!)];
  const masks = affinity.masks.map(there);
  return masks.length < vcpusMax ? [...masks, host.cpus.map((cpu) => cpu.id)] : masks;
}

function memoryOf(guest: XlGuest): Pick<VmSpec, 'memoryStaticMaxBytes' | 'memoryTargetBytes'> {
  const { settings } = guest;
  const maxKib = guest.maxMemKib ?? DEFAULT_MEMORY_KIB;
  const targetKib = guest.targetMemKib ?? maxKib;
  for (const [key, kib] of [
    ['maxmem', maxKib],
    ['memory', targetKib],
  ] as const) {
    if (kib > MAX_KIB) throw settings.refusal(key, `expected at most ${MAX_KIB / 1024} MiB, got ${kib / 1024}`, 'write the number of MiB');
    if (kib === 0) throw settings.refusal(key, 'expected some memory, got none', 'write the number of MiB');
  }
  if (targetKib > maxKib) {
    const [most, wanted] = [maxKib / 1024, targetKib / 1024];
    throw settings.refusal('maxmem', `expected at least memory (${wanted}), got ${most}`, 'raise maxmem or lower memory');
  }
  return { memoryStaticMaxBytes: maxKib * KIB, memoryTargetBytes: targetKib * KIB };
}

/** @throws InputError for a node without a size. Other faults are refused by libxl at the start. */
function virtualNodes(guest: XlGuest): VirtualNode[] {
  const nodes = guest.vnuma!.nodes;
  const refusal = (message: string, mend: string) => guest.settings.refusal('vnuma', message, mend);
  return nodes.map(({ pnode, sizeKib, vcpus, distances }, index) => {
    if (sizeKib === undefined) throw refusal(`virtual node ${index} has no size`, 'give each node its size in MiB, as "size=1024"');
    return { pnode, memoryBytes: sizeKib * KIB, vcpus, distances };
  });
}

/** `cmdline`, or made of `root` and `extra` (tools/xl/xl_parse.c, parse_cmdline). */
function bootOf({ settings }: XlGuest): VmBoot | undefined {
  const kernel = settings.text('kernel');
  if (kernel === undefined || kernel === '') return undefined;
  const ramdisk = settings.text('ramdisk');
  const root = settings.text('root');
  const parts = [root === undefined ? undefined : `root=${root}`, settings.text('extra')].filter((part) => part !== undefined);
  const cmdline = settings.text('cmdline') ?? (parts.length === 0 ? undefined : parts.join(' '));
  return {
    kernel,
    ...(ramdisk === undefined || ramdisk === '' ? {} : { ramdisk }),
    ...(cmdline === undefined ? {} : { cmdline }),
  };
}

/**
 * In this order: settings that xl ignores, settings outside the plan, faults that xl would refuse.
 */
function notesOf(guest: XlGuest, host: Host): string[] {
  const { settings } = guest;
  const notes = [...settings.warnings, ...keyNotes(settings.names)];
  for (const [key, affinity] of [
    ['cpus', guest.hard],
    ['cpus_soft', guest.soft],
  ] as const) {
    if (affinity !== undefined && guest.maxVcpus === 0) notes.push(`${key}= has no effect without vcpus= or maxvcpus=`);
    const last = presentCpus(host).at(-1)?.id ?? 0;
    const text = JSON.stringify(settings.list(key) ?? settings.text(key) ?? '');
    const named = [...text.matchAll(/(?<![:\d]|:\d{1,9}-)(\d{1,9})/g)].map(([, digits]) => Number(digits));
    if (named.some((cpu) => cpu > last)) notes.push(`${key}= names CPUs that ${host.name} does not have; libxl leaves them out`);
    if (last >= MAX_NODES && /nodes?:[^a]/.test(text)) {
      notes.push(`${key}=: xl takes only CPUs 0-${MAX_NODES - 1} of a node for node:; name the CPUs by number`);
    }
  }
  if (settings.text('vnuma') !== undefined) notes.push('vnuma= is a string, which xl ignores; write a list');
  const late = lateRefusal(guest);
  if (late !== null && !(late.startsWith('neither') && guest.kind !== 'hvm')) notes.push(`xl refuses this config: ${late}`);
  return notes;
}
