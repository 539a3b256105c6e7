// The settings of a VM, its devices, a host or the pool: the fields that xe can set and this daemon takes, under xe's names,
// with its parsers and its errors. A draft of them becomes commands of xe and the same as calls.
import { shellWord } from '../../../src/base/shell-word.js';
import type { XapiError } from '../../../src/xapi-client/errors.js';
import { asRecord, asText, type Json } from '../../../src/xapi-client/values.js';
import { VBD, VIF } from '../../../src/xe/devices/classes.js';
import { tellServerError, XeFailure } from '../../../src/xe/failures.js';
import { type Entries, type Field, type FieldContext, int, parseBytes, type XeClass, type XeObject } from '../../../src/xe/field.js';
import { HOST, POOL } from '../../../src/xe/host-class.js';
import { VM } from '../../../src/xe/vm-class.js';
import type { DeviceKind } from './devices.js';
import type { Draft } from './draft.js';

export type Caller = (method: string, params: readonly unknown[]) => Promise<unknown>;
export type Kind = 'VM' | 'host' | 'pool' | DeviceKind;

export interface SettingsObject {
  readonly kind: Kind;
  readonly ref: string;
  readonly uuid: string;
  readonly record: Json;
}

/** A field with what it is now: a text, the entries of a map, or the members of a set. */
export type Setting = { readonly field: Field; readonly group: Group } & (
  | { readonly is: 'value'; readonly now: string }
  | { readonly is: 'map'; readonly now: Entries }
  | { readonly is: 'set'; readonly now: readonly string[] }
);

export interface SettingChange {
  /** Fields that it saves; of a map or set one part. */
  readonly names: readonly string[];
  readonly part: string | null;
  /** For a shell. */
  readonly text: string;
  /** @throws XapiError, XeFailure */
  run(object: XeObject): Promise<unknown>;
}

const GROUPS: readonly (readonly [string, RegExp])[] = [
  ['Name', /^(name-|tags|user-version|is-)/],
  ['vCPUs and placement', /^(VCPUs-|new-vcpus|affinity|numa-|guest_VCPUs)/],
  ['Memory', /^memory-/],
  ['Shutdown, reboot and crash', /^actions-/],
  ['Storage', /(-SR|-sr-uuid)$/],
  ['High availability', /^ha-/],
  ['Network card or disk', /^(locking-mode|ipv[46]-allowed|userdevice|bootable|mode|type|unpluggable|qos_)/],
  ['Boot and devices', /^(HVM-|PV-|domain-type|platform|NVRAM|PCI)/],
];
const OTHERS = 'Other settings';
export type Group = string;
export const GROUP_NAMES: readonly Group[] = [...GROUPS.map(([name]) => name), OTHERS];
const groupOf = (name: string): Group => GROUPS.find(([, names]) => names.test(name))?.[0] ?? OTHERS;

const CLASSES: Readonly<Record<Kind, XeClass>> = { VM, host: HOST, pool: POOL, VIF, VBD };

/** `xe vm-vcpu-hotplug`: the vCPUs of a VM that runs. No field of xe. */
const LIVE_VCPUS: Field = {
  ...int('new-vcpus', 'VCPUs_number_live', 'rw'),
  get: async (object) => VM.fields.find(({ name }) => name === 'VCPUs-number')!.get(object),
};

/** What fields read besides the record. */
export function contextOf(call: Caller): FieldContext {
  return {
    session: { call },
    uuidOf: async (apiClass, ref) => (/^OpaqueRef:(?!NULL$)/.test(ref) ? asText(await call(`${apiClass}.get_uuid`, [ref])) : ''),
    related: async (apiClass, ref) => (/^OpaqueRef:(?!NULL$)/.test(ref) ? asRecord(await call(`${apiClass}.get_record`, [ref])) : null),
  };
}

export const xeObject = ({ kind, ref, record }: SettingsObject, call: Caller): XeObject => ({
  ...{ context: contextOf(call), apiClass: kind, ref, record },
});

/** @param methods that the daemon knows (system.listMethods) */
export async function settingsOf(object: SettingsObject, methods: ReadonlySet<string>, call: Caller): Promise<Setting[]> {
  const { kind, record } = object;
  const xe = xeObject(object, call);
  const has = (verb: string, key: string): boolean => methods.has(`${kind}.${verb}_${key}`);
  const live = kind === 'VM' && record.power_state === 'Running' && record.is_control_domain !== true ? [LIVE_VCPUS] : [];
  const found = [...CLASSES[kind].fields.filter(({ key }) => key in record), ...live].map(async (field): Promise<Setting | null> => {
    const { key, name, form } = field;
    const group = groupOf(name);
    if (field.set !== undefined && form !== undefined && has('set', key)) return { field, group, is: 'value', now: await nowOf(field, xe) };
    if (field.addToMap !== undefined && has('add_to', key)) return { field, group, is: 'map', now: await field.getMap!(xe) };
    if (field.addToSet !== undefined && has('add', key)) return { field, group, is: 'set', now: await field.getSet!(xe) };
    return null;
  });
  return (await Promise.all(found)).flatMap((one) => one ?? []);
}

/** In the words that `set` takes; xe shows some otherwise. */
async function nowOf({ key, form, get }: Field, object: XeObject): Promise<string> {
  if (form?.kind === 'choice') {
    const own = asText(object.record[key]).replaceAll('-', '_');
    return form.words.find((word) => word.replaceAll('-', '_') === own) ?? '';
  }
  return get(object);
}

const LIMITS = ['memory-static-min', 'memory-static-max', 'memory-dynamic-min', 'memory-dynamic-max'] as const;

/** The changes of a draft, in the order in which they are made. */
export function changesOf({ kind, uuid }: SettingsObject, settings: readonly Setting[], draft: Draft): SettingChange[] {
  const xe = `xe ${CLASSES[kind].name}`;
  const changes = settings.flatMap((setting): SettingChange[] => {
    const { field } = setting;
    const given = Object.hasOwn(draft, field.name) ? draft[field.name]! : undefined;
    if (given === undefined || LIMITS.some((one) => one === field.name)) return [];
    if (setting.is === 'value')
      return typeof given === 'string' && !isSame(field, given, setting.now) ? [valueChange(xe, uuid, field, given)] : [];
    if (typeof given === 'string') return [];
    return Object.entries(given).flatMap(([part, value]) => partChange(xe, uuid, setting, part, value) ?? []);
  });
  return inOrder(
    [...changes, ...memoryChange(xe, uuid, settings, draft)],
    Number(draft['VCPUs-at-startup']) <= Number(nowText(settings, 'VCPUs-at-startup')),
  );
}

/** Whether xe makes the same of both texts: 2GiB is 2147483648. */
function isSame(field: Field, one: string, other: string): boolean {
  if (one === other) return true;
  const sent = sentBy(field, one);
  return sent !== null && sent === sentBy(field, other);
}

/** What `set` would send; null = the text is refused, or something is looked up first. */
function sentBy(field: Field, text: string): string | null {
  let sent: string | null = null;
  const call: Caller = async (method, [, ...values]) => {
    if (method.includes('.set_')) sent = JSON.stringify(values);
  };
  // A refusal is thrown at once, or later for nobody.
  const object: XeObject = { context: contextOf(call), apiClass: 'VM', ref: '', record: {} };
  try {
    field.set!(object, text).catch(() => undefined);
  } catch {
    return null;
  }
  return sent;
}

function valueChange(xe: string, uuid: string, field: Field, text: string): SettingChange {
  const command = field === LIVE_VCPUS ? 'vcpu-hotplug' : 'param-set';
  return {
    ...{ names: [field.name], part: null },
    text: `${xe}-${command} uuid=${uuid} ${field.name}=${text === '' ? '' : shellWord(text)}`,
    run: async (object) => field.set!(object, text),
  };
}

/** null = as it is already. */
function partChange(xe: string, uuid: string, setting: Setting, part: string, value: string | null): SettingChange | null {
  const { field } = setting;
  const names = [field.name];
  const keyed = (verb: string): string => `${xe}-param-${verb} uuid=${uuid} param-name=${field.name} param-key=${shellWord(part)}`;
  if (setting.is === 'set') {
    if (setting.now.includes(part) === (value !== null)) return null;
    return value === null
      ? { names, part, text: keyed('remove'), run: (object) => field.removeFromSet!(object, part) }
      : { names, part, text: keyed('add'), run: (object) => field.addToSet!(object, part) };
  }
  const now = (setting.now as Entries).find(([key]) => key === part)?.[1];
  if (now === value || (now === undefined && value === null)) return null;
  if (value === null) return { names, part, text: keyed('remove'), run: (object) => field.removeFromMap!(object, part) };
  return {
    ...{ names, part },
    text: `${xe}-param-set uuid=${uuid} ${shellWord(`${field.name}:${part}=${value}`)}`,
    run: async (object) => {
      if (now !== undefined) await field.removeFromMap!(object, part);
      return field.addToMap!(object, part, value);
    },
  };
}

/** The limits depend on each other, so they are set together: what runs has a dynamic range only. */
function memoryChange(xe: string, uuid: string, settings: readonly Setting[], draft: Draft): SettingChange[] {
  const differs = (name: string): boolean => {
    const field = settings.find((one) => one.field.name === name)?.field;
    return typeof draft[name] === 'string' && (field === undefined || !isSame(field, draft[name], nowText(settings, name)));
  };
  const names = LIMITS.filter(differs);
  if (names.length === 0) return [];
  const text = (name: string): string => (typeof draft[name] === 'string' ? (draft[name] as string) : nowText(settings, name));
  const [staticMin, staticMax, low, high] = LIMITS.map(text) as [string, string, string, string];
  const bytes = (): number[] => LIMITS.map((name) => parseBytes(name, text(name)));
  const word = (name: string, value: string): string => `${name}=${shellWord(value)}`;
  if (names.every((name) => name.startsWith('memory-dynamic'))) {
    return [
      {
        ...{ names, part: null },
        text: `${xe}-memory-dynamic-range-set uuid=${uuid} ${word('min', low)} ${word('max', high)}`,
        run: async ({ context, ref }) => context.session.call('VM.set_memory_dynamic_range', [ref, ...bytes().slice(2)]),
      },
    ];
  }
  return [
    {
      ...{ names, part: null },
      text: `${xe}-memory-limits-set uuid=${uuid} ${word('static-min', staticMin)} ${word('static-max', staticMax)} ${word('dynamic-min', low)} ${word('dynamic-max', high)}`,
      run: async ({ context, ref }) => context.session.call('VM.set_memory_limits', [ref, ...bytes()]),
    },
  ];
}

function nowText(settings: readonly Setting[], name: string): string {
  const setting = settings.find(({ field }) => field.name === name);
  return setting?.is === 'value' ? setting.now : '';
}

/** At most VCPUs-max vCPUs start, so fewer of them come down before it, and more of them after it. */
function inOrder(changes: readonly SettingChange[], startFirst: boolean): SettingChange[] {
  const [most, start] = ['VCPUs-max', 'VCPUs-at-startup'].map((name) => changes.filter(({ names }) => names.includes(name)));
  const others = changes.filter((change) => !most!.includes(change) && !start!.includes(change));
  return [...others, ...(startFirst ? [...start!, ...most!] : [...most!, ...start!])];
}

/** What xe says of a change before anything is called; null = nothing. */
export async function problemOf(change: SettingChange, object: SettingsObject): Promise<string | null> {
  try {
    await change.run(xeObject(object, async () => ''));
    return null;
  } catch (error) {
    return sentenceOf(error);
  }
}

/**
 * In the words of xe.
 * @param names of objects by their references
 */
export function sentenceOf(error: unknown, names: ReadonlyMap<string, string> = new Map()): string {
  if (error instanceof XeFailure) return error.message;
  // The class itself may be another bundle's.
  if ((error as Error).name !== 'XapiError') return (error as Error).message;
  const { code, params: given } = error as XapiError;
  const params = given.map((param) => names.get(param) ?? param);
  return tellServerError(code, params)?.join(' ') ?? `${code}: ${params.join(', ')}`;
}
