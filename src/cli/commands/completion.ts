// `xennuma completion SHELL`: a completion script for the shell, generated from the commands and
// options.
import { Argument, type Command, type Option } from 'commander';
import { xeBashCompletion } from '../../xe/completion.js';
import { EXIT } from '../output/exit-codes.js';
import { out } from '../output/terminal.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** Completions of a command: fixed words, options, and the values of options with a closed list. */
interface Completed {
  readonly name: string;
  readonly summary: string;
  readonly words: readonly string[];
  readonly options: readonly CompletedOption[];
}

interface CompletedOption {
  readonly flag: string;
  readonly summary: string;
  readonly values: readonly string[];
  readonly takes: 'nothing' | 'file' | 'value';
}

export function define(command: Command, answer: (code: number) => void, everyCommand: () => Promise<readonly Command[]>): void {
  command
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText(
      'after',
      `
  bash:  eval "$(xennuma completion bash)"
  zsh:   xennuma completion zsh > "\${fpath[1]}/_xennuma"
  fish:  xennuma completion fish > ~/.config/fish/completions/xennuma.fish`,
    )
    .action(async (shell: (typeof SHELLS)[number]) => {
      const commands = (await everyCommand()).map(describe);
      out(
        { bash, zsh, fish }[shell]([
          ...commands,
          { name: 'help', summary: 'help on a command', words: commands.map((one) => one.name), options: [] },
        ]),
      );
      answer(EXIT.ok);
    });
}

/** Subcommands are the first word; their options are offered behind any of them. */
function describe(command: Command): Completed {
  const options = [command, ...command.commands].flatMap((one) => one.options.map(describeOption));
  return {
    name: command.name(),
    summary: command.summary(),
    words: [...command.commands.map((one) => one.name()), ...command.registeredArguments.flatMap((argument) => argument.argChoices ?? [])],
    options: [...new Map(options.map((option) => [option.flag, option])).values()],
  };
}

function describeOption(option: Option): CompletedOption {
  const value = /<(?:file|sources?|folder|dir|path|socket)\b/.test(option.flags) ? 'file' : 'value';
  return {
    flag: option.long ?? option.short ?? '',
    summary: option.description,
    values: option.argChoices ?? [],
    takes: option.required || option.optional ? value : 'nothing',
  };
}

function bash(commands: readonly Completed[]): string {
  const cases = commands.map((command) => {
    const values = command.options
      .filter((option) => option.values.length > 0)
      .map((option) => `        ${option.flag}) COMPREPLY=($(compgen -W "${option.values.join(' ')}" -- "$current")); return ;;`);
    const words = [...command.words, ...command.options.map((option) => option.flag), '--help'].join(' ');
    return [
      `    ${command.name})`,
      ...(values.length === 0 ? [] : ['      case "$previous" in', ...values, '      esac']),
      `      words="${words}" ;;`,
    ].join('\n');
  });
  return `# bash completion of xennuma
${xeBashCompletion('xennuma xe')}
_xennuma() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commands.map((command) => command.name).join(' ')} --help --version" -- "$current"))
    return
  fi
  if [ "\${COMP_WORDS[1]}" = xe ]; then
    # Bash breaks words at = and : but xe does not.
    local -a line
    read -ra line <<< "\${COMP_LINE:0:COMP_POINT}"
    case "\${COMP_LINE:0:COMP_POINT}" in *' ') line+=('') ;; esac
    _xennuma_xe "\${line[@]:2}"
    local last="\${line[-1]}" item index
    if [[ "$last" == *:* && "$last" != *=* ]]; then
      for index in "\${!COMPREPLY[@]}"; do COMPREPLY[index]="\${COMPREPLY[index]#"\${last%:*}":}"; done
    fi
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  # Words of the command first, files if none matches.
  [ "\${#COMPREPLY[@]}" -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _xennuma xennuma`;
}

const quoted = (text: string) => text.replace(/'/g, "'\\''");

const ZSH_VALUES = { file: ':file:_files', value: ':value: ', nothing: '' } as const;

function zsh(commands: readonly Completed[]): string {
  const list = commands.map((command) => `    '${command.name}:${quoted(command.summary)}'`);
  const escaped = (text: string) => quoted(text).replace(/[[\]:]/g, '\\$&');
  const cases = commands.map((command) => {
    const options = command.options.map((option) => {
      const any = ZSH_VALUES[option.takes];
      const value = option.values.length > 0 ? `:value:(${option.values.join(' ')})` : any;
      return `        '*${option.flag}${value === '' ? '' : '='}[${escaped(option.summary)}]${value}'`;
    });
    const first = command.words.length > 0 ? [`        '1:word:(${command.words.join(' ')})'`] : [];
    return [
      `    ${command.name})`,
      '      _arguments \\',
      [...options, ...first, "        '*:file:_files'"].join(' \\\n'),
      '      ;;',
    ].join('\n');
  });
  return `#compdef xennuma
# zsh completion of xennuma
_xennuma() {
  local -a commands
  commands=(
${list.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  shift words
  (( CURRENT-- ))
  case "\${words[1]}" in
${cases.join('\n')}
  esac
}
if [ "$funcstack[1]" = "_xennuma" ]; then _xennuma "$@"; else compdef _xennuma xennuma; fi`;
}

/** Words have the command second, behind the program. */
const FISH_CONDITIONS = `function __xennuma_is
  set -l words (commandline -opc)
  test (count $words) -gt 1; and test "$words[2]" = $argv[1]
end
function __xennuma_first_word
  set -l words (commandline -opc)
  test (count $words) -eq 2; and test "$words[2]" = $argv[1]
end`;
const FISH_VALUES = { file: ' -r', value: ' -x', nothing: '' } as const;

function fish(commands: readonly Completed[]): string {
  const escaped = (text: string) => text.replace(/[\\']/g, '\\$&');
  const lines = commands.flatMap((command) => [
    `complete -c xennuma -f -n __fish_use_subcommand -a ${command.name} -d '${escaped(command.summary)}'`,
    ...command.options.map((option) => {
      const value = option.values.length > 0 ? ` -xa '${option.values.join(' ')}'` : FISH_VALUES[option.takes];
      return `complete -c xennuma -n '__xennuma_is ${command.name}' -l ${option.flag.replace(/^--/, '')}${value} -d '${escaped(option.summary)}'`;
    }),
    ...(command.words.length === 0
      ? []
      : [`complete -c xennuma -n '__xennuma_first_word ${command.name}' -xa '${command.words.join(' ')}'`]),
  ]);
  return ['# fish completion of xennuma', FISH_CONDITIONS, ...lines].join('\n');
}
