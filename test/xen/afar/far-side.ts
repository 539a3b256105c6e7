// The two sides of the rig: commands in its dom0, and `xennuma` on this machine, whose ssh goes to
// that dom0 (rig/README.md).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const rig = process.env.XENNUMA_RIG!;
const name = process.env.XENNUMA_RIG_NAME!;
export const rigHome = process.env.XEN_RIG_HOME ?? join(process.env.XDG_CACHE_HOME ?? join(process.env.HOME!, '.cache'), 'xennuma-rig');
const runFolder = join(rigHome, 'run', name);
/** The one folder that dom0 writes for this side; the same path on both. */
export const share = join(runFolder, 'share');
export const SOURCE = 'ssh://root@dom0';

export const folder = mkdtempSync(join(tmpdir(), 'xennuma-afar-'));
// The system's own ssh with one file of its settings: address, key and known hosts of the rig.
const bin = join(folder, 'ssh');
writeFileSync(bin, `#!/bin/sh\nPATH=${process.env.PATH} exec ssh -F '${runFolder}/ssh-config' "$@"\n`);
chmodSync(bin, 0o755);
const PATH = `${folder}:${process.env.PATH}`;

export interface Ended {
  readonly code: number;
  readonly out: string;
}

/** A script of bash in dom0, as root and with the machine's own PATH, so with Node. */
export function inDom0(script: string, input = ''): string {
  const words = ['exec', '--name', name, '--timeout', '1200', '-i', 'bash', '-euc', script];
  const { status, stdout, stderr } = spawnSync(rig, words, { input, encoding: 'utf8', maxBuffer: 2 ** 28 });
  assert.equal(status, 0, `${script}\n${stdout}${stderr}`);
  if (stderr !== '') console.error(stderr);
  return stdout;
}

/** What a login by ssh sees. */
export function overSsh(command: string): Ended {
  const { status, stdout } = spawnSync('ssh', ['-T', 'dom0', command], { encoding: 'utf8', env: { ...process.env, PATH } });
  return { code: status ?? -1, out: stdout };
}

/** The command in dom0, once for each list of words. */
export function inside(...runs: readonly (readonly string[])[]): Ended[] {
  return JSON.parse(inDom0('exec node .dist-afar/inside.js', JSON.stringify(runs))) as Ended[];
}

/** The command on this side. Codes 0 and 1 are answers. */
export function outside(...words: readonly string[]): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/xennuma.js', ...words], {
    encoding: 'utf8',
    env: { ...process.env, PATH },
    maxBuffer: 2 ** 28,
  });
  assert.ok(status === 0 || status === 1, `xennuma ${words.join(' ')}: exit ${status}\n${stderr}`);
  return { code: status, out: stdout };
}
