import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FlowRecord } from '../flow/record.js';
import { commandLine, parseCommandLine, streamCommandLine } from './command-line.js';
import { flowLines, MAX_LINE_BYTES, parseControlLine } from './control-protocol.js';
import { ProcessXenguest, type ProcessXenguestOptions } from './process.js';
import { type XenguestArguments, XenguestError } from './xenguest.js';

const ARGS: XenguestArguments = {
  mode: 'pvh_build',
  domid: 3,
  image: '/boot/vmlinux',
  ramdisk: '/boot/initrd',
  cmdline: 'console=hvc0 quiet',
  storePort: 1,
  storeDomid: 0,
  consolePort: 2,
  consoleDomid: 0,
  memMaxMib: 256,
  memStartMib: 256,
};

/** A builder in one line of JavaScript; `out` writes on the control fd. */
const fake = (script: string, options: ProcessXenguestOptions = {}) =>
  new ProcessXenguest({
    ...options,
    command: [process.execPath, '-e', `const out = (text) => require('fs').writeSync(3, text); ${script}`, '--'],
  });
const run = async (script: string, options?: ProcessXenguestOptions) => {
  const flow = new FlowRecord('test');
  const result = await fake(script, options).run(ARGS, { flow, turn: async () => {} });
  return { result, flow };
};
const failure = async (script: string, options?: ProcessXenguestOptions): Promise<string> => {
  const error: unknown = await run(script, options).then(
    () => 'no error',
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(XenguestError);
  return (error as Error).message;
};

describe('a builder in a process of its own', () => {
  it('gives its result', async () => {
    expect((await run("out('result:1044480 1044481\\n')")).result).toEqual({ storePfn: 1044480, consolePfn: 1044481 });
    expect((await run("out('result:5 6 x86_64-abi\\n')")).result, 'a PV guest adds its ABI').toEqual({ storePfn: 5, consolePfn: 6 });
  });

  it('may write pieces of any size, and its log lines are passed on', async () => {
    const lines: string[] = [];
    const script = "for (const c of 'info:hello\\nstdout:a:b\\nresult:5 6\\n') out(c)";
    expect((await run(script, { log: (line) => lines.push(line) })).result.storePfn).toBe(5);
    expect(lines).toEqual(['info: hello', 'stdout: a:b']);
  });

  it('merges its record into the run, in order', async () => {
    const entries: string[] = [];
    const sink = flowLines((line) => entries.push(line));
    sink.edge('exec_xenguest -> stub_xc_hvm_build');
    const built = { domid: 3, kind: 'pvh', memMaxMib: 256, memStartMib: 256 } as const;
    sink.node('stub_xc_hvm_build', built);
    sink.surprise('memory-alternates', { domid: 3, nodes: [1, 2] });
    const { flow } = await run(`${entries.map((line) => `out(${JSON.stringify(line)})`).join(';')}; out('result:5 6\\n')`);
    expect(flow.entries.slice(1)).toEqual([
      { kind: 'edge', edge: 'exec_xenguest -> stub_xc_hvm_build', inferred: false },
      { kind: 'node', node: 'stub_xc_hvm_build', values: built },
      { kind: 'surprise', code: 'memory-alternates', values: { domid: 3, nodes: [1, 2] } },
    ]);
    expect(flow.entries[0]).toMatchObject({ kind: 'node', node: 'exec_xenguest' });
  });

  it("fails with the builder's own text", async () => {
    expect(await failure("out('error:xenguest: xc_vcpu_setaffinity: [22] Invalid argument\\n'); process.exit(1)")).toBe(
      'xenguest: xc_vcpu_setaffinity: [22] Invalid argument',
    );
    expect(await failure("out('error:a\\nerror:b\\n'); process.exit(1)")).toBe('a; b');
    await expect(run("out('error:xenguest: x: [16] Device or resource busy\\nerror:b\\n'); process.exit(1)")).rejects.toMatchObject({
      errno: 'EBUSY',
    });
    expect(await failure("out('result:5 6\\nerror:too late\\n')"), 'an error after a result is an error').toBe('too late');
  });

  it('fails when it is killed, aborts or ends without a result', async () => {
    expect(await failure("process.kill(process.pid, 'SIGKILL')")).toMatch('killed by signal SIGKILL');
    expect(await failure("process.stderr.write('assertion failed\\n', () => process.kill(process.pid, 'SIGABRT'))")).toBe(
      'xenguest: killed by signal SIGABRT: assertion failed',
    );
    expect(await failure('process.exit(7)')).toMatch('exit status 7');
    expect(await failure("out('result:5 6\\n'); process.exit(1)"), 'a result is not enough').toMatch('exit status 1');
    expect(await failure('')).toMatch('without a result');
    expect(await failure("out('result:5 6')")).toMatch('cut off');
  });

  it('is killed when it breaks the protocol', async () => {
    const forever = 'setInterval(() => {}, 1000)';
    expect(await failure(`out('nonsense\\n'); ${forever}`)).toMatch('broke its protocol with the line "nonsense"');
    expect(await failure(`out('result:5 6\\nresult:5 6\\n'); ${forever}`)).toMatch('a second result');
    expect(await failure(`out('x'.repeat(${MAX_LINE_BYTES + 1})); ${forever}`)).toMatch('a line of more than');
  });

  it('is killed after too long a silence, and not while it writes lines', async () => {
    expect(await failure('setInterval(() => {}, 1000)', { silenceMs: 100 })).toMatch('wrote nothing for 100 ms');
    const script =
      "let n = 0; const t = setInterval(() => { out('info:still here\\n'); if (++n === 60) { clearInterval(t); out('result:5 6\\n'); } }, 100)";
    expect((await run(script, { silenceMs: 5000 })).result.storePfn).toBe(5);
  });

  it('reports that it cannot be started', async () => {
    const xenguest = new ProcessXenguest({ command: ['/nonexistent/xenguest'] });
    await expect(xenguest.run(ARGS, { flow: new FlowRecord('test'), turn: async () => {} })).rejects.toThrow(/cannot be started.*ENOENT/);
  });
});

describe('control lines', () => {
  it.each([
    ['xenguest: xc_vcpu_setaffinity: [22] Invalid argument', 'EINVAL'],
    ['xenguest: xc_dom_boot_mem_init: [16] Device or resource busy', 'EBUSY'],
    ['xenguest: x: [999] Unknown error 999', null],
    ['xenguest: its kernel [22] is missing', null],
    ['Populate on Demand and Nested Virtualisation are mutually exclusive', null],
  ])('carry the errno of the call that failed: %s', (text, errno) =>
    expect(parseControlLine(`error:${text}`)).toEqual({ kind: 'error', text, errno }),
  );

  it.each([
    '',
    'result',
    'result:',
    'result:1',
    'result:1 2 3 4',
    'result:-1 2',
    'result:1 x',
    'result:99999999999999999 1',
    'suspend: now',
    'suspend',
    'RESULT:1 2',
    'info:flow {',
  ])('rejects %j', (line) => expect(parseControlLine(line)).toBeNull());
  it.each([
    '{"kind":"node","node":"no such box","values":{}}',
    '{"kind":"edge","edge":"do_domctl -> nowhere","inferred":false}',
    '[]',
    '{"kind":"node","node":"do_domctl","values":[]}',
    '{"kind":"node","node":"enable_auto_node_affinity","values":{"domid":"3"}}',
    '{"kind":"node","node":"enable_auto_node_affinity","values":{}}',
    '{"kind":"note","topic":"weather","values":{}}',
    '{"kind":"note","topic":"destroyed","values":{"domid":3,"by":"me"}}',
    '{"kind":"surprise","code":"toString","values":{}}',
    '{"kind":"surprise","code":"chart-path"}',
  ])('rejects the entry %s', (entry) => expect(parseControlLine(`info:flow ${entry}`)).toBeNull());
});

describe("xenguest's command line", () => {
  const command = (args: XenguestArguments) => ({ controlOutFd: 3, controlInFd: 4, args });
  it.each<XenguestArguments>([
    ARGS,
    { ...ARGS, mode: 'linux_build', memPnode: 2 },
    { ...ARGS, cmdline: '', keepOnNode: true },
    {
      ...ARGS,
      vnodes: [
        { node: 1, pages: 131_072 },
        { node: 0, pages: 1 },
      ],
    },
    { ...ARGS, mode: 'linux_build', cmdline: '-mode x', memMaxMib: 2 ** 31 - 1 },
  ])('is read back as it was written', (args) => expect(parseCommandLine(commandLine(command(args)))).toEqual(command(args)));

  it('is written as xenopsd writes it, and an HVM guest has no command line', () => {
    expect(commandLine(command({ ...ARGS, mode: 'hvm_build' })).join(' ')).toBe(
      '-controloutfd 3 -controlinfd 4 -mode hvm_build -image /boot/vmlinux -domid 3 -store_port 1 -store_domid 0 -console_port 2 -console_domid 0 -fork true -mem_max_mib 256 -mem_start_mib 256',
    );
    expect(commandLine(command(ARGS)).join(' ')).toMatch('-features  -flags 0 -module /boot/initrd -domid 3');
  });

  it.each<[(line: string[]) => string[], string]>([
    [(line) => line.slice(0, -1), "'-mem_start_mib': its value is missing"],
    [(line) => [...line, '-color'], "invalid command line '-color'"],
    [(line) => [...line, '-domid', '4'], "'-domid': given twice"],
    [(line) => line.filter((_, i) => line[i] !== '-image' && line[i - 1] !== '-image'), '-image'],
    [(line) => line.map((word) => (word === 'pvh_build' ? 'listen' : word)), "unrecognized mode 'listen'"],
    [(line) => line.map((word, i) => (line[i - 1] === '-domid' ? '3x' : word)), "'3x' is not a valid int (-domid)"],
    [(line) => [...line, '-vnodes', '1:256,0'], "'0' is no NODE:PAGES (-vnodes)"],
    [(line) => [...line, '-vnodes', '-1:256'], "'-1:256' is no NODE:PAGES (-vnodes)"],
    [(line) => line.map((word, i) => (line[i - 1] === '-mem_max_mib' ? '2147483648' : word)), 'not a valid int (-mem_max_mib)'],
  ])('refuses an invalid one (%#)', (change, message) => {
    expect(() => parseCommandLine(change(commandLine(command(ARGS))))).toThrow(message);
  });
});

/** A builder in JavaScript that knows its mode. */
const streams = (script: string) =>
  fake(`const fs = require('fs'), mode = process.argv[process.argv.indexOf('-mode') + 1]; ${script}`).streams;
const SAVE = { mode: 'hvm_save', domid: 3, live: false } as const;
const RESTORE = { mode: 'hvm_restore', domid: 4, storePort: 1, storeDomid: 0, consolePort: 2, consoleDomid: 0 } as const;
/** As the builder does: the word, and a line as its answer. */
const ASK = "out('suspend:\\n'); const line = Buffer.alloc(8); const length = fs.readSync(4, line);";
const noTurns = () => ({ flow: new FlowRecord('test'), turn: async () => {} });

describe('guests saved and restored by a builder', () => {
  it('a save asks for the suspend, waits until it is done, and writes on its file descriptor', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'xenguest-'));
    const fd = openSync(join(folder, 'image'), 'w+');
    try {
      let suspended = false;
      const suspend = async () => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        suspended = true;
      };
      await streams(`${ASK} fs.writeSync(5, 'guest ' + line.toString('utf8', 0, length)); out('result:0 0\\n')`).save(SAVE, fd, suspend);
      expect(suspended).toBe(true);
      expect(readFileSync(join(folder, 'image'), 'utf8')).toBe('guest done\n');
    } finally {
      closeSync(fd);
      rmSync(folder, { recursive: true });
    }
  });

  it('a guest that does not suspend itself is the error, whatever the builder says of it', async () => {
    const suspend = () => Promise.reject(new RangeError('asleep'));
    const script = `${ASK} if (length === 0) { out('error:called off\\n'); process.exit(1); } out('result:0 0\\n')`;
    await expect(streams(script).save(SAVE, 1, suspend)).rejects.toThrow(RangeError);
  });

  it('a move has the one write what the other reads', async () => {
    const script = `if (mode === 'hvm_save') { ${ASK} fs.writeSync(5, '44 55'); out('result:0 0\\n'); }
      else out('result:' + fs.readFileSync(5, 'utf8') + '\\n')`;
    const result = await streams(script).move(SAVE, async () => {}, RESTORE, noTurns());
    expect(result).toEqual({ storePfn: 44, consolePfn: 55 });
  });

  it.each([
    ['hvm_save', 'the domain is gone'],
    ['hvm_restore', 'no memory'],
  ])('a move in which %s fails ends, and says why', async (failing, why) => {
    const script = `if (mode === '${failing}') { out('error:xenguest: ${why}\\n'); process.exit(1); }
      if (mode === 'hvm_restore') { fs.readFileSync(5); out('error:xenguest: cut off\\n'); process.exit(1); }
      try { for (;;) fs.writeSync(5, 'x'.repeat(65536)); } catch { out('error:xenguest: nobody reads\\n'); process.exit(1); }`;
    await expect(streams(script).move(SAVE, async () => {}, RESTORE, noTurns())).rejects.toThrow(`xenguest: ${why}`);
  });

  it.each([
    { stream: SAVE, fd: 5 },
    { stream: { ...SAVE, mode: 'save', live: true } as const, fd: 6 },
    { stream: RESTORE, fd: 7 },
    { stream: { mode: 'resume', domid: 9 } as const, fd: null },
  ])('its command line is read back as it was written: %j', (one) => {
    const command = { controlOutFd: 3, controlInFd: 4, ...one };
    expect(parseCommandLine(streamCommandLine(command))).toEqual(command);
  });
});
