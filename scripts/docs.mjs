// Keeps the documents up to date: runs every `$ xennuma ...` of their sh blocks and every picture,
// and writes the output there.
//   node scripts/docs.mjs           rewrite README.md, docs/*.md and docs/pictures/
//   node scripts/docs.mjs --check   compare instead; exit 1 when a document is not what the
//                         commands print
// A block is ```sh with lines "$ command", each followed by its output. A picture is <!-- picture:
// COMMAND --> whose command writes a file in docs/pictures/. Commands run in the project's root,
// without colours, at 80 columns.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WarmCommand } from './warm/command.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const check = process.argv.includes('--check');
const only = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const pictures = check ? mkdtempSync(join(tmpdir(), 'xennuma-docs-')) : join(root, 'docs/pictures');
mkdirSync(pictures, { recursive: true });
let faults = 0;
let passed = 0;

const { FORCE_COLOR, ...rest } = process.env;
const env = { ...rest, NO_COLOR: '1', COLUMNS: '80', PATH: `${join(root, 'node_modules/.bin')}${delimiter}${process.env.PATH}` };
const warm = new WarmCommand();
/** A command of ours that needs no shell; its exit code may be shown. */
const PLAIN = /^xennuma ([\w ./:=,-]+?)(; echo "exit code \$\?")?$/;

/** The command's output: stdout, then stderr, as on a terminal. */
function run(command) {
  const [, words, showsCode] = PLAIN.exec(command) ?? [];
  if (words !== undefined) {
    const { code, out, err } = warm.run(words.split(' '), { cwd: root, env });
    return `${out}${showsCode === undefined ? '' : `exit code ${code}\n`}${err}`.replace(/\n+$/, '');
  }
  const { stdout, stderr } = spawnSync('bash', ['-c', command], { cwd: root, env, encoding: 'utf8', timeout: 120_000 });
  return `${stdout}${stderr}`.replace(/\n+$/, '');
}

/** A block with the output of its commands in place. */
function refresh(block, file) {
  const lines = [];
  let keep = true;
  for (const line of block.split('\n')) {
    if (!line.startsWith('$ ')) {
      if (keep) lines.push(line);
      continue;
    }
    lines.push(line);
    // Other commands than ours are shown as they are.
    keep = !/\bxennuma\b/.test(line);
    if (keep) continue;
    const output = run(line.slice(2));
    if (/fault of xennuma|command not found/.test(output)) {
      console.error(`${file}: ${line}: ${output}`);
      faults++;
    }
    if (output !== '') lines.push(output);
  }
  return lines.join('\n');
}

/**
 * The table of rooms, with the arrows of scripts/check-arrows.mjs in its last column; the
 * descriptions of rooms stay as written in the document.
 */
function withArrows(text) {
  const heading = '| room | what | may import |\n|---|---|---|\n';
  const at = text.indexOf(heading);
  if (at < 0) return text;
  const start = at + heading.length;
  const end = text.indexOf('\n\n', start);
  const told = new Map([...text.slice(start, end).matchAll(/^\| `([\w-]+)` \| (.*?) \|/gm)].map(([, room, what]) => [room, what]));
  const { stdout } = spawnSync(process.execPath, [join(root, 'scripts/check-arrows.mjs'), '--json'], { encoding: 'utf8' });
  const rows = Object.entries(JSON.parse(stdout)).map(([room, rooms]) => {
    if (!told.has(room)) {
      console.error(`docs/architecture.md does not describe the room '${room}'`);
      faults++;
    }
    return `| \`${room}\` | ${told.get(room) ?? ''} | ${rooms === '*' ? 'all' : rooms.join(', ') || 'none'} |`;
  });
  return text.slice(0, start) + rows.join('\n') + text.slice(end);
}

// docs/flowchart.md is generated completely from the chart's data.
if (only.length === 0 || only.includes('docs/flowchart.md')) {
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/flowchart.mjs'), ...(check ? ['--check'] : [])], {
    encoding: 'utf8',
  });
  process.stderr.write(stderr);
  if (status !== 0) faults++;
}

/** The diagram of rooms: an arrow for each import from room to room that no other arrows imply. */
function withDiagram(text) {
  if (!/^```mermaid\nflowchart BT$/m.test(text)) return text;
  const { stdout } = spawnSync(process.execPath, [join(root, 'scripts/check-arrows.mjs'), '--imports'], { encoding: 'utf8' });
  return text.replace(/(?<=^```mermaid\nflowchart BT\n)[\s\S]*?(?=^```$)/m, () =>
    JSON.parse(stdout)
      .map(([from, to]) => `  ${to} --> ${from}\n`)
      .join(''),
  );
}

const files =
  only.length > 0
    ? only
    : [
        'README.md',
        ...readdirSync(join(root, 'docs'))
          .filter((name) => name.endsWith('.md'))
          .map((name) => `docs/${name}`),
      ];
for (const file of files) {
  const text = readFileSync(join(root, file), 'utf8');
  for (const [, command] of text.matchAll(/<!-- picture: (.*?) -->/g)) {
    const name = /docs\/pictures\/(\S+)/.exec(command)[1];
    run(command.replaceAll('docs/pictures', pictures));
    if (!check) continue;
    if (readFileSync(join(pictures, name), 'utf8') === readFileSync(join(root, 'docs/pictures', name), 'utf8')) passed++;
    else {
      console.error(`docs/pictures/${name} is not what '${command}' draws; run npm run docs`);
      faults++;
    }
  }
  const fresh = withDiagram(withArrows(text)).replace(
    /^```sh\n([\s\S]*?)\n```$/gm,
    (_, block) => `\`\`\`sh\n${refresh(block, file)}\n\`\`\``,
  );
  if (!check) writeFileSync(join(root, file), fresh);
  else if (fresh === text) passed++;
  else {
    const was = text.split('\n');
    const now = fresh.split('\n');
    const at = now.findIndex((line, index) => line !== was[index]);
    console.error(
      `${file}:${at + 1}: says  ${was[at] ?? '(the end)'}\n${' '.repeat(String(at + 1).length + file.length + 1)}  prints ${now[at] ?? '(the end)'}; run npm run docs`,
    );
    faults++;
  }
}
if (check) {
  rmSync(pictures, { recursive: true });
  console.log(`documents and pictures: ${passed} as the commands print, ${faults} not`);
}
process.exit(faults > 0 ? 1 : 0);
