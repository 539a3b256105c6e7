// The daemon's parts put together: state folder, database, toolstack, VMs of an earlier process, and the dispatcher. Everything but the
// network. Box of the chart: xe's other end.

import type { HostDoors } from '../xenopsd/api/host-doors.js';
import type { Outcome } from '../xenopsd/api/outcome.js';
import type { PolicyName, ProfileName } from '../xenopsd/api/profiles.js';
import { effectivePolicy, profileOf } from '../xenopsd/api/profiles.js';
import type { Toolstack } from '../xenopsd/api/toolstack.js';
import { createToolstack } from '../xenopsd/life/toolstack.js';
import { AuditLog } from './calls/audit-log.js';
import { type CallEnd, Dispatcher } from './calls/dispatch.js';
import { genericMethods } from './calls/generic-methods.js';
import type { Method } from './calls/method.js';
import { otherMethods } from './calls/other-methods.js';
import { SESSION_LIMITS, type SessionLimits, Sessions } from './calls/sessions.js';
import type { User } from './calls/users.js';
import { vmMethods } from './calls/vm-methods.js';
import { followEndings } from './life/endings.js';
import { restoreVms } from './life/restore.js';
import { VmLife } from './life/vm-life.js';
import { Database } from './model/database.js';
import { EventSource } from './model/events.js';
import { type HostObjects, hostMask, hostPolicy, makeHostObjects, updateMemory } from './model/host-objects.js';
import { CLASSES } from './model/schema.js';
import { StateFolder } from './model/sqlite.js';
import { Tasks } from './model/tasks.js';
import { xapiErrors } from './wire/errors.js';
import type { WireStruct } from './wire/values.js';

export interface DaemonLog {
  info(values: object, message: string): void;
  warn(values: object, message: string): void;
  error(values: object, message: string): void;
}

export interface DaemonOptions {
  readonly doors: HostDoors;
  readonly profile: ProfileName;
  /** Whose turn it is when VMs start side by side. */
  readonly seed: number;
  /** null = state in memory. */
  readonly state: string | null;
  /** File of the audit log; null = none. */
  readonly audit: string | null;
  /** What default_policy of the API stands for, where it is not the profile's own. */
  readonly policy: PolicyName;
  /** null = none kept. */
  readonly users: () => ReadonlyMap<string, User> | null;
  readonly sessions?: SessionLimits;
  readonly version: string;
  readonly address: string;
  readonly log: DaemonLog;
  readonly observe?: {
    readonly call?: (end: CallEnd) => void;
    readonly outcome?: (vm: WireStruct, outcome: Outcome, durationMs: number) => void;
  };
}

export interface Daemon {
  readonly database: Database;
  readonly toolstack: Toolstack;
  readonly dispatcher: Dispatcher;
  readonly sessions: Sessions;
  readonly events: EventSource;
  readonly objects: HostObjects;
  /** Waits for operations under way, then closes the state. */
  close(): Promise<void>;
}

/** @throws InputError for a state folder that cannot be used */
export async function openDaemon(options: DaemonOptions): Promise<Daemon> {
  const { doors, log } = options;
  const folder = new StateFolder(options.state);
  const audit = new AuditLog(options.audit);
  const database = new Database(folder, Date.now());
  const toolstack = await createToolstack(doors, {
    profile: options.profile,
    policy: options.policy,
    seed: options.seed,
    ...(doors.can.outlivesProcess ? { metadata: folder.domains() } : {}),
  });
  const objects = makeHostObjects(database, toolstack, options.version, options.address);
  const life = new VmLife(database, toolstack, () => objects.host, {
    outcome: (vm, outcome, startedMs) => {
      const durationMs = performance.now() - startedMs;
      logOutcome(log, vm, outcome, durationMs);
      options.observe?.outcome?.(vm, outcome, durationMs);
      memorySoon();
    },
  });
  let pending = false;
  // Hundreds of starts in one turn of the event loop change the host's free memory once.
  const memorySoon = (): void => {
    if (pending) return;
    pending = true;
    setImmediate(() => {
      pending = false;
      updateMemory(database, toolstack, objects);
    });
  };
  const policyOf = (host: WireStruct): PolicyName => {
    const policy = hostPolicy(host);
    return policy === 'default_policy' ? options.policy : policy;
  };
  const record = database.get('host', objects.host);
  const restored = await restoreVms(database, toolstack, life, { policy: policyOf(record), hostMask: hostMask(record) });
  for (const vm of restored.lost) log.error(vm, 'a VM that ran could not be brought back and is halted now');
  if (restored.running > 0) log.info({ running: restored.running }, 'VMs that ran are running again');
  const stopFollowing = doors.can.runsGuests
    ? await followEndings({
        database,
        toolstack,
        life,
        ended: (vm, outcome) => {
          logOutcome(log, vm, outcome, 0);
          memorySoon();
        },
        failed: (values, error) =>
          log.error(
            { ...values, error: error instanceof Error ? error.message : String(error) },
            'the end of a guest could not be followed',
          ),
      })
    : null;
  const sessions = new Sessions(options.users, options.sessions ?? SESSION_LIMITS);
  const events = new EventSource(database);
  const tasks = new Tasks(database);
  updateMemory(database, toolstack, objects);
  database.flushNow();
  const dispatcher = new Dispatcher({
    database,
    sessions,
    tasks,
    host: () => objects.host,
    methods: allMethods({ database, toolstack, life, objects, sessions, events, tasks, policyOf }),
    ended: (end) => {
      if (end.changes) audit.write(end);
      options.observe?.call?.(end);
    },
  });
  return {
    database,
    toolstack,
    dispatcher,
    sessions,
    events,
    objects,
    close: async () => {
      await stopFollowing?.();
      await dispatcher.idle();
      await life.queues.idle();
      database.flushNow();
      audit.close();
      folder.close();
    },
  };
}

interface Parts {
  readonly database: Database;
  readonly toolstack: Toolstack;
  readonly life: VmLife;
  readonly objects: HostObjects;
  readonly sessions: Sessions;
  readonly events: EventSource;
  readonly tasks: Tasks;
  readonly policyOf: (host: WireStruct) => PolicyName;
}

function allMethods({ database, toolstack, life, objects, sessions, events, tasks, policyOf }: Parts): Method[] {
  const host = () => objects.host;
  const hooks: Readonly<Record<string, Parameters<typeof genericMethods>[2]>> = {
    host: {
      check: (_ref, field, value) => {
        if (field !== 'numa_affinity_policy') return;
        try {
          effectivePolicy(profileOf(toolstack.profile), value as Toolstack['policy']);
        } catch (error) {
          throw xapiErrors.valueNotSupported('numa_affinity_policy', String(value), error instanceof Error ? error.message : String(error));
        }
      },
      changed: (ref, field) => {
        const record = database.get('host', ref);
        if (field === 'numa_affinity_policy') toolstack.setPolicy(policyOf(record));
        if (field === 'guest_VCPUs_params') toolstack.setHostMask(hostMask(record));
      },
    },
    VM: {
      changed: (ref, field) => {
        if (field !== 'is_a_template' && field !== 'blocked_operations') return;
        if (Object.keys(database.get('VM', ref).current_operations as WireStruct).length > 0) return;
        database.update('VM', ref, { allowed_operations: life.allowedNow(ref) });
      },
    },
  };
  return [
    ...[...CLASSES.values()].filter(({ listed }) => listed).flatMap((type) => genericMethods(database, type, hooks[type.name])),
    ...vmMethods({ database, life, host, canSuspend: toolstack.doors.can.suspend }),
    ...otherMethods({
      database,
      sessions,
      events,
      tasks,
      host,
      pool: () => objects.pool,
      freeMemoryBytes: () => toolstack.doors.xc.physInfo().freePages * 4096,
    }),
  ];
}

/** One line a decision: the way through the chart, and where it led. */
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
