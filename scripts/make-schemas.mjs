// Writes schemas/host.schema.json and schemas/vms.schema.json from the validators: node scripts/make-schemas.mjs
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const { outputFiles } = await build({
  stdin: {
    contents: "export { hostJsonSchema } from './src/host/host-file.ts'; export { vmsJsonSchema } from './src/host/vm-file.ts';",
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
const { hostJsonSchema, vmsJsonSchema } = await import(`data:text/javascript;base64,${source}`);
for (const [name, schema] of [
  ['host', hostJsonSchema()],
  ['vms', vmsJsonSchema()],
]) {
  writeFileSync(`${root}/schemas/${name}.schema.json`, `${JSON.stringify(schema, null, 2)}\n`);
}
