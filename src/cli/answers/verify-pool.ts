// `xennuma verify --pool`: the running VMs of each host, compared with policy and masks.

import { formatList } from '../../base/bitset.js';
import { fitColumns, wrapWords } from '../../base/columns.js';
import { InputError } from '../../base/errors.js';
import { tableLines } from '../../base/table.js';
import { accessOf, type Describe, hostNamed, type Pool } from '../../pool/access.js';
import { hostMaskNotes, type PoolVerdict, verifyPool } from '../../pool/verify.js';
import { namedVms } from '../../pool/workload.js';
import type { PoolHost, PoolVm } from '../../xapi-client/pool.js';
import { PROFILES, type ProfileName } from '../../xenopsd/api/profiles.js';
import { type HostProfile, profileOfHost } from '../../xenopsd/api/releases.js';
import { describer, openPool } from '../input/open-pool.js';
import type { PoolOptions } from '../input/pool-options.js';
import { EXIT } from '../output/exit-codes.js';
import { columns, out, type Palette, palette } from '../output/terminal.js';
import { VERSION } from '../output/version.js';
import type { VerifyPoolAnswer } from './answers.js';

export interface PoolVerifyOptions extends PoolOptions {
  /** Overrides the profile of the host's version. */
  readonly profile?: ProfileName;
  readonly json?: true;
}

interface HostVerdict {
  readonly record: PoolHost;
  readonly profile: HostProfile;
  readonly vms: readonly PoolVerdict[];
  readonly notes: readonly string[];
  /** Reason why its VMs were not verified; null if they were. */
  readonly fault: InputError | null;
}

/**
 * @param names VMs by name or uuid; by default all running ones
 * @returns the exit code
 */
export function verifyInPool(names: readonly string[], options: PoolVerifyOptions): Promise<number> {
  return openPool(options, async (pool) => {
    // Most hosts do not report the memory of Domain-0 by node.
    const known = pool.view.vms.filter((vm) => vm.host !== null && (!vm.controlDomain || vm.numa !== null));
    const wanted = names.length === 0 ? known : namedVms(known, names);
    const hosts = hostsOf(pool, options.poolHost, names.length === 0 ? null : wanted);
    const describe = describer(options.host);
    const verdicts = hosts.map((record) => verifyHost(pool, record, describe, options.profile, wanted));
    // A fault of the only host is an error of the command. A fault of one host among several must
    // not hide the others.
    if (verdicts.length === 1 && verdicts[0]!.fault !== null) throw verdicts[0]!.fault;
    const answer = answerOf(verdicts);
    out(options.json === true ? JSON.stringify(answer, null, 2) : verifyText(verdicts).join('\n'));
    if (answer.drift > 0) return EXIT.no;
    return verdicts.some(({ fault }) => fault !== null) ? EXIT.input : EXIT.ok;
  });
}

/** @param vms null for every host of the pool */
function hostsOf({ view }: Pool, name: string | undefined, vms: readonly PoolVm[] | null): readonly PoolHost[] {
  if (name !== undefined) return [hostNamed(view, name)];
  return vms === null ? view.hosts : view.hosts.filter(({ ref }) => vms.some(({ host }) => host === ref));
}

function verifyHost(
  pool: Pool,
  record: PoolHost,
  describe: Describe,
  profileOption: ProfileName | undefined,
  wanted: readonly PoolVm[],
): HostVerdict {
  const profile: HostProfile =
    profileOption === undefined ? profileOfHost(record.software, PROFILES) : { profile: profileOption, source: '--profile', exact: true };
  try {
    const access = accessOf(pool, record, describe);
    const vms = wanted.filter((vm) => vm.host === record.ref);
    return {
      record,
      profile,
      vms: verifyPool(access, profile.profile, vms),
      notes: [...access.host.notes, ...hostMaskNotes(record)],
      fault: null,
    };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { record, profile, vms: [], notes: [], fault: error };
  }
}

function answerOf(verdicts: readonly HostVerdict[]): VerifyPoolAnswer {
  const drifted = ({ vms }: HostVerdict) => vms.filter(({ state }) => state === 'drift').length;
  return {
    command: 'verify',
    version: VERSION,
    host: verdicts.map(({ record }) => record.name).join(', '),
    hosts: verdicts.map((one) => ({
      host: one.record.name,
      profile: one.profile.profile,
      profileSource: one.profile.source,
      profileExact: one.profile.exact,
      policy: one.record.policy,
      vms: one.vms.length,
      drift: drifted(one),
      fault: one.fault === null ? null : one.fault.toString(),
    })),
    vms: verdicts.flatMap(({ record, vms }) =>
      vms.map((one) => ({ ...one, host: record.name, nodes: one.nodes === null ? null : [...one.nodes], drifts: [...one.drifts] })),
    ),
    drift: verdicts.reduce((sum, one) => sum + drifted(one), 0),
    notes: [...new Set(verdicts.flatMap(({ notes }) => notes))],
  };
}

function verifyText(verdicts: readonly HostVerdict[]): string[] {
  const colour = palette();
  return [
    ...verdicts.flatMap((one) => {
      const name = verdicts.length === 1 ? [] : wrapWords(colour.bold(one.record.name), columns(), '  ');
      return one.vms.length === 0 ? [] : [...name, ...vmLines(one, colour), ''];
    }),
    ...verdicts.flatMap((one) => summaryLines(one, colour)),
    ...[...new Set(verdicts.flatMap(({ notes }) => notes))].flatMap((note) => wrapWords(`note: ${note}`, columns(), '  ')),
  ];
}

function vmLines({ vms }: HostVerdict, colour: Palette): string[] {
  const words = { ok: colour.good('ok'), drift: colour.bad('DRIFT'), unknown: colour.dim('unknown') };
  const rows = vms.map(({ vm, asked, onOneNode, nodes, state }) => [
    fitColumns(vm, 24, '...'),
    fitColumns(asked, 24, '...'),
    onOneNode === null ? '-' : yesNo(onOneNode),
    nodes === null ? '-' : formatList(nodes) || 'none',
    words[state],
  ]);
  const reasons = vms.filter(({ why }) => why !== '').flatMap(({ vm, why }) => wrapWords(`${vm}: ${why}`, columns(), '  '));
  return [
    ...tableLines([['VM', 'requested', 'one node', 'memory on', ''].map(colour.bold), ...rows]),
    ...(reasons.length === 0 ? [] : ['', ...reasons]),
  ];
}

const yesNo = (value: boolean) => (value ? 'yes' : 'no');

function summaryLines({ record, profile, vms, fault }: HostVerdict, colour: Palette): string[] {
  const count = (state: PoolVerdict['state']) => vms.filter((one) => one.state === state).length;
  const drift = count('drift');
  const unknown = count('unknown');
  const version = `${profile.profile}, from ${profile.source}${profile.exact ? '' : ', the nearest profile'}`;
  if (fault !== null) return wrapWords(colour.warn(`${record.name}: not verified: ${fault.toString()}`), columns(), '  ');
  const found = `${record.name}: ${vms.length} VM${vms.length === 1 ? '' : 's'} running, ${drift} with drift${unknown === 0 ? '' : `, ${unknown} without figures`}`;
  return wrapWords(`${drift === 0 ? found : colour.bad(found)} (${version}).`, columns(), '  ');
}
