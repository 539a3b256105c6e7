// Names after --host and --vms. Both options take several files, so commander gives them every word
// up to the next option: the VM's name in `explain --host a.xml --vms b.yaml web` as well.
const LISTS: readonly string[] = ['--host', '--vms'];

/**
 * Moves words that are not files to the front, where commander reads them as the command's own
 * arguments.
 * @param words those after the command's name
 * @param isFile whether a file of that name exists; "-" and NAME=FILE count as files too
 */
export function namesFirst(words: readonly string[], isFile: (word: string) => boolean): string[] {
  const names: string[] = [];
  const rest: string[] = [];
  let list: 'none' | 'first' | 'more' = 'none';
  for (const word of words) {
    if (word.startsWith('-') && word !== '-') {
      list = LISTS.includes(word) ? 'first' : 'none';
      rest.push(word);
      continue;
    }
    // The first word always counts as a file, so that a missing file is reported as missing.
    if (list === 'more' && word !== '-' && !word.includes('=') && !isFile(word)) names.push(word);
    else rest.push(word);
    if (list === 'first') list = 'more';
  }
  return [...names, ...rest];
}
