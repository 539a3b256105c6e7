// Writes schemas/*.schema.json from the validators: node scripts/make-schemas.mjs [DIRECTORY]
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const directory = process.argv[2] ?? `${root}/schemas`;
const { outputFiles } = await build({
  stdin: {
    contents: `export { hostJsonSchema } from './src/machine/readers/host-file.ts';
      export { vmsJsonSchema } from './src/machine/readers/vm-file.ts';
      export { serveJsonSchema } from './src/cli/input/serve-config.ts';
      export { scenarioJsonSchema } from './src/scenario/schema.ts';
      export { answerJsonSchemas } from './src/cli/answers/answers.ts';`,
    resolveDir: root,
  },
  bundle: true,
  platform: 'node',
  format: 'esm',
  write: false,
  logLevel: 'error',
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire('file:///');" },
});
const source = Buffer.from(outputFiles[0].contents).toString('base64');
const { serveJsonSchema, hostJsonSchema, vmsJsonSchema, scenarioJsonSchema, answerJsonSchemas } = await import(
  `data:text/javascript;base64,${source}`
);
for (const [name, schema] of [
  ['host', hostJsonSchema()],
  ['vms', vmsJsonSchema()],
  ['serve', serveJsonSchema()],
  ['scenario', scenarioJsonSchema()],
  ...Object.entries(answerJsonSchemas()),
]) {
  writeFileSync(`${directory}/${name}.schema.json`, `${JSON.stringify(schema, null, 2)}\n`);
}
