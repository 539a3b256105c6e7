// The options that describe a host and its VMs, shared by plan, explain, compare and show.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { DEFAULT_PROFILE, POLICIES, type PolicyName, PROFILES, type ProfileName } from '../../xenopsd/api/profiles.js';
import type { Personality } from '../../xenstore/store/limits.js';

export interface HostOptions {
  readonly host?: readonly string[];
  /** The host this command runs on, in place of a description. */
  readonly on?: 'xen';
  /** A host over ssh, from a capture, a status report or a text. */
  readonly from?: string;
  readonly xen?: string | undefined;
  readonly scheduler?: 'credit' | 'credit2' | undefined;
  /** CPU pools of the described host: numa-split, or configs of pools. */
  readonly cpupools?: readonly string[];
}

export interface WorkloadOptions extends HostOptions {
  readonly vms?: readonly string[];
  /** Undefined: that of the host. */
  readonly profile?: ProfileName;
  readonly policy: PolicyName;
  readonly hostMask?: string;
  readonly parallel?: true;
  readonly seed: number;
}

export function addHostOptions(command: Command): Command {
  return command
    .option('--host <file...>', 'host description: one file, two that complete each other, or - for stdin')
    .addOption(onOption('the host this command runs on'))
    .addOption(fromOption())
    .option('--cpupools <source...>', 'CPU pools of the described host: numa-split, or configs for xl cpupool-create')
    .option('--xen <version>', 'version of Xen, such as 4.17 (default: from the host description)', parseXenVersion)
    .addOption(new Option('--scheduler <name>', "scheduler of Xen's Pool-0").choices(['credit', 'credit2']));
}

export function fromOption(): Option {
  return new Option('--from <source>', "ssh://[user@]host, a capture, a status report, or output of Xen's tools as text (- for stdin)");
}

export function onOption(what: string): Option {
  return new Option('--on <where>', what).choices(['xen']);
}

export function addVmOptions(command: Command): Command {
  return command
    .option('--vms <file...>', 'VM descriptions in YAML or JSON, or xl configs')
    .option('--host-mask <list>', "the host's guest_VCPUs_params:mask, such as 0,1,2")
    .option('--parallel', 'start all VMs in parallel')
    .option('--seed <number>', 'seed for the order of parallel starts', parseSeed, 1);
}

export function addToolstackOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--profile <name>',
        `toolstack version to act as (default: the host's own, where its listings or its pool show it, else ${DEFAULT_PROFILE})`,
      ).choices(PROFILES),
    )
    .addOption(
      new Option('--policy <name>', "placement policy: the host's numa_affinity_policy").choices(POLICIES).default('default_policy'),
    );
}

export function parseXenVersion(text: string): string {
  if (!/^4\.\d{1,2}$/.test(text)) throw new InvalidArgumentError('expected a version such as 4.17');
  return text;
}

export function parseSeed(text: string): number {
  const seed = Number(text);
  if (!/^\d{1,10}$/.test(text) || seed > 0xffffffff) throw new InvalidArgumentError('expected a whole number up to 4294967295');
  return seed;
}

/** The XenStore with the host's keys. */
export interface XenstoreOptions {
  /** Socket of a daemon, or "embedded" (the default): in this process. */
  readonly xenstore?: string;
  readonly personality?: Personality;
}

export function addXenstoreOptions(command: Command): Command {
  return command
    .option('--xenstore <where>', "socket of the XenStore for the host's keys, or embedded", 'embedded')
    .addOption(
      new Option('--personality <daemon>', "daemon that the embedded XenStore acts as (default: the profile's)").choices([
        'xenstored',
        'oxenstored',
      ]),
    );
}

/** Options for a scenario, which names its own host. */
export function addHostOverride(command: Command): Command {
  return command.option('--host <file...>', "host description in place of the scenario's");
}
