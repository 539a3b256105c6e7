// `xennuma capture`: one file with everything that show, verify and explain need from a host. They
// read it with --from.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import { InputError, UnreachableError } from '../../base/errors.js';
import { endTree, killTree, whileUnfinished } from '../../base/unfinished.js';
import { textsFrom } from '../input/from.js';
import { fromOption } from '../input/workload-options.js';
import { captureFigures, captureLine } from '../output/capture-line.js';
import { EXIT } from '../output/exit-codes.js';
import { out } from '../output/terminal.js';

interface CaptureOptions {
  readonly from?: string;
  readonly output?: string;
  readonly anonymous?: true;
  readonly printScript?: true;
  /** false: --no-memory */
  readonly memory: boolean;
}

export function define(command: Command, answer: (code: number) => void): void {
  command
    .description('Record everything that show, verify and explain need from a host in one file. Nothing is changed on the host.')
    .addOption(fromOption())
    .option('-o, --output <file>', 'file to write, such as host.tgz')
    .option('--anonymous', 'replace names and uuids, and leave out data that placement does not use')
    .option('--no-memory', "do not read memory by node (debug key 'u')")
    .option('--print-script', 'print the script that takes a capture, to run on a host where nothing is installed')
    .addHelpText(
      'after',
      `
Without --from, the host that this command runs on is recorded.

Exit codes: 0 recorded, 2 bad input, 3 the host cannot be reached, or there is
no Xen.

  xennuma capture --from ssh://root@xen-1 -o xen-1.tgz
  xennuma capture --print-script | ssh root@xen-1 sh > xen-1.tgz
  xennuma capture --from xen-1.tgz --anonymous -o report.tgz
  xennuma verify --from xen-1.tgz`,
    )
    .action(async (options: CaptureOptions) => answer(await capture(options)));
}

async function capture(options: CaptureOptions): Promise<number> {
  const { captureScript } = await import('../../live/capture/script.js');
  if (options.printScript === true) {
    if (options.from !== undefined || options.output !== undefined) {
      throw new InputError('expected --print-script alone', {}, 'leave --from and --output out');
    }
    out(captureScript({ nonce: randomBytes(9).toString('hex'), archive: true, memory: options.memory }).trimEnd());
    return EXIT.ok;
  }
  if (options.output === undefined) throw new InputError('expected a file to write, got none', {}, 'give --output FILE, such as host.tgz');
  const [{ readCapture }, { packCapture }, { anonymous }] = await Promise.all([
    import('../../live/capture/captured-host.js'),
    import('../../live/capture/write-capture.js'),
    import('../../live/capture/anonymous.js'),
  ]);
  const texts =
    options.from === undefined ? [{ file: 'this host', text: await captureHere(options.memory) }] : await textsFrom(options.from, options);
  // The capture is read back before it is written, because one that cannot be read is useless.
  const { live, host, xapi } = readCapture(texts);
  const text = texts.map((one) => one.text).join('\n');
  const names = [
    host.name,
    ...live.map.domains.map(({ name }) => name),
    ...xapi.vms.map(({ name }) => name),
    ...xapi.hosts.map(({ name }) => name),
  ];
  const bytes = await packCapture(options.anonymous === true ? anonymous(text, names) : text, new Date());
  (await import('../output/write-files.js')).writeNamed(options.output, bytes, 0o600);
  out([captureLine(options.output, captureFigures(live.map), bytes.length), ...live.notes.map((note) => `note: ${note}`)].join('\n'));
  return EXIT.ok;
}

async function captureHere(memory: boolean): Promise<string> {
  const { captureScript } = await import('../../live/capture/script.js');
  const script = captureScript({ nonce: randomBytes(9).toString('hex'), archive: false, memory });
  const text = await new Promise<string>((resolve, reject) => {
    const child = spawn('sh', ['-s'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const release = whileUnfinished({ end: () => endTree(child), endNow: () => killTree(child) });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', (error) => {
      release();
      reject(error);
    });
    child.on('close', () => {
      release();
      resolve(Buffer.concat(chunks).toString());
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(script);
  });
  if (/^@@xennuma\S* xl info: xl is not there/m.test(text)) {
    throw new UnreachableError('there is no Xen here: xl was not found', 'run it in dom0, or give --from ssh://root@host');
  }
  return text;
}
