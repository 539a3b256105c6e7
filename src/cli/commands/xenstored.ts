// `xennuma xenstored`: the XenStore server.
import { type Command, Option } from 'commander';
import { InputError } from '../../base/errors.js';
import { xenstorePaths } from '../../xenstore/client/connect.js';
import { type Personality, QUOTA, QUOTA_NAMES, type StoreQuota } from '../../xenstore/store/limits.js';
import { EXIT } from '../output/exit-codes.js';

/** What a live restart leaves is named here, for the program that takes its place. */
const CARRY = 'XENNUMA_XENSTORED_CARRY';

interface Given {
  readonly socket?: string;
  readonly personality: Personality;
  readonly state?: string;
  readonly domainSockets?: string;
  readonly quota?: Partial<StoreQuota>;
}

export function define(command: Command, answer: (code: number) => void): void {
  command
    .option(
      '--socket <file>',
      'unix socket of domain 0 (default: $XENSTORED_PATH, else $XENSTORED_RUNDIR/socket, else /run/xenstored/socket)',
    )
    .addOption(
      new Option('--personality <daemon>', 'which real daemon it answers as').choices(['xenstored', 'oxenstored']).default('xenstored'),
    )
    .option('--state <file>', 'keep the store in this file: nothing acknowledged is lost, whatever ends the daemon')
    .option('--quota <name=number>', "of each guest; again for more: see docs/xenstore.md (default: the real daemon's)", addQuota)
    .option('--domain-sockets <folder>', 'a socket there for every introduced domain, named by its number; its clients are unprivileged')
    .addHelpText(
      'after',
      `
It stays in the foreground. SIGTERM and SIGINT end it; SIGUSR2, or the CONTROL
request of \`xenstore-control live-update\`, restarts it in place: clients keep
their connections, watches and transactions. See docs/xenstore.md.`,
    )
    .action(async (given: Given) => {
      const { XenstoreServer } = await import('../../xenstore/server/server.js');
      const { libc } = await import('../../xenstore/server/libc.js');
      const log = (line: string): void => {
        process.stderr.write(`xenstored: ${line}\n`);
      };
      for (const [name, key] of QUOTA_NAMES) {
        if (given.quota?.[key] === undefined || Number.isFinite(QUOTA[given.personality][key])) continue;
        throw new InputError(
          `${given.personality} has no quota ${name}`,
          { path: '--quota' },
          'leave it out, or take the other personality',
        );
      }
      const carry = process.env[CARRY];
      delete process.env[CARRY];
      const socket = given.socket ?? xenstorePaths()[0]!;
      let server: InstanceType<typeof XenstoreServer>;
      try {
        server = new XenstoreServer({
          personality: given.personality,
          socket,
          ...(given.state === undefined ? {} : { stateFile: given.state }),
          ...(given.domainSockets === undefined ? {} : { domainSockets: given.domainSockets }),
          ...(given.quota === undefined ? {} : { quota: given.quota }),
          ...(carry === undefined ? {} : { carry }),
          log,
          restart: (file) => {
            process.env[CARRY] = file;
            return libc().exec(process.execPath, [...process.execArgv, ...process.argv.slice(1)]);
          },
        });
      } catch (error) {
        if (error instanceof InputError) throw error;
        throw new InputError((error as Error).message, {}, 'name another socket or folder, or run it as a user who may use this one');
      }
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => server.stop());
      process.on('SIGUSR2', () => server.requestRestart());
      log(`${carry === undefined ? 'listening' : 'restarted, still listening'} at ${socket} as ${given.personality}`);
      await server.run();
      answer(EXIT.ok);
    });
}

/** One `--quota`, beside those before it. */
function addQuota(given: string, before: Partial<StoreQuota> = {}): Partial<StoreQuota> {
  const [, name, digits] = /^([a-z-]+)=([0-9]+)$/.exec(given) ?? [];
  const key = name === undefined ? undefined : QUOTA_NAMES.get(name);
  const value = Number(digits);
  if (key === undefined || !Number.isSafeInteger(value) || value < 1) {
    throw new InputError(
      `${given} is no quota`,
      { path: '--quota' },
      `give one of ${[...QUOTA_NAMES.keys()].join(', ')}, "=" and a whole number from 1`,
    );
  }
  return { ...before, [key]: value };
}
