// `xennuma fleet`: shows many hosts as one and places VMs on them, over NATS.
import { type Command, Option } from 'commander';
import type { CollectOptions } from '../answers/fleet/collect/fleet-collect.js';
import type { FleetMetricsOptions } from '../answers/fleet/fleet-metrics.js';
import type { FleetPlaceOptions } from '../answers/fleet/fleet-place.js';
import type { FleetServeOptions } from '../answers/fleet/fleet-serve.js';
import type { InitOptions } from '../answers/fleet/fleet-setup.js';
import type { FleetShowOptions } from '../answers/fleet/fleet-show.js';
import type { FleetCaptureOptions } from '../answers/fleet/work/fleet-capture.js';
import type { FleetReplayOptions, FleetWorkOptions } from '../answers/fleet/work/fleet-work.js';
import type { JobOptions } from '../answers/fleet/work/host-jobs.js';
import { wholeFrom } from '../input/fleet-host.js';
import { addFleetOptions, addJobOption, type FleetOptions, parseTag } from '../input/fleet-options.js';
import { addPoolOptions, addTopologyOption } from '../input/pool-options.js';
import { EXIT } from '../output/exit-codes.js';

export function define(command: Command, answer: (code: number) => void): void {
  command.description('Show the hosts of a fleet and place VMs on them. A host joins with: xennuma serve --fleet URL.').addHelpText(
    'after',
    `
A fleet needs one NATS server with JetStream, or three. During an outage of NATS
hosts keep running and can be managed one by one. See docs/fleet.md.

  xennuma serve --host host.yaml --fleet nats://127.0.0.1:4222
  xennuma fleet show`,
  );
  defineSetup(command, answer);
  defineShow(command, answer);
  definePlace(command, answer);
  defineQuestions(command, answer);
  defineCollect(command, answer);
  defineCapture(command, answer);
  defineWork(command, answer);
  defineMetrics(command, answer);
  defineServe(command, answer);
}

function defineServe(command: Command, answer: (code: number) => void): void {
  addFleetOptions(
    command
      .command('serve')
      .summary('serve a page of all hosts, and their figures')
      .description('Serve a page that lists all hosts as they are now, and /metrics for Prometheus, until a signal ends it.')
      .option('--listen <address:port>', 'address of this machine', '127.0.0.1:9811'),
  ).action(async (options: FleetServeOptions) => {
    await (await import('../answers/fleet/fleet-serve.js')).fleetServe(options);
    answer(EXIT.ok);
  });
}

function defineMetrics(command: Command, answer: (code: number) => void): void {
  addFleetOptions(
    command
      .command('metrics')
      .summary('print figures of the whole fleet for Prometheus')
      .description(
        'Print hosts by state, memory, VMs, claims and jobs as Prometheus text, or serve them at /metrics until a signal ends it.',
      )
      .option('--listen <address:port>', 'serve them at this address of this machine'),
  ).action(async (options: FleetMetricsOptions) => {
    await (await import('../answers/fleet/fleet-metrics.js')).fleetMetricsOf(options);
    answer(EXIT.ok);
  });
}

function defineSetup(command: Command, answer: (code: number) => void): void {
  command
    .command('init')
    .summary('write the configuration of NATS servers, and the first key')
    .description('Write the configuration of one NATS server, or three, with accounts and keys, into a new folder.')
    .argument('<folder>', 'folder to write')
    .option('--servers <addresses...>', 'names or addresses of the servers: one, or three', ['127.0.0.1'])
    .option('--tls-cert <file>', "servers' certificate in PEM, as a path on the servers")
    .option('--tls-key <file>', 'key of the certificate, as a path on the servers')
    .option('--tls-ca <file>', 'certificate authority, as a path on the servers')
    .action(async (folder: string, options: InitOptions) => {
      (await import('../answers/fleet/fleet-setup.js')).fleetInit(folder, options);
      answer(EXIT.ok);
    });
  command
    .command('join')
    .summary('add a host or a placer to the fleet')
    .description('Make a key for a host, which may write its own subjects only, or for a placer, which may claim in its own name.')
    .argument('<name>', 'name of the host or the placer')
    .requiredOption('--folder <folder>', 'folder of xennuma fleet init')
    .option('--placer', 'add a placer instead of a host')
    .action(async (name: string, options: { readonly folder: string; readonly placer?: true }) => {
      (await import('../answers/fleet/fleet-setup.js')).fleetJoin(name, options.folder, options.placer ? 'placer' : 'member');
      answer(EXIT.ok);
    });
}

function defineShow(command: Command, answer: (code: number) => void): void {
  addFleetOptions(
    command
      .command('show')
      .summary('list the hosts with their free memory')
      .description('List the hosts of the fleet: free memory by node, VMs, open claims, and whether the member answers.')
      .argument('[host...]', 'only these; all by default')
      .option('--html <file>', 'write a page of the hosts: one file, for any browser')
      .option('--json', 'print JSON'),
  ).action(async (hosts: string[], options: FleetShowOptions) => {
    const { fleetShow } = await import('../answers/fleet/fleet-show.js');
    await fleetShow(hosts, options);
    answer(EXIT.ok);
  });
}

function definePlace(command: Command, answer: (code: number) => void): void {
  addFleetOptions(
    command
      .command('place')
      .summary('choose a host and nodes for VMs, and start them there')
      .description('Choose a host and nodes for each VM, claim the memory, and let the daemon of the host start the VM.')
      .argument('[vm...]', 'names of VMs in the files; all by default')
      .requiredOption('--vms <file...>', 'VMs to start: YAML, JSON, xl configs or libvirt XML')
      .addOption(new Option('--choose <rule>', 'rule that chooses the host').choices(['local-fit', 'pack', 'spread']).default('local-fit'))
      .option('--tag <tag...>', 'only hosts with these tags', parseTag)
      .option('--apart', 'place each VM on a host of its own')
      .option('--apart-from <vm...>', 'not on the hosts that have these VMs')
      .option('--same-name', 'start VMs even if their name exists in the fleet')
      .option('--dry-run', 'show the choice, without claiming anything')
      .option('--json', 'print JSON'),
  )
    .addHelpText(
      'after',
      `
local-fit takes the node with the least free memory that holds all of the VM
and has cores for it. pack takes the host with the least free memory that holds
it, spread the one with the most.

Exit codes: 0 all started, 1 a VM has no place, 2 bad input, 3 no NATS server.

  xennuma fleet place --vms vms.yaml --dry-run
  xennuma fleet place db-1 db-2 --vms vms.yaml --apart --tag ssd`,
    )
    .action(async (names: string[], options: FleetPlaceOptions) => {
      const { fleetPlace } = await import('../answers/fleet/fleet-place.js');
      answer(await fleetPlace(names, options));
    });
}

type Asking = FleetOptions & { readonly json?: true };

function defineQuestions(command: Command, answer: (code: number) => void): void {
  const questions = () => import('../answers/fleet/fleet-questions.js');
  const sub = (name: string, summary: string, description: string) =>
    command.command(name).summary(summary).description(description).option('--json', 'print JSON');
  const verify = sub(
    'verify',
    'find VMs with memory away from their vCPUs',
    'Find the VMs of all hosts that have memory on nodes where no vCPU prefers to run.',
  );
  addFleetOptions(addJobOption(verify))
    .argument('[host...]', 'only these; all by default')
    .action(async (hosts: string[], options: Asking & JobOptions) => answer(await (await questions()).fleetVerify(hosts, options)));
  addFleetOptions(
    sub('explain', 'find a VM, and say where its memory is', 'Find the host of a VM, and say where its memory and its vCPUs are.'),
  )
    .argument('<vm>', 'name of the VM')
    .action(async (name: string, options: Asking) => answer(await (await questions()).fleetExplain(name, options)));
  addFleetOptions(sub('compare', 'compare the host rules for VMs', 'Show what each host rule would make of VMs. Nothing is claimed.'))
    .requiredOption('--vms <file...>', 'VMs: YAML, JSON, xl configs or libvirt XML')
    .action(async (options: Asking & { readonly vms: string[] }) => answer(await (await questions()).fleetCompare(options.vms, options)));
  const moves = 'Count the moves that would bring the VMs of each host near their memory again.';
  addFleetOptions(addJobOption(sub('rebalance', 'plan the moves within each host', moves)))
    .argument('[host...]', 'only these; by default those with drift')
    .action(async (hosts: string[], options: Asking & JobOptions) => answer(await (await questions()).fleetRebalance(hosts, options)));
  addFleetOptions(
    sub('drain', 'let a host take no more VMs', 'Let a host take no more VMs, and show where its own would fit. No VM is moved.'),
  )
    .argument('<host>', 'name of the host')
    .option('--undo', 'let it take VMs again')
    .action(async (host: string, options: Asking & { readonly undo?: true }) =>
      answer(await (await questions()).fleetDrain(host, options)),
    );
}

function defineCollect(command: Command, answer: (code: number) => void): void {
  const collect = command
    .command('collect')
    .summary('publish the maps of remote hosts')
    .description('Read remote hosts over ssh or through their pool, and publish their maps. Without --start no VMs are placed on them.')
    .option('--from <sources>', 'ssh://host (several are separated by commas), or a capture')
    .option('--every <seconds>', 'time between two readings', wholeFrom(1, 86_400), 30)
    .option('--start <template>', "let the pool start the fleet's VMs, as clones of its template of this name or uuid")
    .option('--fleet-tag <tag...>', 'tags of the hosts', parseTag);
  addTopologyOption(addPoolOptions(addFleetOptions(collect)))
    .addHelpText(
      'after',
      `
Runs until a signal ends it. A host is shown as away while it cannot be read. The
key must be the administrator's, because the collector writes for several hosts.

  xennuma fleet collect --from ssh://root@xen-1,ssh://root@xen-2
  xennuma fleet collect --pool https://xcp-1 --pwf password --ssh
  xennuma fleet collect --pool https://xcp-1 --pwf password --host xcp-1=xcp-1.txt --start debian-12`,
    )
    .action(async (options: CollectOptions) => {
      await (await import('../answers/fleet/collect/fleet-collect.js')).fleetCollect(options);
      answer(EXIT.ok);
    });
}

function defineCapture(command: Command, answer: (code: number) => void): void {
  const capture = command
    .command('capture')
    .summary('let the workers record remote hosts in files')
    .description('Let the machines that run xennuma fleet work read remote hosts over ssh, and write one capture of each into a folder.')
    .requiredOption('--from <sources>', 'ssh://[user@]host[:port]; several are separated by commas')
    .requiredOption('-o, --output <folder>', 'folder of the captures, which is made if it is not there')
    .option('--anonymous', 'replace names and uuids, and leave out data that placement does not use')
    .option('--no-memory', "do not read memory by node (debug key 'u')")
    .option('--json', 'print JSON');
  addFleetOptions(addJobOption(capture))
    .addHelpText(
      'after',
      `
Nothing is changed on the hosts. The other commands read a capture with --from.

Exit codes: 0 all recorded, 1 a host could not be recorded, 2 bad input,
3 no NATS server.

  xennuma fleet capture --from ssh://root@xen-1,ssh://root@xen-2 -o captures --job monday
  xennuma verify --from captures/xen-1.tgz`,
    )
    .action(async (options: FleetCaptureOptions) =>
      answer(await (await import('../answers/fleet/work/fleet-capture.js')).fleetCapture(options)),
    );
}

function defineWork(command: Command, answer: (code: number) => void): void {
  addFleetOptions(
    command
      .command('work')
      .summary('run jobs of the fleet')
      .description('Run jobs of the fleet, one after the other, until a signal ends it.')
      .option('--job-seconds <number>', 'time limit of one replay or capture', wholeFrom(1, 604_800), 7200),
  ).action(async (options: FleetWorkOptions) => {
    await (await import('../answers/fleet/work/fleet-work.js')).fleetWork(options);
    answer(EXIT.ok);
  });
  addFleetOptions(
    command
      .command('replay')
      .summary('replay a trace on the workers of the fleet')
      .description('Replay a trace on the machines that run xennuma fleet work. Each policy and seed is one job.')
      .argument('[words...]', 'after --: other arguments of xennuma replay; file names are paths on the workers')
      .option('--policy <names>', 'policies, separated by commas', 'xapi-26.3,xl,tight')
      .option('--seed <numbers>', 'seeds, separated by commas', '1')
      .option('--json', 'print JSON (schemas/replay.schema.json)'),
  ).action(async (words: string[], options: FleetReplayOptions) => {
    answer(await (await import('../answers/fleet/work/fleet-work.js')).fleetReplay(words, options));
  });
}
