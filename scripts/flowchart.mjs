// Writes docs/flowchart.md and docs/pictures/flowchart.svg from the chart's data: node
// scripts/flowchart.mjs --check compares instead; exit 1 when one of them is not what the chart's
// data gives
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const { outputFiles } = await build({
  stdin: {
    contents: `export { renderGuide } from './src/flow/render/guide.ts';
      export { renderFlowSvg } from './src/flow/render/svg.ts';`,
    resolveDir: root,
  },
  bundle: true,
  platform: 'node',
  format: 'esm',
  write: false,
  logLevel: 'error',
});
const source = Buffer.from(outputFiles[0].contents).toString('base64');
const { renderGuide, renderFlowSvg } = await import(`data:text/javascript;base64,${source}`);
const files = { 'docs/flowchart.md': renderGuide('pictures/flowchart.svg'), 'docs/pictures/flowchart.svg': renderFlowSvg(null) };
let stale = 0;
for (const [name, text] of Object.entries(files)) {
  if (!process.argv.includes('--check')) writeFileSync(`${root}/${name}`, text);
  else if (!existsSync(`${root}/${name}`) || readFileSync(`${root}/${name}`, 'utf8') !== text) {
    console.error(`${name} is not what the chart's data gives; run npm run docs`);
    stale++;
  }
}
process.exit(stale > 0 ? 1 : 0);
