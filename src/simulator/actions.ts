// Actions of clients, the host's administrator and guests. A random number of the step chooses
// each.
import { InputError, XenError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { MIB } from '../base/units.js';
import { type Wire, WireFloat, type WireStruct } from '../xapi/wire/values.js';
import type { ModelVm, Power } from './model.js';
import { ModelVm as Vm } from './model.js';
import type { Run } from './run.js';

/** @returns a name and the result; null = the action had no target */
export type Action = (run: Run, random: Random) => Promise<string | null> | string | null;

const MAX_VMS = 8;
/** Domids of domains that do not belong to the daemon. */
const FIRST_OTHER_DOMID = 10_000;
const MASKS = ['', '0', '0,1', '1;2', '0-3', '3,4;0', '99', '1, 2', '-', '2,3,4,5,6,7'] as const;
const POLICIES = ['any', 'best_effort', 'default_policy'] as const;
const ALL: readonly Power[] = ['Halted', 'Running', 'Paused', 'Suspended'];

function maskStruct(mask: string): WireStruct {
  return mask === '' ? {} : { mask };
}

const create: Action = (run, random) => {
  if (run.model.vms.length >= MAX_VMS) return null;
  const label = `vm-${random.below(1000)}`;
  const mask = random.chance(50) ? random.pick(MASKS) : '';
  const bytes = random.between(1, 40) * 64 * MIB;
  const vcpus = random.between(1, 4);
  const record: WireStruct = {
    name_label: label,
    domain_type: random.pick(['hvm', 'pv', 'pvh', 'pv_in_pvh']),
    PV_kernel: '/boot/guest',
    VCPUs_max: vcpus,
    VCPUs_at_startup: random.between(1, vcpus),
    VCPUs_params: maskStruct(mask),
    memory_static_min: 0,
    memory_dynamic_min: 0,
    memory_dynamic_max: random.chance(20) ? bytes / 2 : bytes,
    memory_static_max: bytes,
    actions_after_shutdown: random.pick(['destroy', 'restart']),
    actions_after_reboot: random.pick(['destroy', 'restart']),
    actions_after_crash: random.pick(['destroy', 'restart']),
  };
  return making(run, 'VM.create', [record], label, mask);
};

const clone: Action = (run, random) => {
  const vm = anyVm(run, random);
  if (vm === null || run.model.vms.length >= MAX_VMS || vm.mask.values.length > 1 || vm.busy > 0) return null;
  const label = `vm-${random.below(1000)}`;
  return making(run, 'VM.clone', [vm.ref, label], label, vm.mask.values[0]!);
};

async function making(run: Run, method: string, params: readonly Wire[], label: string, mask: string): Promise<string> {
  const answer = await run.call('admin', method, params);
  if (answer.kind === 'value') run.model.add(new Vm(String(answer.value), label, mask));
  else if (answer.kind === 'lost') run.model.unknownCreations++;
  return run.answerText(method, answer);
}

/** Runs a call that changes one VM; what it may come to is believed from the beginning. */
async function changing(run: Run, vm: ModelVm, method: string, params: readonly Wire[], about: VmEffect): Promise<string> {
  if (vm.busy > 0) vm.raced = true;
  vm.busy++;
  const before = { power: vm.power.values, label: vm.label.values, mask: vm.mask.values, exists: vm.exists.values };
  about.may(vm);
  const answer = await run.call('admin', method, [vm.ref, ...params]);
  vm.busy--;
  if (answer.kind === 'value' && !vm.raced) about.done(vm);
  else if (answer.kind === 'error' && !vm.raced) {
    const isAsBefore = about.atomic || answer.text.includes('nothing was changed');
    vm.power.only(isAsBefore ? before.power : [...new Set([...before.power, 'Halted' as const])]);
    vm.label.only(before.label);
    vm.mask.only(before.mask);
    vm.exists.only(before.exists);
  }
  return run.answerText(method, answer);
}

interface VmEffect {
  readonly may: (vm: ModelVm) => void;
  readonly done: (vm: ModelVm) => void;
  /** Every refusal means that nothing happened; otherwise the VM may also have stopped. */
  readonly atomic: boolean;
}

function powering(method: string, params: (run: Run, random: Random) => readonly Wire[], to: (random: Random) => Power | null): Action {
  return (run, random) => {
    const vm = anyVm(run, random);
    if (vm === null) return null;
    const given = params(run, random);
    const target = to(random);
    const effect: VmEffect = {
      may: (one) => one.power.may('Halted', ...(target === null ? [] : [target])),
      done: (one) => {
        if (target !== null) one.power.is(target);
      },
      atomic: false,
    };
    return changing(run, vm, method, given, effect);
  };
}

const none = (): readonly Wire[] => [];
const start: Action = (run, random) => {
  const paused = random.chance(25);
  return powering(
    'VM.start',
    () => [paused, false],
    () => (paused ? 'Paused' : 'Running'),
  )(run, random);
};
/** To the state that it had: a reboot of a paused VM runs, a migrated one stays as it was. */
const migrate: Action = (run, random) => {
  const vm = anyVm(run, random);
  if (vm === null) return null;
  const effect: VmEffect = { may: (one) => one.power.may('Halted'), done: () => {}, atomic: false };
  return changing(run, vm, 'VM.pool_migrate', [run.world.daemon.objects.host, {}], effect);
};

const destroy: Action = (run, random) => {
  const vm = anyVm(run, random);
  if (vm === null) return null;
  return changing(run, vm, 'VM.destroy', [], { may: (one) => one.exists.may(false), done: (one) => one.exists.is(false), atomic: true });
};

const rename: Action = (run, random) => {
  const vm = anyVm(run, random);
  if (vm === null) return null;
  const label = `vm-${random.below(1000)}`;
  const effect: VmEffect = { may: (one) => one.label.may(label), done: (one) => one.label.is(label), atomic: true };
  return changing(run, vm, 'VM.set_name_label', [label], effect);
};

const setMask: Action = (run, random) => {
  const vm = anyVm(run, random);
  if (vm === null) return null;
  const mask = random.pick(MASKS);
  const effect: VmEffect = { may: (one) => one.mask.may(mask), done: (one) => one.mask.is(mask), atomic: true };
  return changing(run, vm, 'VM.set_VCPUs_params', [maskStruct(mask)], effect);
};

const setHostMask: Action = async (run, random) => {
  const mask = random.chance(50) ? '' : random.pick(MASKS);
  run.model.hostMask.may(mask);
  const answer = await run.call('admin', 'host.set_guest_VCPUs_params', [run.world.daemon.objects.host, maskStruct(mask)]);
  if (answer.kind === 'value' && run.pending.size === 1) run.model.hostMask.is(mask);
  return run.answerText('host.set_guest_VCPUs_params', answer);
};

const setPolicy: Action = async (run, random) => {
  const policy = random.pick(POLICIES);
  run.model.hostPolicy.may(policy);
  const answer = await run.call('admin', 'host.set_numa_affinity_policy', [run.world.daemon.objects.host, policy]);
  if (answer.kind === 'value' && run.pending.size === 1) run.model.hostPolicy.is(policy);
  return run.answerText('host.set_numa_affinity_policy', answer);
};

const ASYNC = ['start', 'clean_shutdown', 'hard_reboot', 'pool_migrate', 'pause'] as const;
const asynchronous: Action = async (run, random) => {
  const vm = anyVm(run, random);
  if (vm === null) return null;
  const method = random.pick(ASYNC);
  // Its outcome is checked when all is quiet.
  vm.raced = true;
  vm.power.may(...ALL);
  const more: Record<string, readonly Wire[]> = { start: [false, false], pool_migrate: [run.world.daemon.objects.host, {}] };
  const answer = await run.call('admin', `Async.VM.${method}`, [vm.ref, ...(more[method] ?? [])]);
  if (answer.kind === 'value' && random.chance(30)) await run.call('admin', 'task.cancel', [String(answer.value)]);
  return run.answerText(`Async.VM.${method}`, answer);
};

/** Any change by a reader is refused. */
const forbidden: Action = async (run, random) => {
  const vm = anyVm(run, random);
  const [method, params] = random.pick<readonly [string, readonly Wire[]]>([
    ['VM.start', [vm?.ref ?? '', false, false]],
    ['VM.destroy', [vm?.ref ?? '']],
    ['VM.set_name_label', [vm?.ref ?? '', 'mine']],
    ['host.set_guest_VCPUs_params', [run.world.daemon.objects.host, {}]],
  ]);
  const answer = await run.call('reader', method, params);
  if (answer.kind === 'value' || (answer.kind === 'error' && !/RBAC_PERMISSION_DENIED|SESSION_/.test(answer.code))) {
    run.fault(`a read-only user called ${method}: ${JSON.stringify(answer)}`);
  }
  return run.answerText(`reader ${method}`, answer);
};

const READS = ['VM.get_all_records', 'host.get_all_records', 'VM_metrics.get_all', 'task.get_all_records', 'VM.get_all'] as const;
const read: Action = async (run, random) => {
  const method = random.pick(READS);
  const answer = await run.call('reader', method, []);
  if (answer.kind === 'error' && !answer.code.startsWith('SESSION_')) run.fault(`a read was refused: ${method}: ${answer.code}`);
  return `${method} ${answer.kind}`;
};

const watch: Action = async (run, random) => {
  const answer = await run.call('reader', 'event.from', [['*'], run.eventToken, new WireFloat(random.below(5))]);
  if (answer.kind === 'value') run.eventToken = String((answer.value as WireStruct).token);
  else run.eventToken = '';
  return run.answerText('event.from', answer.kind === 'value' ? { ...answer, value: '' } : answer);
};

const login: Action = async (run, random) => {
  const who = random.pick(['admin', 'reader'] as const);
  if (random.chance(60)) return run.answerText(`login ${who}`, await run.login(who));
  const user = random.pick(['root', 'viewer', 'nobody']);
  const answer = await run.raw('session.login_with_password', [user, 'wrong', '1.0', 'guess'], `10.0.0.${random.below(4)}`);
  if (answer.kind === 'value') run.fault(`${user} was let in with a wrong password`);
  return run.answerText('wrong password', answer);
};

const logout: Action = async (run, random) => {
  return run.answerText('logout', await run.logout(random.pick(['admin', 'reader'] as const)));
};

/**
 * Actions of the host's administrator outside the daemon. Xen's refusals do not concern the daemon.
 */
function byAdministrator(name: string, work: (run: Run, random: Random) => unknown): Action {
  return (run, random) => {
    try {
      return `${name} ${String(work(run, random) ?? '')}`;
    } catch (error) {
      if (error instanceof XenError) return `${name} ${error.errno}`;
      throw error;
    }
  };
}

const hotplug = byAdministrator('CPU hotplug', ({ world: { administrator, shape } }, random) => {
  const cpu = random.below(shape.nodes * shape.cpusPerNode);
  // More domains are created than destroyed.
  if (random.chance(40)) administrator.cpuOffline(cpu);
  else administrator.cpuOnline(cpu);
  return cpu;
});

const pools = byAdministrator('pools', ({ world: { administrator: xc, shape, daemon } }, random) => {
  const list = xc.cpupoolList();
  const pool = random.pick(list);
  const cpu = random.below(shape.nodes * shape.cpusPerNode);
  switch (random.below(6)) {
    case 0:
      return list.length < 4 ? xc.cpupoolCreate('credit') : null;
    case 1:
      return xc.cpupoolDestroy(pool.id);
    case 2:
      return xc.cpupoolRemoveCpu(pool.id, cpu);
    case 3: {
      const domids = daemon.toolstack.vms().flatMap(({ domid }) => domid ?? []);
      return domids.length > 0 ? xc.cpupoolMoveDomain(pool.id, random.pick(domids)) : null;
    }
    default: {
      const free = xc.cpupoolFreeCpus();
      return free.length > 0 ? xc.cpupoolAddCpu(random.chance(70) ? 0 : pool.id, random.pick(free)) : null;
    }
  }
});

/** As `xl vcpu-pin` and xc_domain_node_setaffinity through the toolstack. */
const manualChange: Action = async (run, random) => {
  const { toolstack } = run.world.daemon;
  const running = toolstack.vms().filter(({ domid }) => domid !== null);
  if (running.length === 0) return null;
  const { spec } = random.pick(running);
  const { nodes, cpusPerNode } = run.world.shape;
  const cpus = Array.from({ length: random.between(1, 3) }, () => random.below(nodes * cpusPerNode)).sort((a, b) => a - b);
  const soft = random.chance(50);
  const affinity = random.chance(40) ? 'all' : [random.below(nodes)];
  const pin = random.chance(60);
  try {
    const work = pin
      ? toolstack.pin(spec.name, 'all', soft ? { soft: cpus } : { hard: cpus })
      : toolstack.setNodeAffinity(spec.name, affinity);
    const outcome = await run.outcome(work);
    return `${pin ? 'pin' : 'node affinity'} ${outcome === null ? 'lost' : (outcome.failure?.kind ?? 'done')}`;
  } catch (error) {
    // It ended meanwhile.
    if (error instanceof InputError) return `manual change: ${error.message.replace(/'.*'/, '')}`;
    throw error;
  }
};

/** A guest that shuts down by itself, as XenStore announces. */
const guestEnds: Action = async (run, random) => {
  const { world, model } = run;
  if (!world.shape.outlives) return null;
  const running = world.daemon.toolstack.vms().filter(({ domid }) => domid !== null);
  if (running.length === 0) return null;
  const { spec, domid } = random.pick(running);
  const vm = model.vms.find(({ ref }) => world.daemon.database.published.object('VM', ref)?.record?.uuid === spec.name);
  if (vm !== undefined) {
    vm.raced = true;
    vm.power.may(...ALL);
  }
  const reason = random.pick([0, 1, 3]);
  try {
    world.administrator.domainShutdown(domid!, reason);
  } catch (error) {
    if (!(error instanceof XenError)) throw error;
  }
  // What xenstored does at VIRQ_DOM_EXC: it fires @releaseDomain.
  const other = FIRST_OTHER_DOMID + run.guestEnds++;
  await world.host.xs.introduce(other, 1n, 1);
  await world.host.xs.release(other);
  return `guest ends ${reason}`;
};

const clock: Action = async ({ world: { virtual } }, random) => {
  const ms = random.pick([1, 50, 1000, 60_000, 7 * 3_600_000]);
  if (random.chance(50)) virtual.jumpWallClock(random.chance(50) ? ms : -ms);
  else await virtual.advance(Math.min(ms, 5000));
  return `clock ${ms}`;
};

const storm: Action = ({ world: { faults } }, random) => {
  if (faults.active) faults.heal();
  else if (random.chance(30)) faults.diskErrno = random.pick(['ENOSPC', 'EIO', 'EROFS']);
  else faults.perMille = random.pick([3, 20, 100]);
  return `faults ${faults.perMille} ${faults.diskErrno ?? ''}`;
};

/** After some calls through doors, or some turns of the event loop. */
const killSoon: Action = ({ world: { life } }, random) => {
  if (random.chance(50)) life.callsLeft = random.below(60);
  else life.killInTurns(random.below(40));
  return 'to be killed';
};

/** An administrator changes the file of users, or spoils it. */
const changeUsers: Action = ({ world: { users } }, random) => {
  users.leave(random.pick(['both', 'both', 'without the reader', 'spoilt'] as const));
  return `users ${users.state}`;
};

const restart: Action = async (run, random) => {
  await run.restart(random.chance(50));
  return 'restart';
};

const halt = (): Power => 'Halted';
const running = (): Power => 'Running';

export const ACTIONS: readonly (readonly [Action, number])[] = [
  [create, 8],
  [clone, 2],
  [start, 14],
  [powering('VM.pause', none, () => 'Paused'), 4],
  [powering('VM.unpause', none, running), 4],
  [powering('VM.clean_shutdown', none, halt), 4],
  [powering('VM.hard_shutdown', none, halt), 4],
  [powering('VM.hard_reboot', none, running), 4],
  [powering('VM.clean_reboot', none, running), 2],
  [powering('VM.suspend', none, () => 'Suspended'), 2],
  [powering('VM.resume', () => [false, false], running), 2],
  [migrate, 4],
  [destroy, 3],
  [rename, 3],
  [setMask, 5],
  [setHostMask, 2],
  [setPolicy, 2],
  [asynchronous, 4],
  [forbidden, 2],
  [read, 4],
  [watch, 3],
  [login, 3],
  [logout, 1],
  [hotplug, 4],
  [pools, 4],
  [manualChange, 4],
  [guestEnds, 4],
  [clock, 3],
  [storm, 4],
  [changeUsers, 1],
  [killSoon, 1],
  [restart, 1],
];

function anyVm({ model }: Run, random: Random): ModelVm | null {
  return model.vms.length === 0 ? null : random.pick(model.vms);
}
