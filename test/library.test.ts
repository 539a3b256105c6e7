// The package as another program imports it: the TypeScript examples of docs/library.md pass the
// strictest checks and print the output on the page.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { root } from './xennuma.js';

const page = readFileSync(join(root, 'docs/library.md'), 'utf8');
const examples = [...page.matchAll(/^```ts\n([\s\S]*?)^```\n\nprints\n\n```text\n([\s\S]*?)^```$/gm)].map(([, code, printed]) => [
  code,
  printed,
]);

it('has examples', () => expect(examples).toHaveLength(2));

it.each(examples)('example %#', (code, printed) => {
  // A module given by -e is resolved in the working directory, whose package it may import by name.
  const script = ts.transpile(code!, { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 });
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, encoding: 'utf8' });
  expect({ stdout, stderr }).toEqual({ stdout: printed, stderr: '' });
});

it('examples pass tsc --strict', { timeout: 120_000 }, () => {
  const texts = new Map(examples.map(([code], at) => [join(root, `docs/example-${at}.ts`), code!]));
  const options: ts.CompilerOptions = {
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    skipLibCheck: true,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    types: ['node'],
    // The sources, so that the test needs no declarations that a build has made before.
    paths: { xennuma: [join(root, 'src/index.ts')], 'xennuma/xenstore': [join(root, 'src/xenstore/index.ts')] },
  };
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists, getSourceFile } = host;
  host.readFile = (name) => texts.get(name) ?? readFile(name);
  host.fileExists = (name) => texts.has(name) || fileExists(name);
  host.getSourceFile = (name, ...rest) =>
    texts.has(name) ? ts.createSourceFile(name, texts.get(name)!, ts.ScriptTarget.ES2023) : getSourceFile(name, ...rest);
  const program = ts.createProgram([...texts.keys()], options, host);
  const faults = [...texts.keys()].flatMap((name) => {
    const source = program.getSourceFile(name)!;
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
  });
  expect(faults.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);
});

it('loads no native code until a real Xen is requested', () => {
  const code = `import 'xennuma'; import { createRequire } from 'node:module';
    console.log(Object.keys(createRequire(import.meta.url).cache).filter((path) => /koffi|sqlite/.test(path)), process.moduleLoadList.filter((one) => /koffi|sqlite/.test(one)));`;
  expect(spawnSync(process.execPath, ['--input-type=module', '-e', code], { cwd: root, encoding: 'utf8' }).stdout).toBe('[] []\n');
});
