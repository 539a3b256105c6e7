// Manual pages: every command, argument and option of the help is in them, and no text is troff.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { expect, it } from 'vitest';
import { PACKAGE_FOLDER } from '../../base/own-package.js';
import { everyCommand } from '../program.js';
import { commandPage, programPage } from './man-page.js';

const settings = { version: '1.2.3', date: '2026-01-31' };
/** What a reader sees of a line. */
const plain = (text: string) => text.replaceAll('\\-', '-').replaceAll('\\&', '').replaceAll('\\e', '\\');

it('has each command with its options, arguments and notes', async () => {
  const commands = await everyCommand();
  const program = plain(programPage(commands, settings));
  for (const command of commands) {
    const page = plain(commandPage(command, settings));
    expect(program).toContain(`.BR xennuma-${command.name()} (1)`);
    expect(page).toMatch(new RegExp(`^\\.TH XENNUMA-${command.name().toUpperCase()} 1 2026-01-31 "xennuma 1\\.2\\.3"`));
    for (const { flags } of command.options) expect(page).toContain(`.B ${flags}\n`);
    // Words without a description, as those behind xe, are in the synopsis only.
    for (const argument of command.registeredArguments.filter(({ description }) => description !== ''))
      expect(page).toContain(`.B ${argument.name()}`);
  }
  expect(plain(commandPage(commands.find((one) => one.name() === 'verify')!, settings))).toContain('xennuma verify --from paste.txt');
});

it('is named in package.json, where npm looks for what it links', async () => {
  const { man } = JSON.parse(readFileSync(join(PACKAGE_FOLDER, 'package.json'), 'utf8')) as { readonly man: readonly string[] };
  const names = ['xennuma', ...(await everyCommand()).map((command) => `xennuma-${command.name()}`)];
  expect([...man].sort()).toEqual(names.map((name) => `dist/man/${name}.1.gz`).sort());
});

it('escapes what troff would take for its own', () => {
  const command = new Command('odd')
    .summary('a summary')
    .description('.starts with a point and has a \\ in it')
    .addOption(new Option('--x <a>', "'quoted'"))
    .addHelpText('after', '\nText.\n.SH not a heading\n\n  code  here\n  .more');
  const page = commandPage(command, settings);
  expect(page).toContain('\n\\&.starts with a point and has a \\e in it\n');
  expect(page).toContain("\n\\&'quoted'\n");
  expect(page).toContain('\n.SH NOTES\n.PP\nText.\n\\&.SH not a heading\n.PP\n.nf\n.RS 2\ncode  here\n\\&.more\n.RE\n.fi\n');
  expect(page.match(/^\.SH .*$/gm)).toEqual(['.SH NAME', '.SH SYNOPSIS', '.SH DESCRIPTION', '.SH OPTIONS', '.SH NOTES', '.SH SEE ALSO']);
});
