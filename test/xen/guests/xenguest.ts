// The builder beside a bundled test: dist/xenguest.js in one file.
import { xenguestMain } from '../../../src/xenguest/real/main.js';

process.exit(await xenguestMain(process.argv.slice(2), () => {}));
