// A signal during work on another host: the children end, no temporary folder stays, and a shell
// sees the code of the signal.
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { root } from '../xennuma.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-signals-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Notes its process and its child's, and hangs; `-O exit` is noted too. */
const HANGING = `case "$*" in *"-O exit"*) echo exit >> "$CASE/controls"; exit 0;; esac
sleep 300 &
echo $$ >> "$CASE/children"
echo $! >> "$CASE/children"
echo $PPID > "$CASE/parent.new"
mv "$CASE/parent.new" "$CASE/parent"
wait
`;

let cases = 0;
function newCase(programs: Readonly<Record<string, string>>) {
  const at = join(folder, `case-${++cases}`);
  const [bin, tmp] = [join(at, 'bin'), join(at, 'tmp')];
  for (const each of [bin, tmp]) mkdirSync(each, { recursive: true });
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}`);
    chmodSync(join(bin, name), 0o755);
  }
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, TMPDIR: tmp, CASE: at };
  const lines = (name: string) => (existsSync(join(at, name)) ? readFileSync(join(at, name), 'utf8').trim().split('\n') : []);
  return { at, tmp, env, lines };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(20);
}

const isAlive = (pid: string): boolean => {
  // A zombie has ended; nobody in this container may ask for it.
  const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'latin1') : '';
  return stat !== '' && !/\) Z /.test(stat);
};

/** Runs the command in a shell that prints its code. */
function inShell(words: readonly string[], env: NodeJS.ProcessEnv) {
  const child = spawn('sh', ['-c', '"$@"; echo "code $?"', 'sh', process.execPath, 'dist/xennuma.js', ...words], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    err += data.toString();
  });
  return new Promise<{ out: string; err: string }>((resolve) => child.once('close', () => resolve({ out, err })));
}

const FAR = ['--from', 'ssh://root@far'];
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  show: ['show', ...FAR],
  'show of two hosts': ['show', '--from', 'ssh://far,ssh://farther'],
  verify: ['verify', ...FAR],
  explain: ['explain', 'web', ...FAR],
  plan: ['plan', ...FAR, '--vms', 'examples/vms/dozen.yaml'],
  place: ['place', 'web', ...FAR],
  rebalance: ['rebalance', ...FAR],
  capture: ['capture', ...FAR, '-o', 'never.tgz'],
};

describe('a signal while ssh runs', () => {
  it.each([
    ...Object.keys(COMMANDS).map((name) => [name, 'SIGINT', 130] as const),
    ['show', 'SIGTERM', 143] as const,
    ['place', 'SIGTERM', 143] as const,
    ['capture', 'SIGHUP', 129] as const,
  ])('ends %s by %s with %i, and leaves nothing', async (name, signal, code) => {
    const { tmp, env, lines } = newCase({ ssh: HANGING });
    const ended = inShell(COMMANDS[name]!, env);
    await until(() => lines('parent').length > 0);
    process.kill(Number(lines('parent')[0]), signal);
    const { out, err } = await ended;
    expect(out).toBe(`code ${code}\n`);
    // Of the shell, which may name the signal: nothing of ours.
    expect(err).not.toContain('xennuma');
    expect(readdirSync(tmp)).toEqual([]);
    await until(() => !lines('children').some(isAlive));
    expect(lines('controls').length).toBeGreaterThan(0);
  });

  it('a second signal does not wait for an ssh that hangs when it closes the connection', async () => {
    const { tmp, env, lines } = newCase({ ssh: `case "$*" in *"-O exit"*) echo $$ > "$CASE/closing"; exec sleep 300;; esac\n${HANGING}` });
    const ended = inShell(COMMANDS.show!, env);
    await until(() => lines('parent').length > 0);
    const pid = Number(lines('parent')[0]);
    process.kill(pid, 'SIGINT');
    await until(() => lines('closing').length > 0);
    process.kill(pid, 'SIGTERM');
    expect((await ended).out).toBe('code 143\n');
    expect(readdirSync(tmp)).toEqual([]);
    await until(() => ![...lines('children'), ...lines('closing')].some(isAlive));
  });
});

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('%s ends the capture of this host with its tools', async (signal, code) => {
  const { tmp, env, lines } = newCase({ xl: HANGING });
  // xl's parent is the shell of the script, whose parent is the command.
  const ended = inShell(['capture', '-o', 'never.tgz'], env);
  await until(() => lines('parent').length > 0);
  const stat = readFileSync(`/proc/${lines('parent')[0]}/stat`, 'latin1');
  process.kill(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]), signal);
  const { out } = await ended;
  expect(out).toBe(`code ${code}\n`);
  expect(readdirSync(tmp)).toEqual([]);
  await until(() => ![...lines('children'), ...lines('parent')].some(isAlive));
});

describe.each(['sh', 'bash', 'dash'].filter((name) => existsSync(`/bin/${name}`)))(
  'the script of capture --print-script in %s',
  (shell) => {
    it.each([
      ['SIGINT', 130],
      ['SIGTERM', 143],
      ['SIGHUP', 129],
    ] as const)('removes its folder at %s', async (signal, code) => {
      const { at, tmp, env, lines } = newCase({ xl: HANGING.replace('sleep 300', 'sleep 2') });
      const script = await inShell(['capture', '--print-script'], env);
      writeFileSync(join(at, 'script'), script.out.replace(/code 0\n$/, ''));
      const child = spawn(shell, [join(at, 'script')], { env, stdio: 'ignore' });
      const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
      await until(() => lines('parent').length > 0);
      child.kill(signal);
      expect(await ended).toBe(code);
      expect(readdirSync(tmp)).toEqual([]);
    });
  },
);

it('an ssh that hangs when it closes the connection keeps no command', async () => {
  const { tmp, env, lines } = newCase({
    ssh: `case "$*" in *"-O exit"*) echo $$ > "$CASE/closing"; sleep 300; exit;; esac\necho 'No route' >&2; exit 255\n`,
  });
  const { out, err } = await inShell(COMMANDS.show!, env);
  expect(out).toBe('code 3\n');
  expect(err).toContain('far cannot be reached by ssh: No route');
  expect(readdirSync(tmp)).toEqual([]);
  expect(lines('closing')).toHaveLength(1);
  await until(() => !lines('closing').some(isAlive));
}, 30_000);

it('an endless error text of ssh is shortened', async () => {
  const { env } = newCase({ ssh: `i=0; while [ $i -lt 2000 ]; do printf 'banner '; i=$((i + 1)); done >&2; echo the end >&2; exit 255\n` });
  const { out, err } = await inShell(COMMANDS.show!, env);
  expect(out).toBe('code 3\n');
  expect(err.length).toBeLessThan(600);
  expect(err).toContain('the end');
});
