// A reporter plugin of Stryker: a line of JSON for each mutant once it has been tested, so that a
// run which is ended early still counts.
import { appendFileSync } from 'node:fs';
import { commonTokens, declareClassPlugin, PluginKind } from '@stryker-mutator/api/plugin';
import { mutantKey } from './mutants.mjs';

class ResultsReporter {
  static inject = [commonTokens.options];
  #file;

  constructor(options) {
    this.#file = options.results.file;
  }

  onMutantTested(mutant) {
    if (mutant.statusReason === 'not in the sample') return;
    // Results count lines from 1, mutants from 0.
    const { start, end } = mutant.location;
    const location = { start: { line: start.line - 1, column: start.column - 1 }, end: { line: end.line - 1, column: end.column - 1 } };
    appendFileSync(this.#file, `${JSON.stringify({ key: mutantKey({ ...mutant, location }), status: mutant.status })}\n`);
  }
}

export const strykerPlugins = [declareClassPlugin(PluginKind.Reporter, 'results', ResultsReporter)];
