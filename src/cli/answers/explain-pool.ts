// `xennuma explain VM --pool`: the nodes of a pool's VM by XAPI's figures, and the course of its
// next start in the version of its host.
import { formatList } from '../../base/bitset.js';
import { formatBytes } from '../../base/units.js';
import { accessOf, hostNamed, type Pool, type PoolAccess } from '../../pool/access.js';
import { withMemoryBack } from '../../pool/place.js';
import { type PoolVerdict, verifyPool } from '../../pool/verify.js';
import { namedVms, poolPolicy } from '../../pool/workload.js';
import type { PoolHost, PoolVm } from '../../xapi-client/pool.js';
import { effectivePolicy, PROFILES, type ProfileName, profileOf } from '../../xenopsd/api/profiles.js';
import { profileOfHost } from '../../xenopsd/api/releases.js';
import { raise } from '../input/open-host.js';
import { describer, openPool } from '../input/open-pool.js';
import type { PoolOptions } from '../input/pool-options.js';
import { VERSION } from '../output/version.js';
import { adviceFor } from './advice/advice.js';
import type { ExplainAnswer } from './answers.js';
import { explainedRun } from './explained-run.js';
import { startAll } from './start-all.js';
import { summarise } from './summary.js';

/** @param profileOption undefined for the profile of the host's version */
export function explainInPool(
  name: string,
  options: PoolOptions,
  profileOption: ProfileName | undefined,
): Promise<{ readonly answer: ExplainAnswer; readonly failed: boolean }> {
  return openPool(options, async (pool) => {
    const [vm] = namedVms(
      pool.view.vms.filter((one) => !one.controlDomain),
      [name],
    );
    const access = accessOf(pool, hostOf(pool, vm!, options.poolHost), describer(options.host));
    return explainOnHost(access, vm!, profileOption);
  });
}

/** The named host, otherwise the one on which the VM runs, otherwise the only one. */
function hostOf({ view }: Pool, vm: PoolVm, name: string | undefined): PoolHost {
  const running = view.hosts.find(({ ref }) => ref === vm.host);
  return name === undefined && running !== undefined ? running : hostNamed(view, name);
}

async function explainOnHost(
  access: PoolAccess,
  vm: PoolVm,
  profileOption: ProfileName | undefined,
): Promise<{ readonly answer: ExplainAnswer; readonly failed: boolean }> {
  const { record } = access;
  const version = profileOfHost(record.software, PROFILES);
  const profile = profileOption ?? version.profile;
  const policy = poolPolicy(record.policy);
  const settings = { profile, policy, seed: 1, ...(record.mask === null ? {} : { hostMask: record.mask }) };
  const workload = await raise({ host: withMemoryBack(access.host, [vm]), live: null }, [vm.spec], settings, {});
  const [outcome] = await startAll(workload, false);
  const summary = summarise(workload.toolstack);
  const means = effectivePolicy(profileOf(profile), policy).name;
  const now = access.running.includes(vm)
    ? [nowRun(vm, verifyPool(access, profile, [vm])[0]!, `${profile} (from ${version.source}), ${means}`)]
    : [];
  const planned = explainedRun(outcome!.record);
  const uuids = { host: record.uuid, vm: vm.uuid };
  return {
    answer: {
      command: 'explain',
      version: VERSION,
      vm: vm.spec.name,
      runs: [...now, { ...planned, title: `If ${vm.spec.name} started on ${record.name} now` }],
      recommendation: adviceFor({ spec: vm.spec, vm: summary.vms[0]!, host: summary.host, profile, policy, uuids }),
      warnings: workload.warnings,
    },
    failed: outcome!.failure !== null,
  };
}

function nowRun(vm: PoolVm, verdict: PoolVerdict, toolstack: string): ExplainAnswer['runs'][number] {
  const { nodes, asked, why } = verdict;
  const sentences = [
    nodes === null ? 'The host does not report its memory by node.' : memorySentence(vm, nodes),
    `Requested: ${asked}. The host acts as ${toolstack}.`,
    why === '' || nodes === null ? 'Nothing has drifted, as far as XAPI reports.' : `Drift: ${why}.`,
  ];
  return { title: `${vm.spec.name} as it is now`, summary: sentences, sentences: [], sources: [], nodes: [], path: [] };
}

function memorySentence(vm: PoolVm, nodes: readonly number[]): string {
  const parts = nodes.map((node) => `${formatBytes(vm.numa!.memoryBytes.get(node) ?? 0)} on node ${node}`);
  if (nodes.length === 1) return `On one node: yes, ${parts[0]}.`;
  return `On one node: no, on nodes ${formatList(nodes)}: ${parts.join(', ')}.`;
}
