// The host's side of the thin `xe`: its words come as the body of POST /cli, its output goes back
// in frames (xapi-cli-server/xapi_cli.ml, handler, of xen-api e2ee48d6).
import { type Rpc, XapiSession } from '../../xapi-client/session.js';
import { type Param, paramOf } from '../command-line.js';
import { runXeCommand } from '../run.js';
import { clientFiles } from './client-files.js';
import { debug, error, exit, GREETING_BYTES, greeting, majorOfGreeting, print, printStderr, VERSION } from './frames.js';

export interface ThinCliConnection {
  /** The next bytes from the client. @throws when it ends before */
  read(bytes: number): Promise<Buffer>;
  write(frame: Buffer): void;
  /** Has a frame written now and then after the client's last byte: so one that is gone shows. */
  probe(frame: Buffer): void;
  /** Its client has logged in: from now on a command may take any time. */
  loggedIn(): void;
}

/** The first line may be a session that the caller has already. */
const SESSION = 'session_id=';
/** Each word is work before anybody has logged in. */
const MOST_WORDS = 1024;

/**
 * Runs one command of a client to its end.
 * @param body one word a line, then username= and password=
 * @param rpc the API that the command is run against
 */
export async function serveThinCli(connection: ThinCliConnection, body: string, rpc: Rpc): Promise<void> {
  connection.write(greeting());
  if (majorOfGreeting(await connection.read(GREETING_BYTES)) !== VERSION.major) return;
  connection.probe(debug(''));
  const lines = body.split('\n', MOST_WORDS + 1).map((line) => line.replace(/\r$/, ''));
  if (lines.length > MOST_WORDS) {
    connection.write(printStderr(`Error: a command has at most ${MOST_WORDS} words; give fewer parameters at a time\n`));
    connection.write(exit(1));
    return;
  }
  const session = lines[0]!.startsWith(SESSION) ? lines.shift()!.slice(SESSION.length) : null;
  const streams = {
    out: (words: string) => connection.write(print(words.replace(/\n$/, ''))),
    error: (words: string) => connection.write(printStderr(words)),
    errorCode: (code: string, params: readonly string[]) => connection.write(error(code, params)),
  };
  const login = async (params: readonly Param[]): Promise<XapiSession> => {
    const credentials = { user: paramOf(params, 'username') ?? '', password: paramOf(params, 'password') ?? '' };
    const opened = session === null ? await XapiSession.over(rpc, credentials) : XapiSession.known(rpc, session);
    connection.loggedIn();
    return opened;
  };
  connection.write(exit(await runXeCommand(lines, streams, login, clientFiles(connection))));
}
