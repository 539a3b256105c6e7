// The order of VM.create and VM.build as the host sees it (xen-api 90ef043c,
// ocaml/xenopsd/xc/domain.ml 899-964; e2ee48d6, 1103-1251), and the wait for free memory (236-272).
import { describe, expect, it } from 'vitest';
import { machine, vm, vmWithMask } from '../../../test/support/toolstack.js';
import { MIB, PAGE_BYTES } from '../../base/units.js';
import type { VmSpec } from '../../machine/vm.js';
import type { PhysInfo, Xenctrl } from '../../xenctrl/xenctrl.js';
import type { HostDoors } from '../api/host-doors.js';
import type { PolicyName, ProfileName } from '../api/profiles.js';
import { embeddedHost } from '../hosts/embedded-host.js';
import { createToolstack } from '../life/toolstack.js';
import { memoryConfig } from './memory-model.js';

/** Calls that change something. */
const CHANGES = [
  'domainCreate',
  'domainMaxVcpus',
  'domainSetMaxmem',
  'setPagingMempoolSize',
  'vcpuSetAffinity',
  'domainNodeSetAffinity',
  'domainClaimPages',
  'domainUnpause',
];

/** The calls that a toolstack makes, not those of the builder. */
function listening(xc: Xenctrl, heard: string[], physInfo?: () => PhysInfo): Xenctrl {
  return new Proxy(xc, {
    get(target, name) {
      if (name === 'withFlow') return (...args: Parameters<Xenctrl['withFlow']>) => listening(target.withFlow(...args), heard, physInfo);
      if (name === 'physInfo' && physInfo !== undefined) return physInfo;
      const method = target[name as keyof Xenctrl];
      if (typeof method !== 'function') return method;
      return (...args: unknown[]) => {
        if (CHANGES.includes(String(name))) {
          const masks = name === 'vcpuSetAffinity' ? ` ${Object.keys(args[2] as object).join()} of vCPU ${args[1]}` : '';
          heard.push(`${String(name)}${masks}`);
        }
        return Reflect.apply(method, target, args);
      };
    },
  });
}

async function stepsOf(profile: ProfileName, spec: VmSpec, policy: PolicyName = 'best_effort'): Promise<string[]> {
  const heard: string[] = [];
  const host = await embeddedHost(machine([4096, 4096], 4), { profile });
  const doors: HostDoors = {
    ...host,
    xc: listening(host.xc, heard),
    channels: (domid) => {
      heard.push('channels');
      return host.channels(domid);
    },
    xenguest: {
      run: (...args) => {
        heard.push('builder');
        return host.xenguest.run(...args);
      },
    },
  };
  const toolstack = await createToolstack(doors, { profile, policy, seed: 1 });
  await toolstack.add(spec);
  expect((await toolstack.start(spec.name)).failure).toBeNull();
  return heard;
}

const SOFT = ['vcpuSetAffinity soft of vCPU 0', 'vcpuSetAffinity soft of vCPU 1'];
const HARD = ['vcpuSetAffinity hard of vCPU 0', 'vcpuSetAffinity hard of vCPU 1'];
const DOMAIN = ['domainCreate', 'domainMaxVcpus', 'domainSetMaxmem', 'setPagingMempoolSize'];
const BUILD = ['channels', 'builder', 'domainUnpause'];

describe('the order of a start', () => {
  it('25.6: limits and paging pool, placement, channels, builder, unpause', async () => {
    expect(await stepsOf('xapi-25.6', vm('a', 2, 512))).toEqual([...DOMAIN, ...SOFT, ...BUILD]);
  });

  it('25.6: the builder sets a mask, and there is no placement', async () => {
    expect(await stepsOf('xapi-25.6', vmWithMask('a', 2, 512, '1'))).toEqual([...DOMAIN, ...BUILD]);
  });

  it('25.6: a PV domain has no paging pool', async () => {
    const steps = await stepsOf('xapi-25.6', vm('a', 2, 512, { kind: 'pv' }));
    expect(steps).toEqual(['domainCreate', 'domainMaxVcpus', 'domainSetMaxmem', ...SOFT, ...BUILD]);
  });

  it('25.21: a mask is set by hypercall, before the placement decision', async () => {
    expect(await stepsOf('xapi-25.21', vmWithMask('a', 2, 512, '1'))).toEqual([...DOMAIN, ...HARD, ...BUILD]);
    expect(await stepsOf('xapi-25.21', vm('a', 2, 512))).toEqual([...DOMAIN, ...SOFT, ...BUILD]);
  });

  it('25.33 sets the affinity before the claim, 26.1 and later after it', async () => {
    expect(await stepsOf('xapi-25.33', vm('a', 2, 512))).toEqual([...DOMAIN, ...SOFT, 'domainClaimPages', ...BUILD]);
    for (const profile of ['xapi-26.1', 'xapi-26.2', 'xapi-26.3'] as const) {
      expect(await stepsOf(profile, vm('a', 2, 512)), profile).toEqual([...DOMAIN, 'domainClaimPages', ...SOFT, ...BUILD]);
    }
  });

  it('policy any places nothing, and claims nothing', async () => {
    for (const profile of ['xapi-25.6', 'xapi-26.3'] as const) {
      expect(await stepsOf(profile, vm('a', 2, 512), 'any'), profile).toEqual([...DOMAIN, ...BUILD]);
    }
  });
});

describe('the wait for free memory', () => {
  const spec = vm('a', 1, 256);
  const neededPages = (memoryConfig(spec, 'xenopsd').requiredHostFreeMib * MIB) / PAGE_BYTES;

  /** @param readings free and scrub pages, after each second; the last of them for good */
  async function waited(readings: readonly (readonly [free: number, scrub: number])[]) {
    const host = await embeddedHost(machine([1024], 2), { profile: 'xapi-25.6' });
    const slept: number[] = [];
    const physInfo = () => {
      const [freePages, scrubPages] = readings[Math.min(slept.length, readings.length - 1)]!;
      return { ...host.xc.physInfo(), freePages, scrubPages };
    };
    const sleep = async (ms: number) => {
      slept.push(ms);
    };
    const toolstack = await createToolstack(
      { ...host, xc: listening(host.xc, [], physInfo) },
      { profile: 'xapi-25.6', policy: 'any', seed: 1, sleep },
    );
    await toolstack.add(spec);
    const { failure, record } = await toolstack.start('a');
    const notes = record.entries.filter((entry) => entry.kind === 'note' && entry.topic === 'free memory');
    return { failure, slept, notes, surprises: record.entries.flatMap((entry) => (entry.kind === 'surprise' ? [entry.code] : [])) };
  }

  it('none when there is as much as it takes', async () => {
    const { failure, slept, surprises } = await waited([[neededPages, 0]]);
    expect([failure, slept]).toEqual([null, []]);
    expect(surprises).not.toContain('dirty-memory');
  });

  it('a page less fails at once when there is nothing to scrub', async () => {
    const { failure, slept } = await waited([[neededPages - 1, 0]]);
    expect(slept).toEqual([]);
    expect(failure).toMatchObject({
      step: 'VM.build',
      errno: null,
      kind: 'not-enough-memory',
    });
  });

  it('a second each while Xen scrubs, 64 at most', async () => {
    const scrubbing = [neededPages - 1, 500] as const;
    const some = await waited([scrubbing, scrubbing, scrubbing, [neededPages, 7]]);
    expect([some.failure, some.slept]).toEqual([null, [1000, 1000, 1000]]);
    expect(some.surprises).toContain('dirty-memory');
    const never = await waited([scrubbing]);
    expect(never.failure?.message).toMatch(/^Not_enough_memory/);
    expect(never.slept).toEqual(Array(64).fill(1000));
    expect(never.notes).toMatchObject([{ values: { waitedSeconds: 64 } }]);
  });
});
