// `xe help`, `xe help COMMAND`, and the usage that `xe` prints without arguments.

import { type Param, paramOf } from './command-line.js';
import { XE_COMMANDS } from './commands.js';
import { XeUsageFailure } from './failures.js';
import type { Printer } from './print.js';

const NOT_COMMANDS = new Set(['server', 'username', 'password', 'port', 'minimal', 'all', 'json']);
const WIDTH = 74;
/** The host of a thin client answers help without a login, so that it must be cheap. */
const MOST_NAMED = 32;

export const USAGE = `Usage: xennuma xe <command>
  [ -s <server> ]            a XAPI host (default: xennuma serve on this machine)
  [ -p <port> ]              its port
  [ -u <username> -pw <password> | -pwf <password file> ]
                             the file has the user on its first line, the password on its second
  [ --nossl ]                without TLS
  [ --ca <file> ]            certificates to trust, in PEM; without it the certificate is not checked, as xe does
  [ --json ]                 JSON in place of xe's own form
  [ <other arguments> ... ]  of the command

To get help on a command: xennuma xe help <command>
All commands:             xennuma xe help --all
`;

export function xeHelp(params: readonly Param[], minimal: boolean, printer: Printer): void {
  const named = [...new Set(params.map(([key]) => key))].filter((key) => !NOT_COMMANDS.has(key));
  if (named.length > MOST_NAMED) throw new XeUsageFailure(`help takes at most ${MOST_NAMED} commands at a time`);
  if (named.length > 0) {
    for (const name of named) helpOn(name, printer);
    return;
  }
  const all = paramOf(params, 'all') === 'true';
  const names = [...XE_COMMANDS].flatMap(([name, command]) => (all || command.common ? [name] : [])).sort();
  if (minimal) printer.list(names);
  else printer.list([USAGE, all ? 'All commands' : 'Common commands', '-'.repeat(all ? 12 : 15), ...wrapList(names)]);
}

function helpOn(name: string, printer: Printer): void {
  const command = XE_COMMANDS.get(name);
  if (command === undefined) {
    printer.list([`Unknown command '${name}'`]);
    return;
  }
  const optional = [...command.optional, ...(command.selectsVms ? ['<vm-selectors>'] : [])];
  const rows: [string, string][] = [
    ['command name        ', name],
    ['reqd params     ', command.required.join(', ')],
    ['optional params ', optional.join(', ')],
    [
      'description     ',
      command.help +
        (command.selectsVms ? ' VMs are selected by vm= (name or uuid) or by any of their fields; more than one needs --multiple.' : ''),
    ],
  ];
  printer.table([rows.map(([label, value]) => ({ name: label, mark: '', value, json: value }))]);
}

function wrapList(names: readonly string[]): string[] {
  const lines: string[] = [];
  let line = '';
  for (const name of names) {
    if (line !== '' && line.length + name.length > WIDTH) {
      lines.push(`${line},`);
      line = '';
    }
    line += line === '' ? `    ${name}` : `, ${name}`;
  }
  return [...lines, line];
}
