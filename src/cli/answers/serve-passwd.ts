// `xennuma serve passwd`: one user's line in the file of users, replaced as a whole.
import { createInterface } from 'node:readline';
import { InputError } from '../../base/errors.js';
import { parseUsers, type Role, userLine } from '../../xapi/calls/users.js';
import { changeUsersFile } from '../../xapi/calls/users-file.js';
import { remark } from '../output/terminal.js';

export async function passwd(
  user: string,
  options: { readonly file: string; readonly role: Role; readonly remove?: boolean },
): Promise<void> {
  const { file } = options;
  // The password is read before the file is locked, because typing takes long.
  const line = options.remove === true ? null : await userLine(user, options.role, await readPassword());
  await changeUsersFile(file, (text) => {
    const known = parseUsers(text, file);
    if (line === null && !known.has(user)) throw new InputError(`there is no user '${user}'`, { file }, 'name a user in the file');
    const others = text.split('\n').filter((one) => one.trim() !== '' && one.split(':')[0] !== user);
    return [...others, ...(line === null ? [] : [line])].map((one) => `${one}\n`).join('');
  });
  remark(options.remove === true ? `${user} may no longer log in` : `${user} may log in (${options.role})`);
}

/** From a terminal, without echo; otherwise the first line. */
async function readPassword(): Promise<string> {
  const terminal = process.stdin.isTTY === true;
  if (terminal) process.stderr.write('Password: ');
  const lines = createInterface({ input: process.stdin, terminal });
  // readline echoes to its output. It has none, so nothing is shown.
  const [line] = await new Promise<[string] | []>((done) => {
    lines.once('line', (text) => done([text]));
    lines.once('close', () => done([]));
  });
  lines.close();
  if (terminal) process.stderr.write('\n');
  if (line === undefined) throw new InputError('expected a password, got nothing', {}, 'type it, or pipe it in as one line');
  return line;
}
