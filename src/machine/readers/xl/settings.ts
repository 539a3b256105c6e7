// Settings of an xl guest config as xl reads them: a value of the wrong kind counts as not given
// (Xen 4.17, tools/libs/util/libxlu_cfg.c).
import { InputError } from '../../../base/errors.js';
import type { InputText } from '../input-text.js';
import { wholeLong } from './c-numbers.js';
import { parseXlConfig, type XlSetting, type XlValue } from './grammar.js';

export class XlSettings {
  /** Settings that xl warns about and ignores, in sentences for the user. */
  readonly warnings: string[] = [];
  readonly #file: string;
  readonly #settings: ReadonlyMap<string, XlSetting>;

  /** @throws InputError for text that xl's grammar refuses */
  constructor(input: InputText) {
    this.#file = input.file;
    this.#settings = parseXlConfig(input);
  }

  get names(): string[] {
    return [...this.#settings.keys()];
  }

  line(name: string): number | undefined {
    return this.#settings.get(name)?.line;
  }

  refusal(name: string, message: string, mend: string): InputError {
    const line = this.line(name);
    return new InputError(message, { file: this.#file, ...(line === undefined ? {} : { line }), path: name }, mend);
  }

  /** Undefined also for a list, which xl warns about. */
  text(name: string): string | undefined {
    const value = this.#settings.get(name)?.value;
    if (value === undefined || typeof value === 'string') return value;
    this.#warn(name, 'is a list where xl expects one value; xl ignores it');
    return undefined;
  }

  list(name: string): readonly XlValue[] | undefined {
    const value = this.#settings.get(name)?.value;
    return typeof value === 'string' ? undefined : value;
  }

  /**
   * A whole number, decimal, 0x or octal with a leading 0. Undefined also for other text, and for
   * `+=`.
   */
  long(name: string): bigint | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (this.#settings.get(name)!.added) {
      this.#warn(name, 'is written with +=, which xl does not allow for numbers; xl ignores it');
      return undefined;
    }
    const value = wholeLong(text);
    if (value === undefined) this.#warn(name, `is not a number for xl ('${text.slice(0, 40)}'); xl ignores it`);
    else if (/^0[0-7]/.test(text.trim()) && value !== BigInt(text.trim())) this.#warn(name, `is octal for xl: ${text.trim()} is ${value}`);
    return value;
  }

  #warn(name: string, text: string): void {
    const warning = `${this.#file}:${this.line(name)}: ${name} ${text}.`;
    if (!this.warnings.includes(warning)) this.warnings.push(warning);
  }
}
