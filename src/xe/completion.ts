// Completion of xe's words for bash: commands, their parameters, the fields that they take, and the
// uuids and names that the host knows.
import { XE_CLASSES, XE_COMMANDS } from './commands.js';
import type { Field } from './field.js';
import { NUMA_POLICIES } from './host-class.js';

const OPTIONS = ['-s', '-p', '-u', '-pw', '-pwf', '--nossl', '--ca', '--minimal', '--json', '--multiple', '--help'];
const SWITCHES = new Set(['force', 'paused', 'progress', 'live']);
const VALUES: Readonly<Record<string, readonly string[]>> = {
  'numa-affinity-policy': NUMA_POLICIES,
  'power-state': ['halted', 'paused', 'running', 'suspended'],
  'is-a-template': ['true', 'false'],
  class: ['vm', 'host', 'pool', 'task'],
  live: ['true', 'false'],
  force: ['true', 'false'],
};

/** Keys of maps that are worth naming. */
const MAP_KEYS: Readonly<Record<string, readonly string[]>> = {
  'VCPUs-params:': ['VCPUs-params:mask=', 'VCPUs-params:weight=', 'VCPUs-params:cap='],
  'guest_VCPUs_params:': ['guest_VCPUs_params:mask='],
};

const quote = (words: readonly string[]): string => words.join(' ');

/**
 * A function `_xennuma_xe WORDS...` whose arguments are the words after `xe`, the last of them the
 * one to complete; it fills COMPREPLY.
 * @param program how the completion asks the host: "xennuma xe"
 */
export function xeBashCompletion(program: string): string {
  const cases = [...XE_COMMANDS].map(([name, command]) => {
    const params = [...command.required, ...command.optional].flatMap(
      (word) => MAP_KEYS[word] ?? (word.endsWith(':') ? [word] : [`${word}=`]),
    );
    const switches = command.optional.filter((word) => SWITCHES.has(word)).map((word) => `--${word}`);
    const selectors = command.selectsVms ? ['vm=', 'uuid=', 'name-label=', 'power-state='] : [];
    return `    ${name}) words="${quote([...new Set([...params, ...selectors, ...switches])])}" ;;`;
  });
  const fieldCases = XE_CLASSES.map(({ name, fields }) => {
    const shown = fields.filter((field) => !field.hidden);
    const grows = (field: Field) => field.addToMap !== undefined || field.addToSet !== undefined;
    const names = (some: readonly Field[]) => quote(some.map((field) => field.name));
    const changing = shown.filter(grows);
    return [
      `        ${name}-param-add|${name}-param-remove) values="${names(changing)}" ;;`,
      `        ${name}-param-*|${name}-list) values="${names(shown)}" ;;`,
    ].join('\n');
  });
  const valueCases = Object.entries(VALUES).map(([key, values]) => `      ${key}) values="${quote(values)}" ;;`);
  return `_xennuma_xe() {
  local current="\${!#}" command="" key="" values="" words="" word=""
  local -a typed=("$@")
  COMPREPLY=()
  # The command is the first word that is neither an option nor an option's value.
  local index=0
  while [ "$index" -lt $((\${#typed[@]} - 1)) ]; do
    word="\${typed[$index]}"
    case "$word" in
      -s|-h|-p|-u|-pw|-pwf|--ca) index=$((index + 1)) ;;
      -*|*=*) ;;
      *) [ -n "$command" ] || command="$word" ;;
    esac
    index=$((index + 1))
  done
  if [ -z "$command" ] || [ "$command" = help ]; then
    COMPREPLY=($(compgen -W "${quote([...XE_COMMANDS.keys()])} help ${quote(OPTIONS)}" -- "$current"))
    return
  fi
  case "$current" in
    *=*)
      key="\${current%%=*}"
      case "$key" in
      params|param-name)
        case "$command" in
${fieldCases.join('\n')}
        esac ;;
${valueCases.join('\n')}
      uuid) values="$(${program} "\${command%%-param-*}-list" --minimal 2>/dev/null | tr , ' ')"
        [ -n "$values" ] || values="$(${program} "\${command%%-*}-list" params=uuid --minimal 2>/dev/null | tr , ' ')" ;;
      vm|name-label) values="$(${program} vm-list params=name-label --minimal 2>/dev/null | tr , ' ')" ;;
      on|host) values="$(${program} host-list params=name-label --minimal 2>/dev/null | tr , ' ')" ;;
      esac
      COMPREPLY=($(compgen -W "$values" -- "\${current#*=}"))
      return ;;
  esac
  case "$command" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words ${quote(OPTIONS)}" -- "$current"))
  # More follows after key= and map:.
  compopt -o nospace 2>/dev/null
}`;
}
