// Requirements of xennuma on this machine. Each check reports its finding, its purpose and the fix.
// Nothing is changed.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { InputError, isMissingModule } from '../../base/errors.js';
import { checkOwnFolder } from '../../base/own-file.js';
import { npmCommand } from '../../base/own-package.js';
import { loadHighs } from '../../live/rebalance/highs.js';
import { parseUsers } from '../../xapi/calls/users.js';
import { xenstorePaths } from '../../xenstore/client/connect.js';
import { readInput } from '../input/read-input.js';
import type { ServeSettings } from '../input/serve-config.js';

/** A secret may be read by a group, such as that of the daemon when root owns the file. */
const OPEN_SECRET = 0o027;

/**
 * ok; missing: something required cannot work; warn: it works, but should be checked; absent: not
 * there, and not required.
 */
export type CheckState = 'ok' | 'missing' | 'warn' | 'absent';

export interface CheckResult {
  readonly name: string;
  readonly state: CheckState;
  /** The finding, as one sentence without a full stop. */
  readonly found: string;
  /** The fix; empty if there is nothing to do. */
  readonly mend: string;
}

export const LEAST_NODE = [20, 19] as const;

const ok = (name: string, found: string): CheckResult => ({ name, state: 'ok', found, mend: '' });

/** The needs of a real host are essential if one is requested; otherwise they are only listed. */
function lack(name: string, needed: boolean, found: string, mend: string): CheckResult {
  return { name, state: needed ? 'missing' : 'absent', found, mend };
}

export function checkNode(version: string = process.versions.node): CheckResult {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const fits = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
  if (fits) return ok('Node.js', `version ${version}`);
  return lack(
    'Node.js',
    true,
    `version ${version}, older than ${LEAST_NODE.join('.')}`,
    `install Node.js ${LEAST_NODE.join('.')} or newer`,
  );
}

/** Whether this machine is the control domain of a Xen host. */
export function isControlDomain(): boolean {
  try {
    return readFileSync('/proc/xen/capabilities', 'utf8').includes('control_d');
  } catch {
    return false;
  }
}

/** The needs of a real host. @param needed a real host is requested */
export async function checkXen(needed: boolean): Promise<CheckResult[]> {
  const koffi = await import('koffi').then(
    (module) => module.default,
    () => null,
  );
  const results = [
    koffi === null
      ? lack('koffi', needed, 'it cannot be loaded', `${npmCommand('install', 'koffi')}; it ships with native code for Linux on x86-64`)
      : ok('koffi', 'it loads'),
  ];
  if (koffi !== null) {
    const loads = ['libxencall.so.1'].every((name) => {
      try {
        koffi.load(name).unload();
        return true;
      } catch {
        return false;
      }
    });
    results.push(
      loads
        ? ok('libxencall', 'libxencall.so.1 loads')
        : lack('libxencall', needed, 'libxencall.so.1 was not found', "install Xen's libraries (Debian: apt install libxencall1)"),
    );
    results.push(await checkLibxenguest(needed));
  }
  results.push(checkDomain(needed), checkDevice(needed), checkRights(needed), checkXenstore(needed));
  return results;
}

async function checkLibxenguest(needed: boolean): Promise<CheckResult> {
  const { loadLibxenguest } = await import('../../xenguest/real/libraries.js');
  try {
    return ok('libxenguest', `version ${loadLibxenguest().version}`);
  } catch (error) {
    const found = (error as Error).message.replace(/^xenguest: /, '');
    return lack('libxenguest', needed, found, 'install the libraries of a supported Xen (Debian 12: apt install libxenmisc4.17)');
  }
}

function checkDomain(needed: boolean): CheckResult {
  if (isControlDomain()) return ok('Xen', 'this is the control domain of a Xen host');
  return lack(
    'Xen',
    needed,
    'this machine is not the control domain of a Xen host',
    'boot it under Xen, describe a host with --host FILE, or read one with --from ssh://root@HOST',
  );
}

function checkDevice(needed: boolean): CheckResult {
  const name = '/dev/xen/privcmd';
  const device = [name, '/proc/xen/privcmd'].find((path) => existsSync(path));
  if (device === undefined) return lack(name, needed, 'it does not exist', 'load the module: modprobe xen-privcmd');
  return usable(device) ? ok(name, `${device} can be used`) : lack(name, needed, `this user may not use ${device}`, 'run as root');
}

function checkRights(needed: boolean): CheckResult {
  if (process.getuid?.() === 0) return ok('rights', 'this is root');
  return lack('rights', needed, 'this is not root', 'run as root; hypercalls are for root alone');
}

function checkXenstore(needed: boolean): CheckResult {
  const paths = xenstorePaths();
  const path = paths.find((one) => existsSync(one));
  if (path === undefined) {
    return lack('xenstored', needed, `none of ${paths.join(', ')} exists`, 'start it: systemctl start xenstored, or xennuma xenstored');
  }
  return usable(path) ? ok('xenstored', `${path} can be used`) : lack('xenstored', needed, `this user may not use ${path}`, 'run as root');
}

/** Another toolstack on the host would undo our changes. */
export function checkOtherToolstack(): CheckResult {
  const other = ['/var/lib/xcp/xapi', '/run/nonpersistent/xapi', '/var/lib/xcp/blobs'].find((path) => existsSync(path));
  if (other === undefined) return ok('other toolstacks', 'no xapi here');
  return {
    name: 'other toolstacks',
    state: 'warn',
    found: `xapi is installed here (${other})`,
    mend: 'let xapi run the VMs, and use xennuma with --pool or with verify and show',
  };
}

async function loadStateDriver(): Promise<void> {
  const { default: Database } = await import('better-sqlite3');
  new Database(':memory:').close();
}

export async function checkStateDriver(needed: boolean, load: () => Promise<void> = loadStateDriver): Promise<CheckResult> {
  try {
    await load();
    return ok('better-sqlite3', 'it loads');
  } catch (error) {
    // npm leaves an optional package out whose binary it could neither download nor build, and has
    // nothing to rebuild then.
    const [found, how] = isMissingModule(error)
      ? (['it is not installed', 'install'] as const)
      : (['it cannot be loaded', 'rebuild'] as const);
    const mend = `${npmCommand(how, 'better-sqlite3')} (without its prebuilt binary this takes gcc, make and python3)`;
    return lack('better-sqlite3', needed, found, `${mend}; it keeps the state of xennuma serve`);
  }
}

/** HiGHS is used by `rebalance --bound` and `compare --bound`, which do without it. */
export async function checkSolver(load: () => Promise<unknown> = loadHighs): Promise<CheckResult> {
  if ((await load()) !== null) return ok('highs', 'it loads');
  return lack('highs', false, 'it is not installed', `${npmCommand('install', 'highs')}; it makes the bounds of small hosts exact`);
}

/** The state folder of serve: one that exists and is ours, or one that can be created. */
export function checkState(state: string | null): CheckResult {
  const name = 'state folder';
  if (state === null)
    return { name, state: 'warn', found: 'none is set', mend: 'set state: FOLDER, or VMs and policies are gone when the daemon ends' };
  if (!existsSync(state)) {
    let above = dirname(state);
    while (!existsSync(above) && above !== dirname(above)) above = dirname(above);
    return usable(above)
      ? ok(name, `${state} will be created`)
      : lack(name, true, `${state} does not exist and cannot be created`, `create it for this user: mkdir -p ${state}`);
  }
  const info = statSync(state);
  try {
    checkOwnFolder(state);
  } catch (error) {
    const { message, mend } = error as InputError;
    return lack(name, true, `${state} cannot be used: ${message}`, mend);
  }
  if (!usable(state, constants.X_OK))
    return lack(name, true, `this user may not write to ${state}`, 'change its owner, or run as its owner');
  if ((info.mode & 0o007) !== 0) return { name, state: 'warn', found: `other users can enter ${state}`, mend: `chmod o-rwx ${state}` };
  return ok(name, `${state} can be used`);
}

/** @param listen ADDRESS:PORT, parsed */
export async function checkPort(address: string, port: number): Promise<CheckResult> {
  const name = 'port';
  const where = `${address.includes(':') ? `[${address}]` : address}:${port}`;
  const code = await new Promise<string>((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve('')));
  });
  if (code === '') return ok(name, `${where} is free`);
  if (code === 'EADDRINUSE') {
    return {
      name,
      state: 'warn',
      found: `${where} is taken`,
      mend: 'nothing to do if that is xennuma serve; otherwise set another port in listen',
    };
  }
  if (code === 'EACCES') return lack(name, true, `this user may not listen on ${where}`, 'choose a port above 1023, or run as root');
  return lack(name, true, `cannot listen on ${where} (${code})`, 'set an address of this machine in listen');
}

/** The files exist, belong together and are valid now. */
export function checkTls(tls: ServeSettings['tls'], nowMs: number = Date.now()): CheckResult {
  const name = 'TLS';
  if (tls === null) return ok(name, 'none is set: fine on a loopback address');
  if (tls === 'generate') return ok(name, 'serve generates a certificate');
  try {
    const certificate = new X509Certificate(readInput(tls.cert).text);
    const key = createPrivateKey(readInput(tls.key).text);
    if (!certificate.checkPrivateKey(key))
      return lack(name, true, `${tls.key} is not the key of ${tls.cert}`, 'name a certificate and its own key');
    const endMs = Date.parse(certificate.validTo);
    if (endMs < nowMs) return lack(name, true, `${tls.cert} expired on ${certificate.validTo}`, 'renew it');
    if (Date.parse(certificate.validFrom) > nowMs)
      return lack(name, true, `${tls.cert} is not valid before ${certificate.validFrom}`, 'set the clock, or wait');
    if ((statSync(tls.key).mode & OPEN_SECRET) !== 0)
      return { name, state: 'warn', found: `other users can read ${tls.key}`, mend: `chmod 600 ${tls.key}` };
    if (endMs < nowMs + 30 * 86_400_000)
      return { name, state: 'warn', found: `${tls.cert} expires on ${certificate.validTo}`, mend: 'renew it soon' };
    return ok(name, `${tls.cert} is valid until ${certificate.validTo}`);
  } catch (error) {
    if (error instanceof InputError) return lack(name, true, error.toString(), 'correct the path');
    return lack(name, true, `${tls.cert} or ${tls.key} is not PEM (${(error as Error).message})`, 'give a certificate and its key in PEM');
  }
}

/** As `serve` does, a real host asks for users on loopback too. */
export function checkUsers(users: string | null, loopback: boolean, realHost: boolean): CheckResult {
  const name = 'users';
  if (users === null) {
    if (realHost)
      return lack(name, true, 'no users file, and a real host needs one', 'xennuma serve passwd USER --file FILE, and set users: FILE');
    if (loopback) return ok(name, 'no users file: everybody on this machine may log in');
    return lack(name, true, 'no users file, but other machines can connect', 'xennuma serve passwd USER --file FILE, and set users: FILE');
  }
  try {
    const { file, text } = readInput(users);
    const count = parseUsers(text, file).size;
    if (count === 0) return lack(name, true, `${users} has no users`, `xennuma serve passwd USER --file ${users}`);
    if ((statSync(users).mode & OPEN_SECRET) !== 0)
      return { name, state: 'warn', found: `other users can read ${users}`, mend: `chmod 600 ${users}` };
    return ok(name, `${count} in ${users}`);
  } catch (error) {
    if (error instanceof InputError) return lack(name, true, error.toString(), `xennuma serve passwd USER --file ${users}`);
    throw error;
  }
}

function usable(path: string, more = 0): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK | more);
    return true;
  } catch {
    return false;
  }
}
