// A checker plugin of Stryker: lets only the chosen mutants run. Stryker itself can choose places,
// but not single mutants.
import { readFileSync } from 'node:fs';
import { commonTokens, declareClassPlugin, PluginKind } from '@stryker-mutator/api/plugin';
import { mutantKey } from './mutants.mjs';

class SampleChecker {
  static inject = [commonTokens.options];
  #chosen;

  constructor(options) {
    this.#chosen = new Set(JSON.parse(readFileSync(options.sample.file, 'utf8')));
  }

  async init() {}

  async check(mutants) {
    return Object.fromEntries(
      mutants.map((mutant) => [
        mutant.id,
        this.#chosen.has(mutantKey(mutant)) ? { status: 'passed' } : { status: 'compileError', reason: 'not in the sample' },
      ]),
    );
  }

  group(mutants) {
    return [mutants.map(({ id }) => id)];
  }
}

export const strykerPlugins = [declareClassPlugin(PluginKind.Checker, 'sample', SampleChecker)];
