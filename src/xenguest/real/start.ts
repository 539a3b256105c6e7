// dist/xenguest.js: the domain builder in a process of its own.
import { loadBundle } from '../../base/files/load-bundle.js';

const { xenguestMain } = loadBundle(new URL('./builder.cjs', import.meta.url)).exports as typeof import('./main.js');
process.exit(await xenguestMain(process.argv.slice(2), () => {}));
