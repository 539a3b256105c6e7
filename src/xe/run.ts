// One run of `xennuma xe`: arguments, login, the command, and xe's exit code, which is 0, or 1 for
// every failure.
import { InputError } from '../base/errors.js';
import { readUserFile } from '../base/files/user-file.js';
import type { Endpoint } from '../xapi-client/endpoint.js';
import { XapiUnreachable } from '../xapi-client/errors.js';
import { type Credentials, XapiSession } from '../xapi-client/session.js';
import { type Param, parseConnection, parseXeCommand, XeBadOption, type XeConnection } from './command-line.js';
import { XE_COMMANDS } from './commands.js';
import { XeContext } from './context.js';
import { tellFailure, XeMultipleFailure, XePlainFailure, XeUsageFailure } from './failures.js';
import type { ClientFiles } from './files/client-files.js';
import { localFiles } from './files/local-files.js';
import { USAGE, xeHelp } from './help.js';
import { flag, required } from './objects.js';
import { makePrinter, printable, type Write } from './print.js';

export interface XeStreams {
  readonly out: Write;
  readonly error: Write;
  /** A code that xe has no sentence for, where it is more than text on `error`. */
  readonly errorCode?: (code: string, params: readonly string[]) => void;
}

/** Required content of a password file, in xe's words. */
const PASSWORD_FILE_FORM = 'Error: password file format: expecting username on the first line, password on the second line';

/**
 * @param localPort where the daemon of this machine listens
 * @returns the exit code
 */
export async function runXe(
  words: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  streams: XeStreams,
  localPort: number,
): Promise<number> {
  const opening = new Opening();
  try {
    const { connection, help, json, rest } = parseConnection(words, env.XE_EXTRA_ARGS ?? '');
    if (help || rest.length === 0) {
      streams.error(USAGE);
      return 0;
    }
    const endpoint = () => endpointOf(connection, localPort);
    const login = () => XapiSession.login(endpoint(), credentialsOf(connection));
    return await runCommand(rest, { opening, streams, json, login, files: localFiles(endpoint, streams.out) });
  } catch (error) {
    await report(error, opening.context, streams);
    return 1;
  } finally {
    await opening.context?.session.close();
  }
}

/**
 * A command without options of connections, as the thin xe hands it to its host.
 * @param words the command and its parameters
 * @param login gives the session that the command runs in, when it needs one
 * @param files of the client
 * @returns the exit code
 */
export async function runXeCommand(
  words: readonly string[],
  streams: XeStreams,
  login: (params: readonly Param[]) => Promise<XapiSession>,
  files: ClientFiles,
): Promise<number> {
  const opening = new Opening();
  try {
    return await runCommand(words, { opening, streams, json: false, login, files });
  } catch (error) {
    await report(error, opening.context, streams);
    return 1;
  } finally {
    await opening.context?.session.close();
  }
}

/** The session of a run, once there is one. */
class Opening {
  context: XeContext | null = null;
}

interface CommandRun {
  readonly opening: Opening;
  readonly streams: XeStreams;
  readonly json: boolean;
  readonly files: ClientFiles;
  login(params: readonly Param[]): Promise<XapiSession>;
}

async function runCommand(words: readonly string[], { opening, streams, json, login, files }: CommandRun): Promise<number> {
  const { command: name, params } = parseXeCommand(words);
  const minimal = flag(params, 'minimal');
  const printer = makePrinter(printForm(minimal, json), streams.out);
  if (name === 'help') {
    xeHelp(params, minimal, printer);
    printer.flush();
    return 0;
  }
  const command = XE_COMMANDS.get(name);
  if (command === undefined) throw new XeUsageFailure(`Unknown command: ${name}`);
  for (const key of command.required) required(params, key);
  const context = new XeContext(await login(params));
  opening.context = context;
  await command.run({ context, params, printer, errorText: streams.error, files });
  printer.flush();
  return 0;
}

function printForm(minimal: boolean, json: boolean): 'full' | 'minimal' | 'json' {
  if (minimal) return 'minimal';
  return json ? 'json' : 'full';
}

/**
 * 127.0.0.1 is this machine and speaks plain HTTP, as it does for xe; every other server speaks TLS
 * unless --nossl is given.
 */
export function endpointOf(connection: XeConnection, localPort: number): Endpoint {
  const { server, port, ssl, ca } = connection;
  const local = server === '127.0.0.1';
  const secure = ca !== null || (ssl && !local);
  return {
    secure,
    host: server.replace(/^\[(.*)\]$/, '$1'),
    port: port ?? (local ? localPort : usualPort(secure)),
    insecure: ca === null,
    ...(ca === null ? {} : { ca: readPlain(ca, 'certificate file') }),
  };
}

const usualPort = (secure: boolean) => (secure ? 443 : 80);

function credentialsOf({ user, password, passwordFile }: XeConnection): Credentials {
  if (passwordFile === null) return { user, password };
  const [first, second] = readPlain(passwordFile, 'password file').split(/\r?\n/);
  if (first === undefined || second === undefined || (second === '' && first === '')) throw new XePlainFailure(PASSWORD_FILE_FORM);
  return { user: first, password: second };
}

const LONGEST_FILE_BYTES = 2 ** 20;

function readPlain(file: string, what: string): string {
  try {
    return readUserFile(file, { mostBytes: LONGEST_FILE_BYTES }).toString();
  } catch (error) {
    if (error instanceof InputError && error.message.startsWith('expected at most')) {
      throw new XePlainFailure(`Error: ${what} '${file}' is longer than 1 MiB`);
    }
    throw new XePlainFailure(`Error opening ${what} '${file}'`);
  }
}

async function report(error: unknown, context: XeContext | null, streams: XeStreams): Promise<void> {
  // Messages hold what the host sent.
  const out = (text: string) => streams.out(printable(text));
  const write = (text: string) => streams.error(printable(text));
  if (error instanceof XeBadOption) write(`${error.message}\n${USAGE}`);
  else if (error instanceof XeMultipleFailure) {
    for (const [uuid, message] of error.failures) out(`operation failed on ${uuid}: ${message}\n`);
  } else if (error instanceof XapiUnreachable) write(`${unreachableText(error, context)}\n`);
  else {
    const failure = await tellFailure(error, (param) =>
      context === null ? Promise.resolve(param) : context.readable(param).catch(() => param),
    );
    if (failure === null) throw error;
    if (typeof failure === 'string') write(`${failure}\n`);
    else if (streams.errorCode !== undefined) streams.errorCode(printable(failure.code), failure.params.map(printable));
    else write(`Error code: ${failure.code}\nError parameters: ${failure.params.join(', ')}\n`);
  }
}

/** xe's words where it has some, then why and how to mend it, which xe does not say. */
function unreachableText(error: XapiUnreachable, context: XeContext | null): string {
  const why = `(${error.message}; ${error.mend})`;
  if (error.reason === 'refused') return `Error: Connection refused (calling connect )\n${why}`;
  if (error.reason === 'unknown-host') return `Host '${/\/\/([^/:]+|\[.*?\])/.exec(error.message)?.[1] ?? ''}' not found.\n${why}`;
  if (error.reason === 'lost' && context !== null) return `Lost connection to the server.\n${why}`;
  return `Unable to contact server. Please check server and port settings.\n${why}`;
}
