// `xennuma fleet init` and `fleet join`: the servers' configuration and the keys, in one folder.
import { existsSync, mkdirSync, realpathSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import { InputError } from '../../../base/errors.js';
import { FILE_CALLS } from '../../../base/file-calls.js';
import { isFull, withErrnoName } from '../../../base/files/errno-names.js';
import { assertNamed, checkOwnFolder } from '../../../base/own-file.js';
import { replaceSharedFile } from '../../../base/replace-file.js';
import { harmless } from '../../../base/safe-text.js';
import { isToken } from '../../../fleet/protocol/subjects.js';
import { type FleetUser, type Role, readUsers, serverConfig, usersConfig } from '../../../fleet/store/server-config.js';
import { readInput } from '../../input/read-input.js';
import { out } from '../../output/terminal.js';

const PORT = 4222;
const ROUTE_PORT = 6222;
const USERS = 'users.conf';
/** Others may read it: the servers run as a user of their own, and public keys are no secret. */
const CONFIG_MODE = 0o644;
const KEY_MODE = 0o600;

export interface InitOptions {
  readonly servers: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
}

export function fleetInit(folder: string, { servers, tlsCert, tlsKey, tlsCa }: InitOptions): void {
  if (existsSync(join(folder, USERS)))
    throw new InputError('the folder has a fleet already', { file: folder }, 'xennuma fleet join adds hosts to it');
  for (const address of servers) {
    if (!/^[A-Za-z0-9.-]{1,253}$/.test(address))
      throw new InputError(`expected a host name or an IPv4 address, got '${address}'`, { path: '--servers' });
  }
  const loopback = servers.every((address) => address === 'localhost' || address.startsWith('127.'));
  const tlsFiles = [tlsCert, tlsKey, tlsCa].filter((one) => one !== undefined).length;
  if (tlsFiles !== 0 && tlsFiles !== 3)
    throw new InputError('expected certificate, key and authority', { path: '--tls-cert' }, 'give all three, or none on loopback');
  if (tlsFiles === 0 && !loopback) {
    throw new InputError('servers that others can reach need TLS', { path: '--tls-cert' }, 'give --tls-cert, --tls-key and --tls-ca');
  }
  if (servers.length === 2)
    throw new InputError('two servers have no majority when one is down', { path: '--servers' }, 'name one server, or three');
  const made = makeFolder(folder);
  const places = servers.map((address, at) => ({ name: `fleet-${at + 1}`, address }));
  const tls = tlsFiles === 3 ? { cert: tlsCert!, key: tlsKey!, ca: tlsCa! } : null;
  const written: string[] = [];
  const write = (name: string, text: string, mode: number) => {
    newFile(join(folder, name), text, mode);
    written.push(name);
  };
  try {
    for (const [at, { name }] of places.entries()) {
      write(`${name}.conf`, serverConfig({ servers: places, port: PORT, routePort: ROUTE_PORT, tls }, at), CONFIG_MODE);
    }
    const { user, seed } = newUser('admin', 'admin');
    write(keyFile('admin'), seed, KEY_MODE);
    write(USERS, usersConfig([user]), CONFIG_MODE);
  } catch (error) {
    // The next try finds the folder as this one did.
    for (const name of written) rmSync(join(folder, name), { force: true });
    if (made !== undefined) removeFolders(folder, made);
    throw error;
  }
  say([
    ...places.map(({ name, address }) => `on ${address}: nats-server -c ${join(folder, `${name}.conf`)}`),
    `then: xennuma fleet show --fleet ${urlOf(servers, tls !== null)} --fleet-key ${join(folder, 'admin.nk')}`,
    `and for each host: xennuma fleet join HOST --folder ${folder}`,
  ]);
}

export function fleetJoin(name: string, folder: string, role: Role): void {
  const file = join(folder, USERS);
  if (!existsSync(file)) throw new InputError('no fleet here', { file: folder }, 'xennuma fleet init makes one');
  checkOwnFolder(realpathSync(folder));
  if (!isToken(name)) throw new InputError(`expected a name of letters, digits, - and _, got '${name}'`, {}, 'choose another name');
  const users = readUsers(readInput(file).text);
  if (users.some((user) => user.name === name)) throw new InputError(`${name} has joined already`, { file }, `its key is ${name}.nk`);
  const key = join(folder, keyFile(name));
  const { user, seed } = newUser(name, role);
  newFile(key, seed, KEY_MODE);
  const text = usersConfig([...users, user]);
  try {
    replaceSharedFile(file, new TextEncoder().encode(text), FILE_CALLS, CONFIG_MODE);
  } catch (error) {
    // A key that no server knows would be in the way of the next try.
    rmSync(key, { force: true });
    throw notWritten(file, error, 'run as its owner');
  }
  const use =
    role === 'member'
      ? `xennuma serve --fleet URL --fleet-name ${name} --fleet-key ${key}`
      : `xennuma fleet place --fleet-as ${name} --fleet-key ${key}`;
  say([
    `${key}: copy it to its host, readable for its daemon only`,
    `${file}: copy it to each server, then: nats-server --signal reload`,
    use,
  ]);
}

const say = (lines: readonly string[]) => out(lines.map(harmless).join('\n'));

const keyFile = (name: string): string => `${name}.nk`;

/** The seed goes into a file of its own, which only this user may read. */
function newUser(name: string, role: Role): { readonly user: FleetUser; readonly seed: string } {
  const pair = nkeys.createUser();
  return { user: { name, role, key: pair.getPublicKey() }, seed: `${new TextDecoder().decode(pair.getSeed())}\n` };
}

/**
 * Not over a file that is there, nor through a symbolic link.
 * @throws InputError where it cannot be written
 */
function newFile(file: string, text: string, mode: number): void {
  try {
    writeFileSync(file, text, { mode, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') rmSync(file, { force: true });
    throw notWritten(file, error, 'move away what is there, or run as the owner of the folder');
  }
}

/**
 * @returns the first folder of the path that was not there
 * @throws InputError also where others could change the files, which decide who may do what
 */
function makeFolder(folder: string): string | undefined {
  assertNamed(folder);
  try {
    const made = mkdirSync(folder, { recursive: true, mode: 0o700 });
    checkOwnFolder(realpathSync(folder));
    return made;
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw notWritten(folder, error, 'name another folder, or run as the owner of the one around it');
  }
}

/** From a folder up to another one; those that others have put something into stay. */
function removeFolders(folder: string, top: string): void {
  try {
    for (let each = resolve(folder); ; each = dirname(each)) {
      rmdirSync(each);
      if (each === resolve(top)) return;
    }
  } catch {
    // It is in nobody's way.
  }
}

function notWritten(file: string, error: unknown, mend: string): InputError {
  const { message } = withErrnoName(error as Error);
  return new InputError(`cannot be written: ${message}`, { file }, isFull(error) ? 'make room there, or name another folder' : mend);
}

const urlOf = (servers: readonly string[], tls: boolean): string =>
  servers.map((address) => `${tls ? 'tls' : 'nats'}://${address}:${PORT}`).join(',');
