// The packed package as a user has it: installed with `npm install -g` into a folder of its own,
// and called there.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** What runs on by mistake is a failure, and does not keep the others from being checked. */
const COMMAND_MS = 300_000;

/** The daemon in memory answers with the page, and ends when told to. */
async function checkServe(program, host, { folder, check }) {
  const daemon = spawn(program, ['serve', '--host', host, '--listen', '127.0.0.1:0'], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise((resolve) => daemon.once('exit', resolve));
  let said = '';
  for await (const piece of daemon.stdout) {
    said += piece;
    if (said.includes('\n')) break;
  }
  const [, url] = /listening at (\S+)/.exec(said) ?? [];
  const page = url === undefined ? '' : await fetch(url).then((answer) => answer.text());
  check(page.includes('<script'), `installed: serve said '${said.trim()}', and its page is '${page.slice(0, 100)}'`);
  daemon.kill('SIGTERM');
  check((await ended) === 0, 'installed: serve does not end with 0');
}

/**
 * `npm install -g` as on a machine without a compiler that reaches no prebuilt binaries.
 * @param tarball absolute path
 */
export async function checkInstalled(tarball, { folder, version, check }) {
  const run = (command, line) => spawnSync(command, line, { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 26, timeout: COMMAND_MS });
  const prefix = join(folder, 'prefix');
  const words = ['install', '--global', '--prefix', prefix, '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', tarball];
  const installed = run('npm', [...words, '--loglevel=error']);
  check(installed.status === 0, `npm install -g: ${installed.stdout}${installed.stderr}`);
  const program = join(prefix, 'bin/xennuma');
  const host = join(prefix, 'lib/node_modules/xennuma/examples/hosts/two-nodes.yaml');
  for (const [line, wanted] of [
    [['--version'], version],
    [['demo'], 'Try next'],
    [['show', '--host', host], 'node 1'],
    [['completion', 'bash'], 'complete -o filenames -F _xennuma xennuma'],
  ]) {
    const ended = run(program, line);
    check(ended.status === 0 && ended.stdout.includes(wanted), `installed: xennuma ${line.join(' ')} ends with ${ended.status}`);
  }
  // npm could not build it here.
  const kept = run(program, ['serve', '--host', host, '--listen', '127.0.0.1:0', '--state', join(folder, 'state')]);
  const advice = `npm --prefix ${join(prefix, 'lib/node_modules/xennuma')} rebuild better-sqlite3`;
  check(
    kept.status === 2 && kept.stderr.includes(advice),
    `installed: serve --state without better-sqlite3: ${kept.status} ${kept.stderr}`,
  );
  for (const page of ['xennuma.1.gz', 'xennuma-verify.1.gz'])
    check(existsSync(join(prefix, 'share/man/man1', page)), `installed: npm linked no manual page ${page}`);
  await checkServe(program, host, { folder, check });
}
