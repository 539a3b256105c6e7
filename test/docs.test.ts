// The documents show the actual output of the commands, and the schemas match the validators.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { root } from './xennuma.js';

const pages = ['README.md', ...readdirSync(join(root, 'docs')).flatMap((name) => (name.endsWith('.md') ? [`docs/${name}`] : []))];

describe('documents', { timeout: 240_000 }, () => {
  let checked: { status: number | null; stdout: string; stderr: string } | undefined;
  const check = () => {
    checked ??= spawnSync(process.execPath, ['scripts/docs.mjs', '--check'], { cwd: root, encoding: 'utf8' });
    return checked;
  };

  it('and pictures are all as the commands print', () => {
    const { status, stdout, stderr } = check();
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/: [1-9]\d* as the commands print, 0 not$/m);
  });

  it.each(pages)('%s shows what the commands print', (page) => {
    expect(
      check()
        .stderr.split('\n')
        .filter((line) => line.startsWith(`${page}:`)),
    ).toEqual([]);
  });

  it.each(pages)('%s links to files that are there', (page) => {
    const text = readFileSync(join(root, page), 'utf8');
    const links = [...text.matchAll(/\]\(([^)#:]+)\)/g)].map(([, link]) => join(root, page, '..', link!));
    for (const link of links) expect(readFileSync(link, 'utf8').length, link).toBeGreaterThan(0);
  });
});

describe('docs/xapi.md', { timeout: 240_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-docs-xapi-'));
  symlinkSync(join(root, 'examples'), join(folder, 'examples'));
  const daemons: ChildProcess[] = [];
  afterAll(async () => {
    for (const daemon of daemons) {
      const gone = new Promise((done) => daemon.once('exit', done));
      daemon.kill();
      if (daemon.exitCode === null) await gone;
    }
    rmSync(folder, { recursive: true });
  });
  const blocks = [...readFileSync(join(root, 'docs/xapi.md'), 'utf8').matchAll(/^```(sh|python)\n([\s\S]*?)^```$/gm)].map(
    ([, , text]) => text!,
  );
  const [serve, python, ask, disk, users] = blocks;
  /** Lines of a block, each with its output in the document. */
  const steps = (block: string) => [...block.matchAll(/^([^#\n].*)\n(?:# (.*)\n)?/gm)].map(([, line, prints]) => [line!, prints] as const);
  const xennumaOf = (line: string) => line.replace('npx xennuma', `'${process.execPath}' '${join(root, 'dist/xennuma.js')}'`);
  const ours = `${'0'.repeat(8)}-0000-4000-8000-${'0'.repeat(12)}`;
  const anyRef = (text: string) => text.replace(/OpaqueRef:[0-9a-f-]{36}/g, `OpaqueRef:${ours}`);

  /** Not spawnSync: what is asked must be able to answer. */
  const bash = async (command: string, input = ''): Promise<string> => {
    const child = spawn('bash', ['-c', command], { cwd: folder });
    child.stdin.end(input);
    const printed: string[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => printed.push(String(chunk)));
    const code = await new Promise((done) => child.once('close', done));
    expect(code, `${command}\n${printed.join('')}`).toBe(0);
    return printed.join('').trimEnd();
  };
  /** At a free port of this machine alone, whatever the document says. @returns its port */
  const start = async (line: string, prints: string): Promise<string> => {
    const state = join(folder, `state-${daemons.length}`);
    const words = line
      .replace('npx xennuma ', '')
      .replace(/--state \S+/, `--state ${state}`)
      .replace(/ --listen \S+/, '')
      .split(' ');
    const daemon = spawn(process.execPath, [join(root, 'dist/xennuma.js'), ...words, '--listen', '127.0.0.1:0'], { cwd: folder });
    daemons.push(daemon);
    const text = await new Promise<string>((done, failed) => {
      daemon.stdout.once('data', (chunk: Buffer) => done(String(chunk)));
      daemon.once('exit', () => failed(new Error(`${line}: ended`)));
    });
    const place = /(\d+\.){3}\d+:\d+/;
    expect(text.trim().replace(place, '')).toBe(prints.replace(place, ''));
    return /:(\d+)$/.exec(text.trim())![1]!;
  };

  it('its examples work as shown (those of Python and curl if they are installed)', async () => {
    expect(blocks).toHaveLength(5);
    const [[line, prints]] = steps(serve!) as [readonly [string, string]];
    const port = await start(line, prints);
    const there = (text: string) => text.replaceAll(':8080', `:${port}`);
    if (spawnSync('python3', ['-c', 'import xmlrpc.client']).status === 0) {
      // The second block goes on from the first.
      writeFileSync(join(folder, 'example.py'), there(`${python!}${disk!}`));
      const printed = [python!, disk!].map((block) => block.match(/^# (.*)$/m)![1]);
      expect(await bash('python3 example.py')).toBe(printed.join('\n'));
    } else {
      await bash(
        `${xennumaOf('npx xennuma')} xe vm-create name-label=a -p ${port} && ${xennumaOf('npx xennuma')} xe vm-start vm=a -p ${port}`,
      );
    }
    const [[xe, name], [curl, answer]] = steps(ask!) as [readonly [string, string], readonly [string, string]];
    expect(await bash(`${xennumaOf(xe)} -p ${port}`)).toBe(name);
    if (spawnSync('curl', ['--version']).status === 0) expect(anyRef(await bash(there(curl)))).toBe(anyRef(answer));
  });

  it('users are created and log in as shown', async () => {
    const [[root], [eye], [line, prints]] = steps(users!) as [readonly [string], readonly [string], readonly [string, string]];
    expect(await bash(xennumaOf(root), 'secret\n')).toBe('root may log in (admin)');
    expect(await bash(xennumaOf(eye), 'look\n')).toBe('eye may log in (read-only)');
    const port = await start(line, prints);
    const certificate = join(folder, 'state-1/tls-cert.pem');
    const words = `-s localhost -p ${port} -u eye -pw look --ca ${certificate}`;
    expect(await bash(`${xennumaOf('npx xennuma')} xe host-list params=name-label --minimal ${words}`)).not.toBe('');
  });
});

it('schemas/ matches the validators', () => {
  const dir = mkdtempSync(join(tmpdir(), 'xennuma-schemas-'));
  const { status, stderr } = spawnSync(process.execPath, ['scripts/make-schemas.mjs', dir], { cwd: root, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  for (const name of readdirSync(dir)) {
    expect(readFileSync(join(root, 'schemas', name), 'utf8'), `${name}: run npm run schemas`).toBe(readFileSync(join(dir, name), 'utf8'));
  }
  rmSync(dir, { recursive: true });
});
