// `xennuma xenstored`: the XenStore server. Box of the chart: XenStore.
import { type Command, Option } from 'commander';
import { InputError } from '../errors.js';
import { xenstorePaths } from '../xenstore/client/connect.js';
import type { Personality } from '../xenstore/limits.js';
import { EXIT } from './exit-codes.js';

/** What a live restart leaves is named here, for the program that takes its place. */
const CARRY = 'XENNUMA_XENSTORED_CARRY';

interface Given {
  readonly socket?: string;
  readonly personality: Personality;
  readonly state?: string;
  readonly domainSockets?: string;
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
    .option('--domain-sockets <folder>', 'a socket there for every introduced domain, named by its number; its clients are unprivileged')
    .addHelpText(
      'after',
      `
It stays in the foreground. SIGTERM and SIGINT end it; SIGUSR2, or the CONTROL
request of \`xenstore-control live-update\`, restarts it in place: clients keep
their connections, watches and transactions. See docs/xenstore.md.`,
    )
    .action(async (given: Given) => {
      const { XenstoreServer } = await import('../xenstore/server/server.js');
      const { libc } = await import('../xenstore/server/libc.js');
      const log = (line: string): void => {
        process.stderr.write(`xenstored: ${line}\n`);
      };
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
