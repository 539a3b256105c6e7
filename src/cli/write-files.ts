// Files that a command writes: renderings of the flow and of the map. Box of the chart: none.
import { writeFileSync } from 'node:fs';
import { InputError } from '../errors.js';

/** @throws InputError when the file cannot be written */
export function writeOutput(file: string, text: string): void {
  try {
    if (file === '-') process.stdout.write(text);
    else writeFileSync(file, text);
  } catch (error) {
    throw new InputError(`cannot be written: ${(error as Error).message}`, { file }, 'check the directory and its permissions');
  }
}

/**
 * The rendering that a file's name asks for.
 * @throws InputError for any other name
 */
export function formatOf<const F extends string>(file: string, formats: readonly F[], option: string): F {
  const found = formats.find((format) => file.endsWith(`.${format}`));
  if (found !== undefined) return found;
  throw new InputError(`${option} cannot tell the format`, { file }, `end the name in ${formats.map((format) => `.${format}`).join(', ')}`);
}
