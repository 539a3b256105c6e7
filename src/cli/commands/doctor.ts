// `xennuma doctor`: checks this machine and the daemon's settings.

import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { textColumns, wrapWords } from '../../base/columns.js';
import { InputError } from '../../base/errors.js';
import { harmless } from '../../base/safe-text.js';
import { tableLines } from '../../base/table.js';
import type { DoctorAnswer } from '../answers/answers.js';
import {
  type CheckResult,
  type CheckState,
  checkNode,
  checkOtherToolstack,
  checkPort,
  checkSolver,
  checkState,
  checkStateDriver,
  checkTls,
  checkUsers,
  checkXen,
  isControlDomain,
} from '../answers/doctor-checks.js';
import { EXIT } from '../output/exit-codes.js';
import { columns, commandColumns, out, palette } from '../output/terminal.js';
import { VERSION } from '../output/version.js';

const DEFAULT_CONFIG = '/etc/xennuma/config.yaml';

interface DoctorOptions {
  readonly config?: string;
  readonly on?: 'xen';
  readonly json?: true;
  readonly quiet?: true;
}

export function define(command: Command, answer: (code: number) => void): void {
  command
    .description('Check this machine and the settings of the daemon, and say how to fix what is wrong. Changes nothing.')
    .option('--config <file>', `settings file of xennuma serve (default: ${DEFAULT_CONFIG} when it exists)`)
    .addOption(new Option('--on <host>', 'check for a real host').choices(['xen']))
    .option('--json', 'print JSON (schemas/doctor.schema.json)')
    .option('--quiet', 'print only what is missing')
    .addHelpText(
      'after',
      `
The requirements of a real host are essential with --on xen, with settings that
name a real host, and in the control domain of a Xen host.

Exit codes: 0 nothing essential is missing, 1 something is, 2 bad usage.`,
    )
    .action(async (options: DoctorOptions) => answer(await doctor(options)));
}

async function doctor(options: DoctorOptions): Promise<number> {
  const checks = await examine(options);
  const essential = checks.filter((check) => check.state === 'missing').length;
  const result: DoctorAnswer = { command: 'doctor', version: VERSION, well: essential === 0, checks };
  if (options.json) out(JSON.stringify(result, null, 2));
  else {
    const shown = options.quiet ? checks.filter((check) => check.state === 'missing') : checks;
    if (shown.length > 0) out(doctorText(shown).join('\n'));
    if (!options.quiet)
      out(
        `\n${essential === 0 ? 'Nothing essential is missing.' : `${essential} essential thing${essential === 1 ? ' is' : 's are'} missing.`}`,
      );
  }
  return essential === 0 ? EXIT.ok : EXIT.no;
}

async function examine(options: DoctorOptions): Promise<CheckResult[]> {
  const file = options.config ?? (existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : undefined);
  const config = file === undefined ? null : await examineConfig(file);
  const real = options.on === 'xen' || config?.real === true || isControlDomain();
  return [
    checkNode(),
    ...(await checkXen(real)),
    checkOtherToolstack(),
    await checkStateDriver(config?.hasState === true),
    await checkSolver(),
    ...(config?.checks ?? []),
  ];
}

/**
 * Checks of the settings and the files that they name. A settings file that cannot be read must be
 * fixed before anything else.
 */
async function examineConfig(file: string): Promise<{ real: boolean; hasState: boolean; checks: CheckResult[] }> {
  const { readSettings } = await import('../input/serve-config.js');
  // The module loads native code. If that fails, its own check reports it.
  const run = await import('../answers/serve-run.js').catch(() => null);
  try {
    const settings = readSettings({ config: file });
    const listen = run === null ? null : run.parseListen(settings.listen);
    const loopback = listen !== null && run?.isLoopback(listen.address) === true;
    return {
      real: settings.on === 'xen',
      hasState: settings.state !== null,
      checks: [
        { name: 'settings', state: 'ok', found: `${file} is valid`, mend: '' },
        checkState(settings.state),
        checkTls(settings.tls),
        ...(listen === null
          ? []
          : [
              await checkPort(listen.address, listen.port),
              checkUsers(settings.users, loopback, settings.on === 'xen'),
              ...exposed(loopback, settings.tls !== null),
            ]),
      ],
    };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const { message, place, mend } = error;
    const found = new InputError(message, { file, ...place }).toString();
    return { real: false, hasState: false, checks: [{ name: 'settings', state: 'missing', found, mend }] };
  }
}

function exposed(loopback: boolean, tls: boolean): CheckResult[] {
  if (loopback || tls) return [];
  return [
    {
      name: 'exposure',
      state: 'missing',
      found: 'other machines can connect, but there is no TLS',
      mend: 'set tls, or listen on 127.0.0.1',
    },
  ];
}

/** In a narrower column hardly a word fits on a line. */
const LEAST_TEXT = 30;

function doctorText(checks: readonly CheckResult[]): string[] {
  const colour = palette();
  const words: Readonly<Record<CheckState, string>> = {
    ok: colour.good('ok'),
    missing: colour.bad('MISSING'),
    warn: colour.warn('look'),
    absent: colour.dim('not here'),
  };
  const heads = tableLines(checks.map(({ name, state }) => [words[state], name, '|'])).map((line) => line.slice(0, -1));
  const indent = ' '.repeat(Math.max(...heads.map(textColumns)));
  return checks.flatMap(({ name, state, found, mend }, at) => {
    const text = harmless(mend === '' ? found : `${found}; ${mend}`);
    if (commandColumns() - indent.length < LEAST_TEXT) return wrapWords(`${words[state]}, ${name}: ${text}`, columns(), '  ');
    return wrapWords(text, commandColumns() - indent.length).map((line, row) => `${row === 0 ? heads[at] : indent}${line}`);
  });
}
