// Runs the built command again and again in this process: a line of JSON at fd 3 says with which
// words, environment and folder, and a line at fd 4 how it ended. Its output is in the files that
// stdout and stderr are.
//   node server.mjs FILE   FILE is stdin of each run
import { closeSync, createReadStream, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const [REQUEST, ANSWER] = [3, 4];
const PROGRAM = fileURLToPath(new URL('../../dist/xennuma.js', import.meta.url));
const INPUT = resolve(process.argv[2]);
/** A command that is still busy after it has answered has this long. */
const END_MS = 60_000;
const UMASK = process.umask();

/** The next line at fd 3, without an event that would keep a command's process alive. */
function nextRequest() {
  const chunk = Buffer.alloc(65_536);
  for (let text = ''; ; ) {
    const count = readSync(REQUEST, chunk);
    if (count === 0) return null;
    text += chunk.toString('utf8', 0, count);
    if (text.endsWith('\n')) return JSON.parse(text);
  }
}

const say = (answer) => writeSync(ANSWER, `${JSON.stringify(answer)}\n`);

const exit = process.exit.bind(process);
process.exit = (code = process.exitCode ?? 0) => {
  say({ code, ends: true });
  exit(code);
};

const listened = [process, process.stdout, process.stderr];
const listenersOf = (emitter) => emitter.eventNames().flatMap((name) => emitter.rawListeners(name).map((each) => [name, each]));
const before = new Map(listened.map((emitter) => [emitter, new Set(listenersOf(emitter).map(([, each]) => each))]));

/** Everything that a process has for itself, and this one for many runs. */
function prepare({ words, cwd, env }) {
  process.argv = [process.execPath, PROGRAM, ...words];
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
  process.chdir(cwd);
  process.umask(UMASK);
  process.exitCode = undefined;
  for (const emitter of listened) {
    for (const [name, each] of listenersOf(emitter)) if (!before.get(emitter).has(each)) emitter.off(name, each);
  }
  for (const fd of [1, 2]) ftruncateSync(fd);
  // The lowest number that is free, so 0.
  closeSync(0);
  openSync(INPUT);
  let stdin;
  Object.defineProperty(process, 'stdin', {
    configurable: true,
    get: () => {
      stdin ??= createReadStream(INPUT);
      return stdin;
    },
  });
}

/** @returns what is open and would keep the command's process alive; null = it ends */
async function waitForEnd() {
  const until = Date.now() + END_MS;
  for (let pauseMs = 0; ; pauseMs = Math.min(pauseMs + 1, 20)) {
    const open = process.getActiveResourcesInfo();
    if (open.length === 0) return null;
    if (Date.now() > until) return open;
    await delay(pauseMs);
  }
}

let run = 0;
for (let request = nextRequest(); request !== null; request = nextRequest()) {
  prepare(request);
  try {
    // Another address each time: the command's first module runs anew, what it imports is there.
    await import(`${PROGRAM}?run=${run++}`);
  } catch (error) {
    process.stderr.write(`${error?.stack ?? error}\n`);
    process.exitCode = 1;
  }
  const open = await waitForEnd();
  say(open === null ? { code: process.exitCode ?? 0 } : { open });
  if (open !== null) exit(1);
}
