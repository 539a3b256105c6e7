// Plays a scenario's events on a toolstack, one after another, and reports the outcome of each.

import { InputError, XenError } from '../base/errors.js';
import { expandVms } from '../machine/readers/vm-file.js';
import type { HostMap } from '../map/host-map.js';
import type { Outcome } from '../xenopsd/api/outcome.js';
import type { Toolstack } from '../xenopsd/api/toolstack.js';
import { type Check, compare, members } from './expectations.js';
import type { Scenario } from './read-scenario.js';
import { EVENT_KINDS, type ScenarioEvent } from './schema.js';

export interface EventResult {
  /** Position in the scenario, from 0. */
  readonly index: number;
  /** "start web-1, web-2" */
  readonly title: string;
  readonly note: string | null;
  readonly outcomes: readonly Outcome[];
  /** Xen's answer to a refused manual call (CPU hotplug, pools): "cpu_offline: [16] EBUSY". */
  readonly refusal: string | null;
  readonly checks: readonly Check[];
  /** Whether every check held and every failure was expected by an `expect`. */
  readonly asExpected: boolean;
}

/** The VMs described in the scenario must have been added to the toolstack before. */
export async function* runScenario(scenario: Scenario, toolstack: Toolstack): AsyncGenerator<EventResult> {
  for (const [index, event] of scenario.events.entries()) {
    try {
      yield await play(scenario, toolstack, event, index);
    } catch (error) {
      if (!(error instanceof InputError) || error.place.file !== undefined) throw error;
      const kind = EVENT_KINDS.find((name) => event[name] !== undefined)!;
      throw scenario.fault(index, error.place.path === 'expect' ? ['expect'] : [kind], error.message, error.mend);
    }
  }
}

async function play(scenario: Scenario, toolstack: Toolstack, event: ScenarioEvent, index: number): Promise<EventResult> {
  let refusal: string | null = null;
  let outcomes: Outcome[] = [];
  try {
    outcomes = await act(scenario, toolstack, event, index);
  } catch (error) {
    if (!(error instanceof XenError)) throw error;
    refusal = error.message;
  }
  const checks = checkEvent(toolstack, event, outcomes, refusal);
  const foreseen = event.expect?.fails !== undefined && event.expect.fails !== false;
  const failed = refusal !== null || outcomes.some((outcome) => outcome.failure !== null);
  return {
    index,
    title: titleOf(event),
    note: event.note ?? null,
    outcomes,
    refusal,
    checks,
    asExpected: checks.every((check) => check.held) && (!failed || foreseen),
  };
}

/** The VMs that an event names: one, several, or `all` in state `power`. */
function namesIn(toolstack: Toolstack, names: string | readonly string[], power: readonly string[]): readonly string[] {
  if (names !== 'all') return typeof names === 'string' ? [names] : names;
  return toolstack
    .vms()
    .filter((vm) => power.includes(vm.power))
    .map((vm) => vm.spec.name);
}

/** CPU numbers that Xen knows, including offline and absent ones. */
function cpuNumbers(toolstack: Toolstack): number {
  return toolstack.doors.xc.physInfo().maxCpuId + 1;
}

async function oneByOne(names: readonly string[], operation: (name: string) => Promise<Outcome>): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const name of names) outcomes.push(await operation(name));
  return outcomes;
}

async function act(scenario: Scenario, toolstack: Toolstack, event: ScenarioEvent, index: number): Promise<Outcome[]> {
  const up = ['running', 'paused'];
  const { xc } = toolstack.doors;
  const cpus = (list: string | number) => members(list, cpuNumbers(toolstack), 'CPU');
  if (event.start !== undefined) return oneByOne(namesIn(toolstack, event.start, ['halted']), (name) => toolstack.start(name));
  if (event.startTogether !== undefined) return toolstack.startTogether(namesIn(toolstack, event.startTogether, ['halted']));
  if (event.stop !== undefined) return oneByOne(namesIn(toolstack, event.stop, up), (name) => toolstack.stop(name));
  if (event.reboot !== undefined) return oneByOne(namesIn(toolstack, event.reboot, up), (name) => toolstack.reboot(name));
  if (event.migrate !== undefined) return oneByOne(namesIn(toolstack, event.migrate, up), (name) => toolstack.migrateLocal(name));
  if (event.pause !== undefined) return oneByOne(namesIn(toolstack, event.pause, ['running']), (name) => toolstack.pause(name));
  if (event.unpause !== undefined) return oneByOne(namesIn(toolstack, event.unpause, ['paused']), (name) => toolstack.unpause(name));
  if (event.nodeAffinity !== undefined) {
    const { vm, nodes } = event.nodeAffinity;
    return [await toolstack.setNodeAffinity(vm, nodes === 'all' ? 'all' : members(nodes, 64, 'node'))];
  }
  if (event.pin !== undefined) {
    const { vm, vcpu, hard, soft } = event.pin;
    const masks = { ...(hard === undefined ? {} : { hard: cpus(hard) }), ...(soft === undefined ? {} : { soft: cpus(soft) }) };
    return [await toolstack.pin(vm, vcpu, masks)];
  }
  if (event.poolMove !== undefined) return [await toolstack.moveToPool(event.poolMove.vm, event.poolMove.pool)];
  if (event.create !== undefined) {
    const fault = (_: number, field: string, message: string, mend: string) => scenario.fault(index, ['create', field], message, mend);
    for (const vm of expandVms([event.create], fault)) await toolstack.add(vm);
  }
  if (event.remove !== undefined) for (const name of namesIn(toolstack, event.remove, ['halted'])) await toolstack.remove(name);
  if (event.mask !== undefined) await toolstack.setMask(event.mask.vm, event.mask.set);
  if (event.hostMask !== undefined) toolstack.setHostMask(event.hostMask);
  if (event.policy !== undefined) toolstack.setPolicy(event.policy);
  if (event.profile !== undefined) toolstack.setProfile(event.profile);
  if (event.cpuOffline !== undefined) for (const cpu of cpus(event.cpuOffline)) xc.cpuOffline(cpu);
  if (event.cpuOnline !== undefined) for (const cpu of cpus(event.cpuOnline)) xc.cpuOnline(cpu);
  if (event.poolCreate !== undefined) xc.cpupoolCreate(event.poolCreate.scheduler, event.poolCreate.pool);
  if (event.poolDestroy !== undefined) xc.cpupoolDestroy(event.poolDestroy);
  if (event.poolAdd !== undefined) for (const cpu of cpus(event.poolAdd.cpus)) xc.cpupoolAddCpu(event.poolAdd.pool, cpu);
  if (event.poolRemove !== undefined) for (const cpu of cpus(event.poolRemove.cpus)) xc.cpupoolRemoveCpu(event.poolRemove.pool, cpu);
  return [];
}

function checkEvent(toolstack: Toolstack, event: ScenarioEvent, outcomes: readonly Outcome[], refusal: string | null): Check[] {
  const { expect, check } = event;
  if (expect === undefined && check === undefined) return [];
  const map: HostMap = toolstack.snapshot();
  const cpus = cpuNumbers(toolstack);
  const domainOf = (vm: string) => {
    const known = toolstack.vms().find((state) => state.spec.name === vm);
    if (known === undefined) throw new InputError(`there is no VM '${vm}'`, { path: 'check' }, 'name a VM of the scenario');
    return known.domid === null ? undefined : map.domains.find((domain) => domain.domid === known.domid);
  };
  if (check !== undefined) {
    const { vm, ...state } = check;
    return compare(vm, state, map, cpus, domainOf(vm), undefined);
  }
  if (outcomes.length > 0) return outcomes.flatMap((outcome) => compare(outcome.vm, expect!, map, cpus, domainOf(outcome.vm), outcome));
  const { fails, ...state } = expect!;
  if (fails === undefined || Object.keys(state).length > 0) {
    throw new InputError('expected only `fails` for an event that is not about a VM', { path: 'expect' }, 'use a check event for a VM');
  }
  const held = typeof fails === 'string' ? (refusal?.includes(fails) ?? false) : fails === (refusal !== null);
  return [{ vm: null, text: fails === false ? 'it succeeds' : 'Xen refuses it', held, found: held ? '' : (refusal ?? 'it succeeded') }];
}

/** "start web-1, web-2", "policy best_effort", "pin db vcpu all, hard 0-3" */
function titleOf(event: ScenarioEvent): string {
  const kind = EVENT_KINDS.find((name) => event[name] !== undefined)!;
  const words = kind.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  const value: unknown = event[kind];
  if (value === null) return `${words} none`;
  if (Array.isArray(value)) return `${words} ${value.slice(0, 6).join(', ')}${value.length > 6 ? `, ${value.length - 6} more` : ''}`;
  if (typeof value !== 'object') return `${words} ${String(value)}`;
  if (kind === 'create') return `${words} ${event.create!.name}`;
  const { vm, ...rest } = value as Record<string, unknown>;
  const parts = Object.entries(rest).map(([key, item]) => {
    if (key === 'set') return item === null ? 'none' : `"${item}"`;
    return `${key} ${item === '' ? 'none' : String(item)}`;
  });
  return [words, ...(vm === undefined ? [] : [String(vm)]), parts.join(', ')].join(' ').trim();
}
