// `xennuma agent`: places the domains of xapi's toolstack while it builds them, and installs the
// shim that calls it.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { InputError } from '../../base/errors.js';
import { PACKAGE_FOLDER } from '../../base/own-package.js';
import { harmless } from '../../base/safe-text.js';
import type { XenHost } from '../../xenopsd/hosts/xen-host.js';
import { wholeFrom } from '../input/fleet-host.js';
import { addMemberOptions } from '../input/fleet-options.js';
import type { FleetCommandLine, FleetSettings } from '../input/serve-config.js';
import { EXIT } from '../output/exit-codes.js';
import { becomeDaemon, out } from '../output/terminal.js';

const SOCKET = '/run/xennuma/agent.sock';
/** Where xenopsd looks for what platform:xenguest names (xenops_server_xen.ml:64-92). */
const SHIM = '/usr/lib/xapi/alternatives/xenguest/xennuma';
const BUILDER = '/usr/libexec/xen/bin/xenguest';

interface AgentOptions extends FleetCommandLine {
  /** Seconds between two readings of the host for the fleet. */
  readonly fleetEvery: number;
  readonly socket: string;
  readonly shim: string;
  readonly builder: string;
  readonly install?: true;
  readonly uninstall?: true;
}

export function define(command: Command, answer: (code: number) => void): void {
  command
    .description('Place domains with policy tight while another toolstack builds them.')
    .option('--socket <file>', 'unix socket that the shim asks', SOCKET)
    .option('--install', 'write the shim, and show how to use it')
    .option('--uninstall', 'remove the shim')
    .option('--shim <file>', 'path of the shim', SHIM)
    .option('--builder <file>', 'with --install: the real domain builder', BUILDER);
  addMemberOptions(command)
    .option('--fleet-every <seconds>', 'with --fleet: time between two readings of the host', wholeFrom(1, 86_400), 60)
    .addHelpText(
      'after',
      `
The agent stays in the foreground, and logs a line for each domain. The shim
stands in for the domain builder: it asks the agent, then runs the builder. A
start waits for the agent for 1.8 seconds at most, and goes on without it.

  xennuma agent --install
  xe vm-param-set uuid=VM platform:xenguest=xennuma
  xennuma agent

With --fleet, the fleet shows this host and its VMs. xapi starts them as before.

  xennuma agent --fleet nats://fleet.example --fleet-key xen-1.nk`,
    )
    .action(async (options: AgentOptions) => {
      if (options.install === true && options.uninstall === true) {
        command.error('error: expected --install or --uninstall, got both; leave one of them out');
      }
      if (options.uninstall === true) answer(await uninstall(options));
      else if (options.install === true) answer(await install(options));
      else answer(await serve(options));
    });
}

async function install(options: AgentOptions): Promise<number> {
  checkCurl();
  const { installShim } = await import('../../live/agent/shim.js');
  installShim(readFileSync(join(PACKAGE_FOLDER, 'packaging/xenguest-shim'), 'utf8'), options);
  out(
    `${harmless(options.shim)} is there.\nUse it for a VM:\n  xe vm-param-set uuid=VM platform:xenguest=xennuma\nRun the agent:\n  xennuma agent`,
  );
  return EXIT.ok;
}

/** curl's version with --unix-socket: [major, minor] (its documentation of that option). */
const LEAST_CURL = [7, 40] as const;

/**
 * The shim asks the agent with curl. Without one that can, all domains would be built unplaced.
 * @throws InputError where curl is missing or too old
 */
function checkCurl(): void {
  const said = spawnSync('curl', ['--version'], { encoding: 'utf8', timeout: 5000 }).stdout ?? '';
  const [, version = '', major = '', minor = ''] = /^curl ((\d+)\.(\d+)\S*)/.exec(said) ?? [];
  const [least, under] = LEAST_CURL;
  if (Number(major) > least || (Number(major) === least && Number(minor) >= under)) return;
  throw new InputError(
    `the shim asks the agent with curl ${least}.${under} or newer (--unix-socket), and here is ${version === '' ? 'none' : version}`,
    {},
    'install a newer curl for root in dom0, EL7 has 7.29',
  );
}

async function uninstall({ shim }: AgentOptions): Promise<number> {
  const { removeShim } = await import('../../live/agent/shim.js');
  removeShim(shim);
  out(`${harmless(shim)} is gone: VMs that name it are built by the default builder.`);
  return EXIT.ok;
}

async function serve(options: AgentOptions): Promise<number> {
  const { socket } = options;
  if (socket === '') throw new InputError('--socket: expected a path, got none', {}, `leave it out for ${SOCKET}`);
  const { checkFleet, fleetOf } = await import('../input/serve-config.js');
  const fleet = fleetOf(options);
  checkFleet(fleet);
  const { withXen } = await import('../input/on-xen.js');
  const { PlaceAgent } = await import('../../live/agent/place-agent.js');
  const { agentServer } = await import('../../live/agent/agent-server.js');
  const { openAgentSocket } = await import('../../live/agent/agent-socket.js');
  return withXen(async (host) => {
    await becomeDaemon();
    const server = agentServer(new PlaceAgent(host.xc), (line) => out(harmless(line)));
    const remove = await openAgentSocket(server, socket);
    // First: whoever reads that line may send a signal at once.
    const ending = new Promise<string>((resolve) => {
      for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve(name));
    });
    out(`listening on ${harmless(socket)}`);
    try {
      const membership = fleet === null ? null : await joined(fleet, options.fleetEvery, host);
      const signal = await ending;
      endSocket();
      await membership?.close();
      out(`ended by ${signal}`);
      return EXIT.ok;
    } finally {
      endSocket();
    }

    function endSocket(): void {
      server.close();
      server.closeAllConnections();
      remove();
    }
  });
}

async function joined(settings: FleetSettings, everySeconds: number, host: XenHost): Promise<{ close(): Promise<void> }> {
  const { watchForFleet } = await import('../answers/fleet/agent-fleet.js');
  const { liveMap } = await import('../../live/live-map.js');
  const { hostToken } = await import('../../fleet/protocol/subjects.js');
  const say = (values: object, message: string) => out(harmless(`fleet: ${message} ${JSON.stringify(values)}`));
  return watchForFleet(settings, {
    name: hostToken(settings.name ?? hostname()),
    read: async () => (await liveMap(host, { memory: true })).map,
    everyMs: everySeconds * 1000,
    log: { info: say, warn: say },
  });
}
