// Every command that the page offers for a copy, carried out on the embedded host as xl would: the
// remark then offers no command any more, and what is read across nodes falls by what it promised.
import { describe, expect, it } from 'vitest';
import { parseRanges } from '../src/base/lists.js';
import { formatBytes, PAGE_BYTES } from '../src/base/units.js';
import { readHost, readVms } from '../src/cli/input/open-host.js';
import { openScenario } from '../src/cli/input/scenario-input.js';
import { hostFigures } from '../src/map/figures.js';
import type { HostMap } from '../src/map/host-map.js';
import { acrossPages } from '../src/page/across.js';
import { remarksOf } from '../src/page/remarks.js';
import { runScenario } from '../src/scenario/run-scenario.js';
import { profileOf } from '../src/xenopsd/api/profiles.js';
import type { Toolstack } from '../src/xenopsd/api/toolstack.js';
import { embeddedHost } from '../src/xenopsd/hosts/embedded-host.js';
import { createToolstack } from '../src/xenopsd/life/toolstack.js';

const RULES = { profile: profileOf('xapi-25.6'), policy: 'best_effort' } as const;

function across(map: HostMap, domid: number): number {
  const at = map.domains.findIndex((domain) => domain.domid === domid);
  return acrossPages(map.domains[at]!, hostFigures(map).domains[at]!);
}

/** `xl vcpu-pin DOMAIN all HARD SOFT`, where "-" leaves a mask as it is. */
function carryOut({ doors }: Toolstack, command: string): void {
  const [, domid, hard, soft] = /^xl vcpu-pin (\d+) all (\S+) (\S+)$/.exec(command) ?? [];
  expect(hard, command).toBe('-');
  const cpus = parseRanges(soft!, 65_536);
  const domain = doors.xc.domainInfo(Number(domid))!;
  for (let vcpu = 0; vcpu <= domain.maxVcpuId; vcpu++) doors.xc.vcpuSetAffinity(domain.domid, vcpu, { soft: cpus! });
}

/** @returns how many commands were offered */
function carryOutAll(toolstack: Toolstack): number {
  const before = remarksOf(toolstack.snapshot(), RULES).filter(({ commands }) => commands.length > 0);
  for (const { domid, advice, commands } of before) {
    const held = across(toolstack.snapshot(), domid);
    for (const command of commands) carryOut(toolstack, command);
    const after = toolstack.snapshot();
    const gained = held - across(after, domid);
    expect(gained).toBeGreaterThan(0);
    expect(advice).toContain(`${formatBytes(gained * PAGE_BYTES)} less is read across nodes`);
    const remark = remarksOf(after, RULES).find((one) => one.domid === domid);
    // Memory on several nodes stays there: only a new start moves it.
    expect(remark?.commands ?? []).toEqual([]);
    const pages = after.domains.find((one) => one.domid === domid)!.pages.filter((one) => one > 4096);
    if (pages.length === 1) expect(remark).toBeUndefined();
  }
  return before.length;
}

/** `xe vm-param-set ... VCPUs-params:mask=` and `xe vm-reboot`; a VM's uuid is its name here. */
async function carryOutByXe(toolstack: Toolstack, command: string): Promise<void> {
  const [, name, mask] = /^xe vm-param-set uuid=(\S+) VCPUs-params:mask=(\S+)$/.exec(command) ?? [];
  if (name !== undefined) await toolstack.setMask(name, mask!);
  else expect(await toolstack.reboot(/^xe vm-reboot uuid=(\S+)$/.exec(command)![1]!)).toMatchObject({ failure: null });
}

describe('commands of the page', () => {
  it('mend a host whose VMs are scattered', async () => {
    const { scenario, workload } = await openScenario('examples/scenarios/scattered.yaml', {});
    for await (const _ of runScenario(scenario, workload.toolstack)) {
      // Only its end counts.
    }
    expect(carryOutAll(workload.toolstack)).toBeGreaterThan(0);
  });

  it.each(['xapi-25.6', 'xapi-26.3', 'xl'] as const)('mend what %s left without a policy', async (profile) => {
    const host = readHost(['examples/hosts/four-nodes.yaml']);
    const settings = { profile, policy: 'any', seed: 1 } as const;
    const toolstack = await createToolstack(await embeddedHost(host, { profile }), settings);
    for (const vm of readVms(['examples/vms/dozen.yaml'], host)) {
      await toolstack.add(vm);
      await toolstack.start(vm.name);
    }
    carryOutAll(toolstack);
    expect(remarksOf(toolstack.snapshot(), RULES).flatMap(({ commands }) => commands)).toEqual([]);
  });

  it.each(['xapi-25.6', 'xapi-26.3'] as const)('by xe alone, mend what %s left without a policy, VM by VM', async (profile) => {
    const host = readHost(['examples/hosts/epyc-7763-nps4.yaml']);
    const toolstack = await createToolstack(await embeddedHost(host, { profile }), { profile, policy: 'any', seed: 1 });
    for (const vm of readVms(['examples/vms/dozen.yaml'], host)) {
      await toolstack.add(vm);
      await toolstack.start(vm.name);
    }
    const remarks = () => {
      const names = new Map(toolstack.vms().map(({ domid, spec }) => [domid, spec.name]));
      const uuidOf = (domid: number) => names.get(domid) ?? null;
      const found = remarksOf(toolstack.snapshot(), { profile: profileOf(profile), policy: 'best_effort', withoutXl: true, uuidOf });
      return found.filter(({ commands }) => commands.length > 0).map(({ domid, commands }) => ({ name: names.get(domid)!, commands }));
    };
    // One reading of the page is carried out: none of its VMs is offered a command again.
    const offered = remarks();
    expect(offered.length).toBeGreaterThan(0);
    for (const { commands } of offered) for (const command of commands) await carryOutByXe(toolstack, command);
    const again = remarks().map(({ name }) => name);
    expect(again.filter((name) => offered.some((one) => one.name === name))).toEqual([]);
  });
});
