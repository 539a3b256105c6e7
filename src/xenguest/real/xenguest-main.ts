// dist/xenguest.js: the domain builder in a process of its own.
import { xenguestMain } from './main.js';

process.exit(await xenguestMain(process.argv.slice(2), () => {}));
