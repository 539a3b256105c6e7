// Manual pages, made from the help of the commands: troff with the man macros.
import type { Command } from 'commander';

export interface ManSettings {
  readonly version: string;
  /** "2026-11-29" */
  readonly date: string;
}

/** Page of one command: xennuma-NAME(1). */
export function commandPage(command: Command, settings: ManSettings): string {
  const help = command.createHelp();
  const name = `xennuma-${command.name()}`;
  const term = (label: string, text: string) => ['.TP', `.B ${option(label)}`, line(text)];
  const words = help.visibleArguments(command).flatMap((one) => term(help.argumentTerm(one), help.argumentDescription(one)));
  const groups = new Map<string, string[]>();
  for (const one of help.visibleOptions(command)) {
    const heading = (one.helpGroupHeading ?? 'Options:').replace(/:$/, '');
    groups.set(heading, [...(groups.get(heading) ?? []), ...term(help.optionTerm(one), help.optionDescription(one))]);
  }
  return page(name, command.summary(), settings, [
    '.SH SYNOPSIS',
    `.B xennuma ${option(command.name())}`,
    line(command.usage()),
    '.SH DESCRIPTION',
    line(command.description()),
    ...(words.length === 0 ? [] : ['.SH ARGUMENTS', ...words]),
    '.SH OPTIONS',
    ...[...groups].flatMap(([heading, lines]) => [...(groups.size > 1 ? [`.SS ${quoted(heading)}`] : []), ...lines]),
    ...afterText(command),
    '.SH SEE ALSO',
    '.BR xennuma (1)',
  ]);
}

/** Page of the program: xennuma(1). */
export function programPage(commands: readonly Command[], settings: ManSettings): string {
  const groups = new Map<string, Command[]>();
  for (const command of commands) {
    const heading = command.helpGroup().replace(/:$/, '');
    groups.set(heading, [...(groups.get(heading) ?? []), command]);
  }
  return page('xennuma', 'NUMA placement and vCPU affinity for Xen', settings, [
    '.SH SYNOPSIS',
    '.B xennuma',
    line('<command> [options]'),
    '.SH DESCRIPTION',
    line('Shows which NUMA nodes the VMs of a Xen host get and why, plans and sets placement, and serves a host by XAPI.'),
    ...[...groups].flatMap(([heading, members]) => [
      `.SS ${quoted(heading)}`,
      ...members.flatMap((command) => ['.TP', `.BR xennuma\\-${option(command.name())} (1)`, line(command.summary())]),
    ]),
    '.SH EXIT STATUS',
    ...['0 success', '1 the answer is no', '2 bad input or usage', '3 host, daemon or pool out of reach'].flatMap((text) => [
      '.TP',
      `.B ${text.charAt(0)}`,
      line(text.slice(2)),
    ]),
    '.SH FILES',
    '.TP',
    '.I /usr/share/doc/xennuma/',
    line('The documentation, with a page for each task.'),
  ]);
}

function page(name: string, summary: string, { version, date }: ManSettings, body: readonly string[]): string {
  const head = `.TH ${option(name.toUpperCase())} 1 ${date} ${quoted(`xennuma ${version}`)} ${quoted('xennuma')}`;
  return `${[head, '.SH NAME', `${option(name)} \\- ${line(summary)}`, ...body].join('\n')}\n`;
}

/** The help text after the options: paragraphs, and examples unchanged. */
function afterText(command: Command): string[] {
  let whole = '';
  command.configureOutput({
    writeOut: (text) => {
      whole += text;
    },
  });
  command.outputHelp();
  // Blanks before the first line stay: they make an example of it.
  const after = whole.slice(command.helpInformation().length).replace(/^\n+|\s+$/g, '');
  if (after === '') return [];
  const text = after.split(/\n{2,}/).flatMap((part) => {
    const lines = part.split('\n');
    const code = lines.every((one) => one.startsWith('  '));
    return code ? ['.PP', '.nf', '.RS 2', ...lines.map((one) => line(one.slice(2))), '.RE', '.fi'] : ['.PP', ...lines.map(line)];
  });
  return ['.SH NOTES', ...text];
}

/** Text of a line: nothing in it is troff. */
function line(text: string): string {
  return text.replaceAll('\\', '\\e').replace(/^[.']/, '\\&$&');
}

/** A hyphen that people copy is a minus. */
function option(text: string): string {
  return line(text).replaceAll('-', '\\-');
}

/** One argument of a macro. */
function quoted(text: string): string {
  return `"${line(text).replaceAll('"', '""')}"`;
}
