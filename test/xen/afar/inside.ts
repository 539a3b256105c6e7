// Runs in dom0: the built command several times in one process, as a start of Node takes half a
// minute there. stdin is a list of the words of each run, stdout a list of how each ended.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const program = pathToFileURL(resolve('dist/xennuma.js'));
const runs = JSON.parse(readFileSync(0, 'utf8')) as string[][];
const write = process.stdout.write.bind(process.stdout);
const ends: { code: number; out: string }[] = [];
for (const [index, words] of runs.entries()) {
  let out = '';
  process.argv = [process.execPath, 'xennuma', ...words];
  process.exitCode = undefined;
  process.stdout.write = ((chunk: string) => {
    out += chunk;
    return true;
  }) as typeof process.stdout.write;
  // Another address each time: the command's first module runs anew, what it imports is there.
  await import(`${program.href}?run=${index}`);
  process.stdout.write = write;
  ends.push({ code: Number(process.exitCode ?? 0), out });
}
process.exitCode = 0;
write(JSON.stringify(ends));
