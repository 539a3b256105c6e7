// xenguest's command line, as xenopsd writes it and the builder reads it.
import type { RestoreArguments, SaveArguments, StreamArguments } from './guest-streams.js';
import { type VnodeMemory, type XenguestArguments, XenguestError } from './xenguest.js';

interface ControlFds {
  readonly controlOutFd: number;
  readonly controlInFd: number;
}

/** The file descriptors of the control protocol, and what to build. */
export interface BuildCommand extends ControlFds {
  readonly args: XenguestArguments;
}

/** ... and what to save, restore or resume, with the file descriptor of the stream. */
export interface StreamCommand extends ControlFds {
  readonly stream: StreamArguments;
  /** null: of `resume`. */
  readonly fd: number | null;
}

export type XenguestCommand = BuildCommand | StreamCommand;

const MODES = ['hvm_build', 'pvh_build', 'linux_build'] as const;
const STREAM_MODES = ['save', 'hvm_save', 'restore', 'hvm_restore', 'resume'] as const;
const INT_MAX = 2 ** 31 - 1;

/**
 * The arguments as xenopsd writes them (ocaml/xenopsd/xc/domain.ml, xenguest_args_hvm, _pv, _pvh
 * and _base).
 */
export function commandLine({ controlOutFd, controlInFd, args }: BuildCommand): string[] {
  const line = ['-controloutfd', String(controlOutFd), '-controlinfd', String(controlInFd), '-mode', args.mode, '-image', args.image];
  if (args.mode !== 'hvm_build') line.push('-cmdline', args.cmdline ?? '');
  if (args.mode === 'linux_build') line.push('-ramdisk', args.ramdisk ?? '');
  if (args.mode !== 'hvm_build') line.push('-features', '', '-flags', '0');
  if (args.mode === 'pvh_build' && args.ramdisk !== undefined) line.push('-module', args.ramdisk);
  line.push('-domid', String(args.domid), '-store_port', String(args.storePort), '-store_domid', String(args.storeDomid));
  line.push('-console_port', String(args.consolePort), '-console_domid', String(args.consoleDomid), '-fork', 'true');
  line.push('-mem_max_mib', String(args.memMaxMib), '-mem_start_mib', String(args.memStartMib));
  if (args.memPnode !== undefined) line.push('-mem_pnode', String(args.memPnode));
  if (args.keepOnNode === true) line.push('-keep_on_node');
  if (args.firmware !== undefined) line.push('-firmware', args.firmware);
  if (args.vnodes !== undefined) line.push('-vnodes', args.vnodes.map(({ node, pages }) => `${node}:${pages}`).join(','));
  return line;
}

/**
 * As xenopsd starts its emu-manager (ocaml/xenopsd/xc/domain.ml, with_emu_manager_restore and
 * suspend), whose options were xenguest's before.
 */
export function streamCommandLine({ controlOutFd, controlInFd, stream, fd }: StreamCommand): string[] {
  const line = ['-controloutfd', String(controlOutFd), '-controlinfd', String(controlInFd), '-mode', stream.mode];
  line.push('-domid', String(stream.domid));
  if (fd !== null) line.push('-fd', String(fd));
  if ('storePort' in stream) {
    line.push('-store_port', String(stream.storePort), '-store_domid', String(stream.storeDomid));
    line.push('-console_port', String(stream.consolePort), '-console_domid', String(stream.consoleDomid));
  }
  line.push('-fork', 'true');
  if ('live' in stream && stream.live) line.push('-live', 'true');
  return line;
}

type Options = Map<string, string>;

/**
 * Options with a value; each may be given with one hyphen or two, as getopt_long_only takes them.
 */
const WITH_VALUE = new Set([
  ...[
    'controloutfd',
    'controlinfd',
    'mode',
    'image',
    'cmdline',
    'ramdisk',
    'module',
    'features',
    'flags',
    'domid',
    'store_port',
    'store_domid',
    'firmware',
    'vnodes',
    'fd',
    'live',
  ],
  ...['console_port', 'console_domid', 'mem_max_mib', 'mem_start_mib', 'mem_pnode'],
]);
const WITHOUT_VALUE = new Set(['fork', 'keep_on_node']);

/** @throws XenguestError naming the option that is wrong or missing */
export function parseCommandLine(argv: readonly string[]): XenguestCommand {
  const options = readOptions(argv);
  const mode = options.get('mode');
  if (mode === undefined) throw missing('mode');
  const ofStream = STREAM_MODES.find((name) => name === mode);
  if (ofStream !== undefined) return streamCommand(options, ofStream);
  const known = MODES.find((name) => name === mode);
  if (known === undefined) throw new XenguestError(`xenguest: unrecognized mode '${mode}'`);
  const ramdisk = known === 'pvh_build' ? options.get('module') : options.get('ramdisk');
  const cmdline = options.get('cmdline');
  if (known !== 'hvm_build' && cmdline === undefined) throw missing('cmdline');
  if (known === 'linux_build' && ramdisk === undefined) throw missing('ramdisk');
  const firmware = options.get('firmware');
  const image = options.get('image');
  if (image === undefined) throw missing('image');
  return {
    controlOutFd: integer(options, 'controloutfd'),
    controlInFd: integer(options, 'controlinfd'),
    args: {
      mode: known,
      image,
      ...(ramdisk === undefined || ramdisk === '' ? {} : { ramdisk }),
      ...(cmdline === undefined ? {} : { cmdline }),
      domid: integer(options, 'domid'),
      storePort: integer(options, 'store_port'),
      storeDomid: integer(options, 'store_domid'),
      consolePort: integer(options, 'console_port'),
      consoleDomid: integer(options, 'console_domid'),
      memMaxMib: integer(options, 'mem_max_mib'),
      memStartMib: integer(options, 'mem_start_mib'),
      ...(options.has('mem_pnode') ? { memPnode: integer(options, 'mem_pnode') } : {}),
      ...(options.has('keep_on_node') ? { keepOnNode: true } : {}),
      ...(firmware === undefined ? {} : { firmware }),
      ...(options.has('vnodes') ? { vnodes: virtualNodes(options.get('vnodes')!) } : {}),
    },
  };
}

/** NODE:PAGES of each virtual node, with commas between. */
function virtualNodes(text: string): VnodeMemory[] {
  return text.split(',').map((part) => {
    const [, node, pages] = /^(\d{1,4}):(\d{1,15})$/.exec(part) ?? [];
    if (node === undefined || pages === undefined) throw new XenguestError(`xenguest: '${part}' is no NODE:PAGES (-vnodes)`);
    return { node: Number(node), pages: Number(pages) };
  });
}

function streamCommand(options: Options, mode: StreamArguments['mode']): StreamCommand {
  return {
    controlOutFd: integer(options, 'controloutfd'),
    controlInFd: integer(options, 'controlinfd'),
    stream: streamArguments(options, mode),
    fd: mode === 'resume' ? null : integer(options, 'fd'),
  };
}

function streamArguments(options: Options, mode: StreamArguments['mode']): StreamArguments {
  const domid = integer(options, 'domid');
  switch (mode) {
    case 'resume':
      return { mode, domid };
    case 'save':
    case 'hvm_save':
      return { mode, domid, live: options.get('live') === 'true' } satisfies SaveArguments;
    case 'restore':
    case 'hvm_restore':
      return {
        mode,
        domid,
        storePort: integer(options, 'store_port'),
        storeDomid: integer(options, 'store_domid'),
        consolePort: integer(options, 'console_port'),
        consoleDomid: integer(options, 'console_domid'),
      } satisfies RestoreArguments;
  }
}

function readOptions(argv: readonly string[]): Options {
  const options: Options = new Map();
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i]!;
    const name = /^--?([a-z_]+)$/.exec(argument)?.[1];
    if (name !== undefined && WITHOUT_VALUE.has(name)) {
      options.set(name, 'true');
      // xenopsd writes "-fork true" though the option takes no value.
      if (name === 'fork' && argv[i + 1] === 'true') i++;
    } else if (name !== undefined && WITH_VALUE.has(name)) {
      const value = argv[++i];
      if (value === undefined) throw new XenguestError(`xenguest: invalid command line '${argument}': its value is missing`);
      if (options.has(name)) throw new XenguestError(`xenguest: invalid command line '${argument}': given twice`);
      options.set(name, value);
    } else {
      throw new XenguestError(`xenguest: invalid command line '${argument}'`);
    }
  }
  return options;
}

function integer(options: Options, name: string): number {
  const text = options.get(name);
  if (text === undefined) throw missing(name);
  if (!/^\d{1,10}$/.test(text) || Number(text) > INT_MAX) throw new XenguestError(`xenguest: '${text}' is not a valid int (-${name})`);
  return Number(text);
}

function missing(name: string): XenguestError {
  return new XenguestError(`xenguest: missing command line options: -${name}`);
}
