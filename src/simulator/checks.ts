// The invariants: some after each step, more when nothing is in progress and nothing fails.
import { unionRule } from '../map/union-rule.js';
import { recordText } from '../xapi/model/disk/record-text.js';
import { classOf } from '../xapi/model/schema.js';
import type { Wire, WireStruct } from '../xapi/wire/values.js';
import type { VmState } from '../xenopsd/api/toolstack.js';
import { decodeVm } from '../xenopsd/store/metadata-format.js';
import { ModelVm, type Power } from './model.js';
import type { Run } from './run.js';
import { AUDIT_FILE } from './world.js';

/** Ended tasks that are kept (xapi/model/tasks.ts), and those under way. */
const MOST_TASKS = 450;
/** Most timers of one quiet daemon: the probe of its storage and a few more. */
const MOST_TIMERS = 4;

/** Pages, claims, masks and the union rule hold after every step that called into Xen. */
export function checkAlways({ world }: Run): string[] {
  if (!world.wasChanged()) return [];
  return [...world.host.inspect.invariants(), ...checkNodeAffinity(world)];
}

/** The union rule, applied from outside, for domains without an explicit node affinity. */
function checkNodeAffinity({ host, explicitNodeAffinity }: Run['world']): string[] {
  const { xc } = host;
  const topology = xc.cpuTopology();
  const pools = new Map(xc.cpupoolList().map((pool) => [pool.id, pool.cpus]));
  return xc.domainList().flatMap(({ domid, maxVcpuId, cpupool }) => {
    if (explicitNodeAffinity.has(domid)) return [];
    const vcpus = Array.from({ length: maxVcpuId + 1 }, (_, vcpu) => xc.vcpuGetAffinity(domid, vcpu));
    const wanted = unionRule(vcpus, { poolCpus: pools.get(cpupool) ?? [], nodeOf: (cpu) => topology[cpu]?.node });
    if (wanted === null) return [];
    const found = xc.domainNodeGetAffinity(domid);
    return found.join() === wanted.join() ? [] : [`domain ${domid}: node affinity ${found}, by the union rule ${wanted}`];
  });
}

export async function checkQuiet(run: Run): Promise<string[]> {
  const { world } = run;
  const { daemon } = world;
  world.host.store.engine.checkInvariants();
  const faults = [...world.complaints.splice(0)];
  if (daemon.writable() !== null) faults.push(`storage works, and the daemon is read-only: ${daemon.writable()!.message}`);
  faults.push(...checkOwners(run), ...checkKeys(run), ...checkVms(run), ...checkDisk(run), ...checkBounds(run));
  faults.push(...checkAudit(run), ...checkHeld(run), ...(await checkReader(run)));
  return faults;
}

/** An acknowledged change is in the audit log, or was logged when the file refused it. */
function checkAudit({ world, model }: Run): string[] {
  const text = Buffer.from(world.files.get(AUDIT_FILE) ?? '', 'latin1').toString('utf8');
  const written = new Map<string, number>();
  for (const line of [...text.split('\n'), ...world.unwritten]) {
    const method = /"method":"([^"]+)".*"result":"success"/.exec(line)?.[1];
    if (method !== undefined) written.set(method, (written.get(method) ?? 0) + 1);
  }
  return [...model.acknowledged].flatMap(([method, count]) => {
    const found = written.get(method) ?? 0;
    return found >= count ? [] : [`the audit log has ${found} lines of ${method}, and ${count} were acknowledged`];
  });
}

/** Unused resources are released. */
function checkHeld({ world }: Run): string[] {
  const { ledger } = world.daemon;
  const faults = (['bytes', 'calls', 'watchers', 'tasks', 'logins'] as const).flatMap((resource) =>
    ledger.held(resource) === 0 ? [] : [`${ledger.held(resource)} ${resource} are charged, and nothing is under way`],
  );
  return faults;
}

/** Rights follow the file of users as soon as it can be read. */
async function checkReader(run: Run): Promise<string[]> {
  const { state } = run.world.users;
  if (state === 'spoilt') return [];
  const answer = await run.settled(run.call('reader', 'VM.get_all', []));
  const isIn = answer.kind === 'value';
  if (state === 'without the reader') return isIn ? ['a user who was taken out of the file reads on'] : [];
  // A session of before that user was taken out stays invalid: the second call logs in anew.
  if (isIn || (await run.settled(run.call('reader', 'VM.get_all', []))).kind === 'value') return [];
  return /Too many attempts/.test(run.answerText('', answer)) ? [] : [`the reader cannot read: ${run.answerText('', answer)}`];
}

/** Every domain is a VM's, and nothing claims memory. */
function checkOwners({ world }: Run): string[] {
  const faults: string[] = [];
  const domains = world.host.xc.domainList();
  const owned = [0, ...world.daemon.toolstack.vms().flatMap(({ domid }) => domid ?? [])].sort((a, b) => a - b);
  const found = domains.map(({ domid }) => domid);
  if (found.join() !== owned.join()) faults.push(`domains ${found} in Xen, ${owned} are of VMs`);
  for (const { domid, outstandingPages, dying } of domains) {
    if (outstandingPages > 0) faults.push(`domain ${domid} claims ${outstandingPages} pages, and no build is under way`);
    if (dying) faults.push(`domain ${domid} stays half destroyed`);
  }
  return faults;
}

/** Keys in XenStore belong to existing domains. */
function checkKeys({ world }: Run): string[] {
  const found = new Set(world.host.xc.domainList().map(({ domid }) => String(domid)));
  const uuids = new Set(world.daemon.toolstack.vms().flatMap(({ spec, domid }) => (domid === null ? [] : [spec.uuid ?? spec.name])));
  const stray = new Set<string>();
  for (const { path } of world.host.store.list()) {
    const [, top, second, third] = path.split('/');
    const below = (top === 'local' || top === 'xenops') && second === 'domain' ? third : undefined;
    const domid = top === 'libxl' ? second : below;
    if (domid !== undefined && !found.has(domid)) stray.add(`/${top} has keys of domain ${domid}, which is not there`);
    if (top === 'vm' && second !== undefined && !uuids.has(second)) stray.add(`/vm has keys of ${second}, and no such VM runs`);
  }
  return [...stray];
}

/** The answers to clients hold, and daemon, toolstack and Xen agree on each VM. */
function checkVms(run: Run): string[] {
  const { model, world } = run;
  const { published } = world.daemon.database;
  const faults: string[] = [];
  const states = new Map(world.daemon.toolstack.vms().map((state) => [state.spec.name, state]));
  const isGuest = ({ is_control_domain: control, is_default_template: template }: WireStruct) => control !== true && template !== true;
  const guests = new Map([...published.records('VM')].filter(([, record]) => isGuest(record)));
  for (const vm of [...model.vms]) {
    const record = guests.get(vm.ref);
    if (!vm.exists.seen(record !== undefined)) faults.push(`VM ${vm.ref} is ${record === undefined ? 'gone' : 'there again'}`);
    if (record === undefined) model.drop(vm);
    else faults.push(...checkBeliefs(vm, record));
  }
  for (const [ref, record] of guests) {
    faults.push(...checkAgreement(run, record, states.get(String(record.uuid))));
    if (model.vms.some((vm) => vm.ref === ref)) continue;
    if (model.unknownCreations-- <= 0) faults.push(`VM ${String(record.name_label)} is there, and its creation was refused`);
    const known = new ModelVm(ref, String(record.name_label), maskOf(record.VCPUs_params));
    known.power.may('Halted');
    model.add(known);
  }
  const host = published.get('host', world.daemon.objects.host);
  if (!model.hostMask.seen(maskOf(host.guest_VCPUs_params))) faults.push(`the host's mask is ${maskOf(host.guest_VCPUs_params)}`);
  if (!model.hostPolicy.seen(String(host.numa_affinity_policy))) faults.push(`the host's policy is ${String(host.numa_affinity_policy)}`);
  return faults;
}

function maskOf(params: unknown): string {
  return String((params as WireStruct).mask ?? '');
}

function checkBeliefs(vm: ModelVm, record: WireStruct): string[] {
  const faults: string[] = [];
  const compare = <T>(what: string, belief: { readonly values: readonly T[]; seen(value: T): boolean }, value: T): void => {
    const acknowledged = belief.values.join(' or ');
    if (!belief.seen(value))
      faults.push(`VM ${String(record.name_label)}: its ${what} is ${String(value)}, clients were told ${acknowledged}`);
  };
  compare('label', vm.label, String(record.name_label));
  compare('mask', vm.mask, maskOf(record.VCPUs_params));
  compare('power state', vm.power, record.power_state as Power);
  vm.raced = false;
  return faults;
}

/** A suspended VM has no domain. */
const POWER_BELOW: Readonly<Record<Power, VmState['power']>> = {
  Halted: 'halted',
  Running: 'running',
  Paused: 'paused',
  Suspended: 'halted',
};

function checkAgreement({ world }: Run, record: WireStruct, state: VmState | undefined): string[] {
  const name = `VM ${String(record.name_label)}`;
  const power = String(record.power_state);
  const domid = state?.domid ?? null;
  const faults: string[] = [];
  if (Object.keys(record.current_operations as WireStruct).length > 0) faults.push(`${name}: an operation never ended`);
  const below = state === undefined ? 'halted' : state.power;
  const wanted = POWER_BELOW[power as Power];
  if (below !== wanted) faults.push(`${name} is ${power}, and ${below} to the toolstack`);
  if (record.domid !== (domid ?? -1)) faults.push(`${name}: domain ${String(record.domid)} by its record, ${domid} by the toolstack`);
  const info = domid === null ? null : world.host.xc.domainInfo(domid);
  if (domid !== null && info === null) faults.push(`${name}: its domain ${domid} is not there`);
  if (info !== null && info.shutdown === null && info.paused !== (power === 'Paused')) {
    faults.push(`${name} is ${power}, and its domain ${domid} is ${info.paused ? '' : 'not '}paused`);
  }
  if (info !== null && info.shutdown !== null && world.shape.outlives) faults.push(`${name}: its guest went down, and nobody noticed`);
  return faults;
}

/** The disk has the published state, and no state in the middle of an operation. */
function checkDisk({ world }: Run): string[] {
  const faults: string[] = [];
  const { published } = world.daemon.database;
  const seen = new Set<string>();
  for (const type of new Set([...world.disk.objects.values()].map((one) => one.type).concat('VM'))) {
    if (!classOf(type).stored) continue;
    for (const [ref, record] of published.records(type)) {
      seen.add(ref);
      const onDisk = world.disk.record(ref);
      if (onDisk === null) faults.push(`${type} ${ref} was acknowledged and is not on disk`);
      else if (type === 'VM' && !isStored(onDisk, record)) faults.push(`VM ${ref} differs on disk: ${differences(onDisk, record)}`);
    }
  }
  for (const [ref, { type }] of world.disk.objects) {
    if (classOf(type).stored && !seen.has(ref)) faults.push(`${type} ${ref} is on disk and was never acknowledged, or is gone`);
  }
  for (const text of world.disk.domains.values()) {
    const { spec, phase, pending } = decodeVm(text);
    if (phase === 'starting' || phase === 'stopping' || pending.length > 0) {
      const now = world.daemon.toolstack.vms().find((one) => one.spec.name === spec.name);
      // An end that could not be stored is published all the same, and the next process comes to
      // it.
      if (now === undefined) faults.push(`the toolstack's VM ${spec.name} is ${phase} on disk, and unknown`);
    }
  }
  return faults;
}

/** Each start derives them anew: a build and the memory promised to it end with the process. */
const DERIVED = new Set(['allowed_operations', 'current_operations', 'scheduled_to_be_resident_on']);
/** Pairs that were equal. A record never changes: another takes its place. */
const equalPairs = new WeakMap<WireStruct, WireStruct>();

function isStored(onDisk: WireStruct, record: WireStruct): boolean {
  if (equalPairs.get(record) === onDisk) return true;
  const names = Object.keys(record);
  if (names.length !== Object.keys(onDisk).length) return false;
  for (const name of names) if (!DERIVED.has(name) && !isEqual(onDisk[name], record[name])) return false;
  equalPairs.set(record, onDisk);
  return true;
}

function isEqual(a: Wire | undefined, b: Wire | undefined): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  return recordText({ a }) === recordText({ a: b });
}

function differences(a: WireStruct, b: WireStruct): string {
  const text = (one: WireStruct, name: string) => JSON.stringify(one[name]);
  return Object.keys(b)
    .filter((name) => text(a, name) !== text(b, name))
    .map((name) => `${name} ${text(a, name)} for ${text(b, name)}`)
    .join(', ');
}

function checkBounds({ world, model }: Run): string[] {
  const { published } = world.daemon.database;
  const faults: string[] = [];
  if (published.count('task') > MOST_TASKS) faults.push(`${published.count('task')} tasks are kept`);
  if (world.virtual.waiting > MOST_TIMERS) faults.push(`${world.virtual.waiting} timers wait, and nothing is under way`);
  const placements = published.count('placement');
  if (placements > model.vms.length) faults.push(`${placements} placements are kept of ${model.vms.length} VMs`);
  if (world.disk.domains.size > model.vms.length) faults.push(`the toolstack keeps ${world.disk.domains.size} VMs of ${model.vms.length}`);
  return faults;
}
