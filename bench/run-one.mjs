// `node bench/run-one.mjs MODULE [NAME]`: one benchmark of a bundle in a process of its own, its
// rows as JSON; without NAME the names of all. For comparisons.
import { pathToFileURL } from 'node:url';

const [module, name] = process.argv.slice(2);
const { BENCHMARKS } = await import(pathToFileURL(module).href);
const answer = name === undefined ? Object.keys(BENCHMARKS) : await BENCHMARKS[name]();
console.log(JSON.stringify(answer));
