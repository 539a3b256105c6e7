// `xennuma serve passwd`: one user's line in the file of users, replaced as a whole.
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { InputError } from '../../base/errors.js';
import { parseUsers, type Role, userLine } from '../../xapi/calls/users.js';
import { remark } from '../output/terminal.js';

export async function passwd(
  user: string,
  options: { readonly file: string; readonly role: Role; readonly remove?: boolean },
): Promise<void> {
  const { file } = options;
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const known = parseUsers(text, file);
  const others = text.split('\n').filter((line) => line.trim() !== '' && line.split(':')[0] !== user);
  if (options.remove === true) {
    if (!known.has(user)) throw new InputError(`there is no user '${user}'`, { file }, 'name one that is in the file');
  } else others.push(await userLine(user, options.role, await readPassword()));
  const fd = openSync(`${file}.new`, 'w', 0o600);
  try {
    writeSync(fd, others.map((line) => `${line}\n`).join(''));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${file}.new`, file);
  remark(options.remove === true ? `${user} may not log in any more` : `${user} may log in (${options.role})`);
}

/** From a terminal without showing it; from anything else the first line. */
async function readPassword(): Promise<string> {
  const terminal = process.stdin.isTTY === true;
  if (terminal) process.stderr.write('Password: ');
  const lines = createInterface({ input: process.stdin, terminal });
  // readline writes what is typed to its output; there is none, so nothing is shown.
  const [line] = await new Promise<[string] | []>((done) => {
    lines.once('line', (text) => done([text]));
    lines.once('close', () => done([]));
  });
  lines.close();
  if (terminal) process.stderr.write('\n');
  if (line === undefined) throw new InputError('expected a password, got nothing', {}, 'type it, or pipe it in as one line');
  return line;
}
