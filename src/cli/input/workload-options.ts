// The options that describe a host and its VMs, shared by plan, explain, compare and show.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { POLICIES, type PolicyName, PROFILES, type ProfileName } from '../../xenopsd/api/profiles.js';
import type { Personality } from '../../xenstore/store/limits.js';

export interface HostOptions {
  readonly host?: readonly string[];
  /** The running host instead of a description. */
  readonly on?: 'xen';
  /** A host over ssh, from a capture, a status report or a text. */
  readonly from?: string;
  readonly xen?: string | undefined;
  readonly scheduler?: 'credit' | 'credit2' | undefined;
}

export interface WorkloadOptions extends HostOptions {
  readonly vms?: readonly string[];
  readonly profile: ProfileName;
  readonly policy: PolicyName;
  readonly hostMask?: string;
  readonly parallel?: true;
  readonly seed: number;
}

export function addHostOptions(command: Command): Command {
  return command
    .option('--host <file...>', 'the host: a file, two that belong together, or - for stdin')
    .addOption(onOption('the host that runs here, as it is now, instead of --host'))
    .addOption(fromOption())
    .option('--xen <version>', 'version of Xen, such as 4.17 (default: what the host says)', parseXenVersion)
    .addOption(new Option('--scheduler <name>', "scheduler of Xen's Pool-0").choices(['credit', 'credit2']));
}

export function fromOption(): Option {
  return new Option('--from <source>', 'ssh://[user@]host, a capture, a status report, or a text with what Xen tools print (- for stdin)');
}

export function onOption(what: string): Option {
  return new Option('--on <where>', what).choices(['xen']);
}

export function addVmOptions(command: Command): Command {
  return command
    .option('--vms <file...>', 'the VMs: files in YAML or JSON, or xl configs')
    .option('--host-mask <list>', "the host's guest_VCPUs_params:mask, such as 0,1,2")
    .option('--parallel', 'start all VMs side by side')
    .option('--seed <number>', 'who goes first when VMs start side by side', parseSeed, 1);
}

export function addToolstackOptions(command: Command): Command {
  return command
    .addOption(new Option('--profile <name>', 'behaviour of the toolstack').choices(PROFILES).default('xapi-25.6'))
    .addOption(new Option('--policy <name>', "the host's numa_affinity_policy").choices(POLICIES).default('default_policy'));
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

/** Where the host keeps its keys. */
export interface XenstoreOptions {
  /** Socket of a daemon, or "embedded" (the default): in this process. */
  readonly xenstore?: string;
  readonly personality?: Personality;
}

export function addXenstoreOptions(command: Command): Command {
  return command
    .option('--xenstore <where>', "socket of a XenStore for the host's keys, or embedded", 'embedded')
    .addOption(
      new Option('--personality <daemon>', "what the embedded XenStore answers as (default: the profile's own)").choices([
        'xenstored',
        'oxenstored',
      ]),
    );
}

/** For a scenario, which names a host of its own. */
export function addHostOverride(command: Command): Command {
  return command.option('--host <file...>', "another host than the scenario's own");
}
