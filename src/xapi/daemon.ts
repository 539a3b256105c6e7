// The daemon's parts put together: state folder, database, toolstack, VMs of an earlier process,
// and the dispatcher. Everything but the network.

import { InputError } from '../base/errors.js';
import { FILE_CALLS, type FileCalls } from '../base/file-calls.js';
import type { HostDoors } from '../xenopsd/api/host-doors.js';
import type { Outcome } from '../xenopsd/api/outcome.js';
import type { PolicyName, ProfileName } from '../xenopsd/api/profiles.js';
import type { Toolstack } from '../xenopsd/api/toolstack.js';
import { createToolstack } from '../xenopsd/life/toolstack.js';
import { allMethods, type Parts } from './calls/all-methods.js';
import { AuditLog } from './calls/audit-log.js';
import { type CallEnd, Dispatcher } from './calls/dispatch.js';
import { Ledger, type Shares } from './calls/ledger.js';
import { LoginMemory } from './calls/login-memory.js';
import { type SessionLimits, Sessions } from './calls/sessions.js';
import { Turns } from './calls/turns.js';
import type { User } from './calls/users.js';
import { ensureFirstObjects } from './devices/first-objects.js';
import { allowAll, followDevices } from './devices/follow.js';
import { Answers } from './http/answers.js';
import { allowAppliances, followAppliances } from './life/allowed-appliance.js';
import { ensureDomainZero } from './life/domain-zero.js';
import { followEndings } from './life/endings.js';
import { hostPolicy } from './life/numa-policy.js';
import { restoreVms, revertVm } from './life/restore.js';
import { VmLife } from './life/vm-life.js';
import { Database, PROBE_MS } from './model/database.js';
import { openState } from './model/disk/open-state.js';
import type { StateFolderOptions } from './model/disk/sqlite.js';
import { EventSource } from './model/events.js';
import { type HostObjects, hostMask, makeHostObjects, updateMemory } from './model/host-objects.js';
import type { PoolHost, PoolHosts } from './model/pool-hosts.js';
import type { StoredObject } from './model/published.js';
import type { RecordShares } from './model/record-bounds.js';
import { type StateStore, StorageError } from './model/storage.js';
import { Tasks } from './model/tasks.js';
import { RrdStore } from './rrd/store.js';
import type { WireStruct } from './wire/values.js';

export interface DaemonLog {
  info(values: object, message: string): void;
  warn(values: object, message: string): void;
  error(values: object, message: string): void;
}

export interface DaemonOptions {
  /** Doors of the pool's coordinator. */
  readonly doors: HostDoors;
  /** Further embedded hosts of the pool. */
  readonly others?: readonly HostDoors[];
  readonly profile: ProfileName;
  /** Seed for the order of parallel starts, and for the choice among hosts. */
  readonly seed: number;
  /** null = state in memory. */
  readonly state: string | null;
  /** File of the audit log; null = none. */
  readonly audit: string | null;
  /** What default_policy of the API stands for, where it is not the profile's own. */
  readonly policy: PolicyName;
  /** Tests: the file system and the storage with faults in them. */
  readonly files?: FileCalls;
  readonly nowMs?: () => number;
  readonly wrapState?: (state: StateStore) => StateStore;
  /** null = none kept. */
  readonly users: () => ReadonlyMap<string, User> | null;
  readonly sessions?: SessionLimits;
  readonly shares?: Partial<Shares>;
  readonly records?: RecordShares;
  readonly version: string;
  readonly address: string;
  /** What clients get by TLS, in PEM; null = no TLS. */
  readonly certificate?: string | null;
  readonly log: DaemonLog;
  readonly observe?: {
    readonly call?: (end: CallEnd) => void;
    readonly outcome?: (vm: WireStruct, outcome: Outcome, durationMs: number) => void;
  };
}

export interface Daemon {
  /** Version of xennuma. */
  readonly version: string;
  readonly database: Database;
  /** The coordinator's. */
  readonly toolstack: Toolstack;
  readonly hosts: PoolHosts;
  readonly dispatcher: Dispatcher;
  readonly sessions: Sessions;
  readonly ledger: Ledger;
  readonly tasks: Tasks;
  /** Time of the one thread, and large answers, by client. */
  readonly turns: Turns;
  readonly answers: Answers;
  readonly events: EventSource;
  readonly objects: HostObjects;
  /** Data sources over time; their reading is to be started. */
  readonly rrds: RrdStore;
  /** The reason why no changes are accepted now; null = they are. */
  writable(): StorageError | null;
  /** Lines that the audit log lost, as more came than can wait for room on its disk. */
  lostAuditLines(): number;
  /** The whole state as one database file; null when it is in memory. */
  backup(): Buffer | null;
  /** Reopens the audit log after a rename. */
  reopenLogs(): void;
  /** Waits for operations in progress, then closes the state. */
  close(): Promise<void>;
}

/** @throws InputError for a state folder that cannot be used */
export async function openDaemon(options: DaemonOptions): Promise<Daemon> {
  const { doors, log, certificate = null } = options;
  const opened = await openState(options.state, stateOptions(options));
  const state = options.wrapState?.(opened) ?? opened;
  const audit = openAudit(options);
  const database = new Database(state, Date.now(), options.records);
  const writable = () => database.fault ?? audit.fault;
  reportStorage(database, log);
  const watch = options.state === null ? null : setInterval(() => database.checkPlace(), PROBE_MS).unref();
  const toolstacks = await openToolstacks(options, state);
  const { objects, hosts, added } = makeHostObjects(database, toolstacks, options.version, options.address);
  const { toolstack } = hosts.coordinator;
  for (const host of hosts.all) ensureDomainZero(database, host);
  if (doors.kind === 'embedded') ensureFirstObjects(database, objects, hosts, added);
  storeStart(database, objects);
  const life = makeLife(options, database, hosts);
  const policyOf = (host: WireStruct): PolicyName => hostPolicy(host, options.policy);
  await restore({ database, hosts, life, policyOf, log });
  allowAll(database);
  allowAppliances(database);
  followPublished({ database, hosts, life, policyOf });
  const following = {
    ended: (vm: WireStruct, outcome: Outcome) => logOutcome(log, vm, outcome, 0),
    failed: (values: object, error: unknown) => log.error({ ...values, error: textOf(error) }, 'the end of a guest could not be followed'),
  };
  const stopFollowing = doors.can.runsGuests ? await followEndings({ database, toolstack, life, ...following }) : null;
  const [ledger, turns] = [new Ledger(options.shares), new Turns()];
  const answers = new Answers(ledger, turns);
  const logins = openLogins(options, database);
  const sessions = new Sessions(options.users, options.sessions, Date.now, ledger, logins);
  const events = new EventSource(database.published, () => database.commitUnderWay);
  const tasks = new Tasks(database);
  storeStart(database, objects);
  updateMemory(database, hosts);
  const rrds = openRrds(options, hosts, database);
  const dispatcher = new Dispatcher({
    database,
    sessions,
    tasks,
    ledger,
    writable,
    host: () => objects.host,
    methods: allMethods({ database, hosts, life, objects, sessions, events, tasks, ledger, rrds, turns, certificate }),
    ended: (end) => {
      if (end.changes) audit.write(end);
      options.observe?.call?.(end);
    },
  });
  return {
    version: options.version,
    ...{ database, toolstack, hosts, dispatcher, sessions, ledger, tasks, turns, answers, events, objects, rrds },
    ...{ writable, lostAuditLines: () => audit.lost },
    backup: () => state.backup(),
    reopenLogs: () => audit.reopen(),
    close: async () => {
      life.endDelays();
      rrds.close();
      logins?.close();
      await stopFollowing?.();
      await dispatcher.idle();
      life.settlement.close();
      await life.queues.idle();
      await database.flushed().catch((error: unknown) => log.error({ error: textOf(error) }, 'the last changes could not be stored'));
      if (watch !== null) clearInterval(watch);
      database.close();
      audit.close();
      state.close();
    },
  };
}

/** The coordinator's first. What is kept of a real host's domains outlives this process. */
async function openToolstacks({ doors, others = [], profile, policy, seed }: DaemonOptions, state: StateStore): Promise<Toolstack[]> {
  const metadata = doors.can.outlivesProcess ? { metadata: state.domains() } : {};
  const toolstacks = [await createToolstack(doors, { profile, policy, seed, ...metadata })];
  for (const other of others) toolstacks.push(await createToolstack(other, { profile, policy, seed }));
  return toolstacks;
}

function openLogins({ state, files, log }: DaemonOptions, database: Database): LoginMemory | null {
  if (state === null) return null;
  return new LoginMemory({
    folder: state,
    files: files ?? FILE_CALLS,
    warn: (values, message) => log.warn(values, message),
    // Where the state was moved away, the folder of that name may be another daemon's.
    inPlace: () => database.fault?.errno !== 'ESTALE',
  });
}

function openRrds({ state, files, nowMs, log }: DaemonOptions, hosts: PoolHosts, database: Database): RrdStore {
  return new RrdStore({
    hosts,
    database,
    folder: state,
    files: files ?? FILE_CALLS,
    warn: (values, message) => log.warn(values, message),
    nowMs: nowMs ?? Date.now,
  });
}

/** VMs whose outcomes are logged, and whose refused changes are taken back. */
function makeLife({ log, observe, seed }: DaemonOptions, database: Database, hosts: PoolHosts): VmLife {
  const life: VmLife = new VmLife(database, hosts, seed, {
    outcome: (vm, outcome, startedMs) => {
      const durationMs = performance.now() - startedMs;
      logOutcome(log, vm, outcome, durationMs);
      observe?.outcome?.(vm, outcome, durationMs);
    },
    refused: async (vm) => {
      const unwanted = await revertVm(database, hosts, life, vm);
      updateMemory(database, hosts);
      return unwanted;
    },
  });
  return life;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function stateOptions({ files, log }: DaemonOptions): StateFolderOptions {
  return {
    ...(files === undefined ? {} : { files }),
    countFailed: (error) => log.warn({ error: textOf(error) }, 'the count of commits could not be written: lost commits may go unnoticed'),
  };
}

function openAudit({ audit, files, log }: DaemonOptions): AuditLog {
  return new AuditLog({
    file: audit,
    ...(files === undefined ? {} : { files }),
    changed: (fault) => {
      if (fault === null) log.info({}, 'the audit log is written again');
      else log.error({ errno: fault.errno }, `the audit log cannot be written, and no changes are accepted: ${fault.reason}`);
    },
    lost: (lines) => log.error({ lines }, 'lines of the audit log are lost: each was written to this log when it came'),
    unwritten: (line) => log.error({ audit: line }, 'a line of the audit log waits to be written'),
  });
}

function reportStorage(database: Database, log: DaemonLog): void {
  database.subscribe({
    storage: (fault) => {
      if (fault === null) log.info({}, 'storage accepts changes again');
      else log.error({ errno: fault.errno }, `the daemon is read-only: ${fault.reason}`);
    },
  });
}

/**
 * A daemon whose disk is full starts and serves reads, unless this is its first start. @throws
 * InputError then
 */
function storeStart(database: Database, { host, pool }: HostObjects): void {
  try {
    database.flushNow();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    if (database.published.object('host', host) !== undefined && database.published.object('pool', pool) !== undefined) return;
    throw new InputError(`the state cannot be stored: ${error.message}`, {}, 'make room on the disk, or choose another folder');
  }
}

type RestoreParts = Pick<Parts, 'database' | 'hosts' | 'life'> & { readonly policyOf: (host: WireStruct) => PolicyName };

async function restore({ database, hosts, life, policyOf, log }: RestoreParts & { readonly log: DaemonLog }): Promise<void> {
  const restored = await restoreVms(database, hosts, life, (host) => {
    const record = database.get('host', host);
    return { policy: policyOf(record), hostMask: hostMask(record) };
  });
  for (const vm of restored.lost) log.error(vm, 'a VM that ran could not be brought back and is halted now');
  if (restored.running > 0) log.info({ running: restored.running }, 'VMs that ran are running again');
}

/**
 * What follows from records is done when they are published: a change that storage refuses has no
 * effect.
 */
function followPublished({ database, hosts, life, policyOf }: RestoreParts): void {
  const applyHost = ({ ref, toolstack }: PoolHost): void => {
    const record = database.published.get('host', ref);
    toolstack.setPolicy(policyOf(record));
    toolstack.setHostMask(hostMask(record));
  };
  const allow = ({ ref }: StoredObject): void => {
    const vm = database.published.object('VM', ref);
    if (vm === undefined || Object.keys(vm.record!.current_operations as WireStruct).length > 0) return;
    const allowed = life.allowedNow(ref);
    const before = vm.record!.allowed_operations as readonly string[];
    if (before.join() !== allowed.join()) database.update('VM', ref, { allowed_operations: allowed }, 'derived');
  };
  database.subscribe({
    published: (changed) => {
      forgetHosts({ database, hosts, life }, changed);
      for (const host of hosts.all) if (changed.some(({ ref }) => ref === host.ref)) applyHost(host);
      const vms = changed.filter(({ type }) => type === 'VM');
      for (const vm of vms) allow(vm);
      followDevices(database, changed);
      followAppliances(database, changed);
      // Once for all VMs whose domains came or went in this commit.
      if (!changed.some(({ type }) => type === 'VM_metrics')) return;
      const refs = vms.map(({ ref }) => ref);
      updateMemory(database, hosts, refs);
    },
  });
}

/** Hosts that have left the pool, with the objects that are not kept. */
function forgetHosts({ database, hosts, life }: Omit<RestoreParts, 'policyOf'>, changed: readonly StoredObject[]): void {
  for (const { ref, type, record } of changed) {
    const gone = type === 'host' && record === null ? hosts.find(ref) : null;
    if (gone === null) continue;
    hosts.remove(ref);
    life.dropHost(ref);
    database.destroy('host_metrics', gone.metrics);
    for (const [cpu, { host }] of [...database.records('host_cpu')]) if (host === ref) database.destroy('host_cpu', cpu);
  }
}

/** One line for each decision: the path through the chart, and its result. */
function logOutcome(log: DaemonLog, vm: WireStruct, outcome: Outcome, durationMs: number): void {
  const { record, failure, domid, operation, landing } = outcome;
  const surprises = record.surprises();
  const values = {
    vm: vm.name_label,
    uuid: vm.uuid,
    operation,
    domid,
    ms: Math.round(durationMs * 1000) / 1000,
    path: record.edgesTaken(),
    ...(landing ?? {}),
    ...(surprises.length > 0 ? { surprises } : {}),
  };
  if (failure === null) log.info(values, `${operation} of a VM`);
  else log.warn({ ...values, failure }, `${operation} of a VM failed`);
}
