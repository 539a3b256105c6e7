// `npm run bench:page [-- --frames N] [--runs N] [--against FOLDER] [--json] [NAME]`: the page in
// Debian's Chromium (CHROMIUM names another) with 64 x 64 CPUs, 1,000 VMs and 10,000 events. Each
// action goes on for N frames; printed are the processor time of its script (95 of 100 frames have
// less), the mean one of the page's main thread with Chromium's own layout and painting, and the
// share of frames that came late, the best of the runs, as other work on the machine only adds to
// them. `--against` names the dist/page of another checkout, which takes turns with this one.
import { readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values, positionals } = parseArgs({
  options: {
    frames: { type: 'string', default: '120' },
    runs: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    against: { type: 'string' },
  },
  allowPositionals: true,
});
const FRAMES = Number(values.frames);
const RUNS = Number(values.runs);
/** Of 60 Hz; a frame is late when the one before it lasted one and a half. */
const FRAME_MS = 1000 / 60;
const LATE_MS = FRAME_MS * 1.5;

/** `step` is the body of a function of the frame's number, called once in each frame. */
const ACTIONS = [
  { name: 'map: another VM chosen in each frame', step: "document.querySelectorAll('#vms tbody button')[(frame * 7) % 20].click()" },
  { name: 'map: another node chosen in each frame', step: "document.querySelectorAll('.sockets button')[(frame * 29) % 64].click()" },
  { name: 'table: scrolled', step: "document.getElementById('vms').scrollTop += 90" },
  {
    name: 'table: sorted anew every 30 frames',
    step: "if (frame % 30 === 0) document.querySelectorAll('#vms thead button')[frame % 4].click()",
  },
  {
    name: 'hover: over the distances',
    step: `const cells = (globalThis.cells ??= [...document.querySelectorAll('section[aria-labelledby=distances-title] tbody td')]);
      cells[(frame * 67) % cells.length].dispatchEvent(new PointerEvent('pointerover', { bubbles: true }));`,
  },
  {
    name: 'scrub: by one moment a frame',
    step: "const strip = document.querySelector('.timeline input'); strip.value = 400 - frame; strip.dispatchEvent(new Event('input', { bubbles: true }))",
  },
  {
    name: 'scrub: to any moment in each frame',
    step: "const strip = document.querySelector('.timeline input'); strip.value = (frame * 211) % 499; strip.dispatchEvent(new Event('input', { bubbles: true }))",
  },
];

const bundle = join(root, 'node_modules', `.bench-page-${process.pid}.mjs`);
await build({
  ...{ absWorkingDir: root, entryPoints: ['bench/page-data.ts'], outfile: bundle, bundle: true, platform: 'node', format: 'esm' },
  ...{ packages: 'external', logLevel: 'error' },
});
const data = await import(pathToFileURL(bundle).href);
rmSync(bundle);

const MIME = { js: 'text/javascript', css: 'text/css' };
const now = data.snapshot('live', 1);
const pasts = Array.from({ length: 8 }, (_, at) => data.snapshot('past', at + 2));
const answers = {
  '/web/snapshot': () => now,
  '/web/rights': () => JSON.stringify({ change: false, user: null }),
  '/web/history': (at) => (at === null ? data.history() : pasts[at % pasts.length]),
};

/** What is served. */
let folder = '';
const server = createServer((incoming, response) => {
  const { pathname, searchParams } = new URL(incoming.url, 'http://127.0.0.1');
  const send = (type, body) => response.writeHead(200, { 'content-type': type, 'content-security-policy': data.DAEMON_POLICY }).end(body);
  const asset = /^\/page\/(\w+\.(js|css))$/.exec(pathname);
  if (pathname === '/') send('text/html', data.daemonPage());
  else if (asset !== null) send(MIME[asset[2]], readFileSync(join(folder, asset[1])));
  else if (pathname in answers) send('application/json', answers[pathname](searchParams.get('at')));
  // The stream of events stays open, and nothing happens.
  else if (pathname === '/events') response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
  else response.writeHead(404).end();
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
});

/** Tasks of script; what is nested in another is part of it. */
const SCRIPT = new Set([
  'FunctionCall',
  'EvaluateScript',
  'RunMicrotasks',
  'EventDispatch',
  'FireAnimationFrame',
  'TimerFire',
  'v8.callFunction',
]);

/** Whatever a thread does is part of one. */
const TASKS = new Set(['ThreadControllerImpl::RunTask', 'RunTask']);

/** @returns {number[]} processor time of script between each two marks, in ms */
function scriptTimes(events) {
  const marks = events.filter(({ name, cat }) => name === 'bench-frame' && cat.includes('blink.user_timing'));
  const { pid, tid } = marks[0];
  const own = events
    .filter((event) => event.pid === pid && event.tid === tid && event.ph === 'X' && event.tdur !== undefined && SCRIPT.has(event.name))
    .sort((one, other) => one.ts - other.ts || other.dur - one.dur);
  const times = new Array(marks.length - 1).fill(0);
  let end = 0;
  for (const { ts, dur, tdur } of own) {
    // Within another.
    if (ts < end) continue;
    end = ts + dur;
    // The mark is set in the frame's own callback, which begins before it.
    const frame = marks.findLastIndex((mark) => mark.ts <= ts + dur);
    if (frame >= 0 && frame < times.length) times[frame] += tdur / 1000;
  }
  return times;
}

/** @returns processor time of the page's main thread in a frame, in ms */
function threadTime(events, frames) {
  const { pid, tid } = events.find(({ name, cat }) => name === 'bench-frame' && cat.includes('blink.user_timing'));
  const tasks = events.filter((event) => event.pid === pid && event.tid === tid && event.ph === 'X' && TASKS.has(event.name));
  return tasks.reduce((sum, { tdur = 0 }) => sum + tdur / 1000, 0) / frames;
}

async function run({ step }, from) {
  folder = from;
  const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } });
  page.setDefaultTimeout(120_000);
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.locator('#vms').waitFor();
  await page.locator('.timeline input').waitFor();
  await browser.startTracing(page, {
    categories: ['toplevel', 'devtools.timeline', 'blink.user_timing', 'v8', 'disabled-by-default-v8.compile'],
  });
  const lengths = await page.evaluate(`new Promise((done) => {
    const times = [];
    const step = (frame) => { ${step} };
    const next = (time) => {
      times.push(time);
      performance.mark('bench-frame');
      if (times.length > ${FRAMES}) return done(times.slice(1).map((one, at) => one - times[at]));
      step(times.length);
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  })`);
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
  await page.close();
  const script = scriptTimes(traceEvents).sort((a, b) => a - b);
  const late = lengths.filter((one) => one > LATE_MS).length;
  return {
    scriptMs: script[Math.floor(script.length * 0.95)],
    mostMs: script.at(-1),
    threadMs: threadTime(traceEvents, lengths.length),
    latePercent: (100 * late) / lengths.length,
  };
}

const sides = [['', join(root, 'dist/page')], ...(values.against === undefined ? [] : [['other: ', values.against]])];
const chosen = ACTIONS.filter(({ name }) => positionals.every((word) => name.includes(word)));
const rows = [];
try {
  for (const action of chosen) {
    const runs = sides.map(() => []);
    for (let one = 0; one < RUNS; one++) for (const [side, [, from]] of sides.entries()) runs[side].push(await run(action, from));
    for (const [side, [label]] of sides.entries()) {
      const best = (key) => Math.min(...runs[side].map((one) => one[key]));
      const row = { scriptMs: best('scriptMs'), mostMs: best('mostMs'), threadMs: best('threadMs'), latePercent: best('latePercent') };
      rows.push({ name: `${label}${action.name}`, ...row });
      if (values.json) continue;
      const { scriptMs, mostMs, threadMs, latePercent } = row;
      const script = `${scriptMs.toFixed(2)} ms of script a frame, ${mostMs.toFixed(1)} ms at most`;
      console.log(
        `${rows.at(-1).name.padEnd(46)} ${script}; ${threadMs.toFixed(1)} ms of the thread; ${latePercent.toFixed(1)} % of frames late`,
      );
    }
  }
} finally {
  await browser.close();
  server.closeAllConnections();
  server.close();
}
if (values.json) console.log(JSON.stringify(rows));
