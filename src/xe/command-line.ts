// xe's command line: connection options in any place, switches, key=value, and the additions of
// XE_EXTRA_ARGS (xe-cli/newcli.ml parse_args, cli_frontend.ml parse_commandline of xen-api
// e2ee48d6).
import { XeUsageFailure } from './failures.js';

export type Param = readonly [key: string, value: string];

export interface XeConnection {
  readonly server: string;
  readonly port: number | null;
  readonly user: string;
  readonly password: string;
  readonly passwordFile: string | null;
  readonly ssl: boolean;
  /** Ours: a file with certificates to trust. */
  readonly ca: string | null;
}

export interface XeArguments {
  readonly connection: XeConnection;
  readonly help: boolean;
  /** Ours: JSON in place of xe's own form. */
  readonly json: boolean;
  readonly rest: readonly string[];
}

/** A bad value of a connection option; xe prints it and its usage. */
export class XeBadOption extends Error {
  override readonly name = 'XeBadOption';
}

const DASHED: Readonly<Record<string, string>> = {
  '-s': 'server',
  '-h': 'server',
  '-p': 'port',
  '-u': 'username',
  '-pw': 'password',
  '-pwf': 'passwordfile',
  '--traceparent': 'traceparent',
  '--ca': 'ca',
};
const FLAGS: Readonly<Record<string, readonly [string, string]>> = {
  '--nossl': ['nossl', 'true'],
  '--debug': ['debug', 'true'],
  '--debug-on-fail': ['debugonfail', 'true'],
};
/** As key=value, beside --ca: a command has a ca= of its own. */
const CONNECTION_KEYS = new Set([...Object.values(DASHED).filter((key) => key !== 'ca'), 'nossl', 'debug', 'debugonfail']);

/** @throws XeBadOption for a port that is not a number up to 65535 */
export function parseConnection(words: readonly string[], extraArgs = ''): XeArguments {
  const settings = new Map<string, string>();
  const rest = take(words, settings);
  const typed = new Map(settings);
  const extra = take(splitExtraArgs(extraArgs), settings, new Set([...CONNECTION_KEYS, 'ca']));
  // The command line takes precedence over the environment.
  for (const [key, value] of typed) settings.set(key, value);
  const all = [...rest, ...extra];
  return {
    connection: {
      server: settings.get('server') ?? '127.0.0.1',
      port: parsePort(settings.get('port')),
      user: settings.get('username') ?? 'root',
      password: settings.get('password') ?? 'null',
      passwordFile: settings.get('passwordfile') ?? null,
      ssl: settings.get('nossl') !== 'true',
      ca: settings.get('ca') ?? null,
    },
    help: all.some((word) => word === '-help' || word === '--help'),
    json: all.includes('--json'),
    rest: all.filter((word) => word !== '-help' && word !== '--help' && word !== '--json'),
  };
}

/** Takes the connection's options out of the words. */
function take(words: readonly string[], settings: Map<string, string>, keys: ReadonlySet<string> = CONNECTION_KEYS): string[] {
  const rest: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    const flag = FLAGS[word];
    const dashed = DASHED[word];
    const equals = word.indexOf('=');
    const key = equals < 0 ? '' : word.slice(0, equals);
    if (flag !== undefined) settings.set(...flag);
    else if (dashed !== undefined && at + 1 < words.length) settings.set(dashed, words[++at]!);
    else if (keys.has(key)) settings.set(key, word.slice(equals + 1));
    else rest.push(word);
  }
  return rest;
}

/** Split at commas; a comma after a backslash stays, and all backslashes go. */
export function splitExtraArgs(text: string): string[] {
  return text
    .split(/(?<!\\),/)
    .map((part) => part.replaceAll('\\', ''))
    .filter((part) => part !== '');
}

function parsePort(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new XeBadOption('Port number must be an integer (0-65535)');
  return Number(text);
}

export interface XeCommandLine {
  readonly command: string;
  readonly params: readonly Param[];
}

/**
 * Switches with one dash that are left take a value, those with two are true. @throws
 * XeUsageFailure
 */
export function parseXeCommand(words: readonly string[]): XeCommandLine {
  const [command, ...rest] = words;
  if (command === undefined || command.includes('=')) throw new XeUsageFailure('Syntax error');
  const params: Param[] = [];
  for (const word of rest) {
    if (word.startsWith('--')) params.push([word.slice(2), 'true']);
    else if (word.startsWith('-')) throw new XeUsageFailure('Syntax error');
    else {
      const equals = word.indexOf('=');
      params.push(equals < 0 ? [word, ''] : [word.slice(0, equals), word.slice(equals + 1)]);
    }
  }
  return { command, params };
}

export function paramOf(params: readonly Param[], key: string): string | undefined {
  return params.find(([name]) => name === key)?.[1];
}
