// xl's reading of a guest config, before any call to libxl: the fields that affect the guest's CPUs
// and memory (Xen 4.17, tools/xl/xl_parse.c 1189-1432 and xl_vmcontrol.c,
// apply_global_affinity_masks).
import type { VmKind } from '../../vm.js';
import type { InputText } from '../input-text.js';
import { CpuListRefusal, parseCpuList, type XlMachine } from './cpu-list.js';
import { XlSettings } from './settings.js';
import { parseVnuma, type XlVnuma } from './vnuma.js';

/** One mask for each vCPU, from vCPU 0; vCPUs past the list have none. */
export interface XlAffinity {
  /**
   * Whether it was one string for all vCPUs or a list: a list of hard masks stops the automatic
   * placement, a string does not.
   */
  readonly form: 'string' | 'list';
  readonly masks: readonly (readonly number[])[];
}

/** A guest as xl passes it to libxl; undefined means libxl's default. */
export interface XlGuest {
  readonly settings: XlSettings;
  readonly name: string;
  readonly uuid: string | undefined;
  readonly kind: VmKind;
  /** 0: libxl makes it 1. */
  readonly maxVcpus: number;
  /** vCPUs online at the start; undefined or 0: libxl starts with 1. */
  readonly vcpus: number | undefined;
  readonly maxMemKib: number | undefined;
  readonly targetMemKib: number | undefined;
  readonly schedule: Readonly<Partial<Record<ScheduleField, number>>>;
  readonly hard: XlAffinity | undefined;
  readonly soft: XlAffinity | undefined;
  readonly vnuma: XlVnuma | undefined;
  /** False: neither node nor soft affinity is chosen by libxl. */
  readonly mayPlace: boolean;
  readonly pool: string | undefined;
}

export type ScheduleField = 'weight' | 'cap' | 'period' | 'slice' | 'latency' | 'extratime';

const SCHEDULE: readonly (readonly [ScheduleField, string])[] = [
  ['weight', 'cpu_weight'],
  ['cap', 'cap'],
  ['period', 'period'],
  ['slice', 'slice'],
  ['latency', 'latency'],
  ['extratime', 'extratime'],
];

/** LIBXL_DOMAIN_SCHED_PARAM_*_DEFAULT: as if nothing was given. */
const SCHEDULE_DEFAULT = -1;
const ACTIONS = ['destroy', 'restart', 'rename-restart', 'preserve', 'coredump-destroy', 'coredump-restart', 'soft-reset'];
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Above any number that this project accepts; a mask is kept for each vCPU. */
const MOST_VCPUS = 65_536;

/** @throws InputError with file and line for a config that xl refuses */
export function parseXlGuest(input: InputText, machine: XlMachine): XlGuest {
  const settings = new XlSettings(input);
  const name = settings.text('name');
  if (name === undefined) throw settings.refusal('name', 'expected a name, got none', 'add a line such as name = "web"');
  const uuid = settings.text('uuid');
  if (uuid !== undefined && !UUID.test(uuid))
    throw settings.refusal('uuid', `'${uuid.slice(0, 40)}' is not a UUID`, 'take it from `uuidgen`');
  const kind = kindOf(settings);
  const vcpus = count(settings, 'vcpus');
  const maxVcpusGiven = count(settings, 'maxvcpus') ?? 0;
  const targetMemKib = kib(settings, 'memory');
  const vnuma = parseVnuma(settings, machine, maxVcpusGiven);
  if (vnuma !== undefined) checkVnuma(settings, vnuma, maxVcpusGiven, machine);
  const maxVcpus = (vnuma?.vcpus ?? maxVcpusGiven) || (vcpus ?? 0);
  if (maxVcpus < (vcpus ?? 0)) {
    throw settings.refusal('vcpus', `expected at most maxvcpus (${maxVcpus}) vCPUs, got ${vcpus}`, 'raise maxvcpus or lower vcpus');
  }
  const hard = affinity(settings, 'cpus', machine, maxVcpus);
  const soft = affinity(settings, 'cpus_soft', machine, maxVcpus);
  checkActions(settings);
  return {
    settings,
    name,
    uuid,
    kind,
    maxVcpus,
    vcpus,
    maxMemKib: vnuma?.sizeKib ?? kib(settings, 'maxmem') ?? targetMemKib,
    targetMemKib,
    schedule: scheduleOf(settings),
    hard,
    soft,
    vnuma,
    mayPlace: hard?.form !== 'list' && soft === undefined && vnuma?.hasPnode !== true,
    pool: settings.text('pool'),
  };
}

/**
 * Faults that xl reports only after it has read all of the config: an empty hard mask, and a PV or
 * PVH guest without a kernel. Null if there are none. A plan goes on despite them.
 */
export function lateRefusal({ settings, kind, hard }: XlGuest): string | null {
  const empty = hard?.masks.findIndex((mask) => mask.length === 0) ?? -1;
  if (empty >= 0) return `cpus leaves vCPU ${empty} no CPU`;
  const boots = ['kernel', 'bootloader', 'firmware'].some((name) => settings.text(name) !== undefined);
  return kind === 'hvm' || boots ? null : 'neither kernel nor bootloader is given';
}

/**
 * `type` and the old `builder`, each by any prefix of the word, as strncmp compares them; `pvh=1`
 * is obsolete and has no effect.
 */
function kindOf(settings: XlSettings): VmKind {
  const [type, builder] = [settings.text('type'), settings.text('builder')];
  const byType =
    type === undefined
      ? undefined
      : firstBeginningWith(type, [
          ['hvm', 'hvm'],
          ['pv', 'pv'],
          ['pvh', 'pvh'],
        ]);
  if (byType === null) throw settings.refusal('type', `expected hvm, pvh or pv, got '${type!.slice(0, 40)}'`, 'write type = "hvm"');
  const byBuilder =
    builder === undefined
      ? undefined
      : firstBeginningWith(builder, [
          ['hvm', 'hvm'],
          ['generic', 'pv'],
        ]);
  if (byBuilder === null) {
    throw settings.refusal('builder', `expected hvm or generic, got '${builder!.slice(0, 40)}'`, 'write type = "hvm" instead');
  }
  if (byType !== undefined && byBuilder !== undefined && byType !== byBuilder) {
    throw settings.refusal('builder', 'builder and type contradict each other', 'leave builder out');
  }
  return byBuilder ?? byType ?? 'pv';
}

function firstBeginningWith(text: string, words: readonly (readonly [string, VmKind])[]): VmKind | null {
  return words.find(([word]) => word.startsWith(text))?.[1] ?? null;
}

function count(settings: XlSettings, name: string): number | undefined {
  const value = settings.long(name);
  if (value === undefined) return undefined;
  if (value < 0n || value > MOST_VCPUS) {
    throw settings.refusal(name, `expected a number of vCPUs from 0 to ${MOST_VCPUS}, got ${value}`, 'write the number of vCPUs');
  }
  return Number(value);
}

/** MiB in the config; xl keeps KiB in 64 bits. */
function kib(settings: XlSettings, name: string): number | undefined {
  const value = settings.long(name);
  return value === undefined ? undefined : Number(BigInt.asUintN(64, value * 1024n));
}

function checkVnuma(settings: XlSettings, vnuma: XlVnuma, maxVcpus: number, machine: XlMachine): void {
  if (maxVcpus !== 0 && maxVcpus !== vnuma.vcpus) {
    throw settings.refusal('vnuma', `its virtual nodes have ${vnuma.vcpus} vCPUs, maxvcpus is ${maxVcpus}`, 'correct one of them');
  }
  if (maxVcpus === 0 && machine.onlineCpus < vnuma.vcpus) {
    const mend = 'lower the count, or set maxvcpus, which lifts the check';
    throw settings.refusal('vnuma', `its virtual nodes have ${vnuma.vcpus} vCPUs, the host ${machine.onlineCpus} CPUs`, mend);
  }
  const maxMemKib = kib(settings, 'maxmem');
  if (maxMemKib !== undefined && maxMemKib !== vnuma.sizeKib) {
    const sum = `its virtual nodes have ${vnuma.sizeKib / 1024} MiB, maxmem is ${maxMemKib / 1024} MiB`;
    throw settings.refusal('vnuma', sum, 'correct one of them, or leave maxmem out');
  }
}

function affinity(settings: XlSettings, name: string, machine: XlMachine, maxVcpus: number): XlAffinity | undefined {
  const read = (text: string) => {
    try {
      return parseCpuList(text, machine);
    } catch (error) {
      if (!(error instanceof CpuListRefusal)) throw error;
      const mend = 'write items such as 3, 0-5, ^2, all, node:1, nodes:0-3 or ^node:2, separated by commas without blanks';
      throw settings.refusal(name, error.message, mend);
    }
  };
  const list = settings.list(name);
  if (list !== undefined) {
    const masks = list.slice(0, maxVcpus).map((item) => {
      if (typeof item === 'string') return read(item);
      throw settings.refusal(name, 'expected a list of strings, got a list in a list', `write ${name} = ["0-3", "4"]`);
    });
    return { form: 'list', masks };
  }
  const text = settings.text(name);
  if (text === undefined) return undefined;
  const mask = read(text);
  return { form: 'string', masks: Array.from({ length: maxVcpus }, () => mask) };
}

function scheduleOf(settings: XlSettings): Partial<Record<ScheduleField, number>> {
  const schedule: Partial<Record<ScheduleField, number>> = {};
  for (const [field, name] of SCHEDULE) {
    const value = settings.long(name);
    const int = value === undefined ? SCHEDULE_DEFAULT : Number(BigInt.asIntN(32, value));
    if (int !== SCHEDULE_DEFAULT) schedule[field] = int;
  }
  return schedule;
}

function checkActions(settings: XlSettings): void {
  for (const name of ['on_poweroff', 'on_reboot', 'on_watchdog', 'on_crash', 'on_soft_reset']) {
    const action = settings.text(name);
    if (action !== undefined && !ACTIONS.includes(action)) {
      throw settings.refusal(name, `'${action.slice(0, 40)}' is not an action`, `write one of ${ACTIONS.join(', ')}`);
    }
  }
}
