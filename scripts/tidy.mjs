// The rules of CONTRIBUTING.md that Biome does not know: widths of comments, lengths of functions
// and files, one form of privacy, and tests that assert something.
//   node scripts/tidy.mjs [--all]   --all prints each place, also of the rules that only warn. Exit
//                                   code 1: a rule that must hold does not.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const FOLDERS = ['src', 'test', 'bench', 'scripts'];
const COMMENT_COLUMNS = 100;
const FUNCTION_LINES = 70;
const FILE_LINES = 400;
/**
 * Within this many lines from the top, a long file says why it is long: 'Longer than 400 lines:
 * ...'.
 */
const HEAD_LINES = 12;
const REASON = /Longer than 400 lines: \S/;
/** In the comment before a long function. */
const FUNCTION_REASON = /Longer than 70 lines: \S/;

/** How each rule is enforced: 'error', or 'warning' while the code does not yet meet it. */
const RULES = {
  'comment width': 'error',
  'function length': 'error',
  'file length': 'error',
  'private keyword': 'error',
  'test without assertion': 'error',
};

const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true })
    .map((name) => `${folder}/${name.split(sep).join('/')}`)
    .filter((name) => /\.(ts|mjs)$/.test(name)),
).filter((name) => existsSync(join(root, name)));
const found = Object.fromEntries(Object.keys(RULES).map((rule) => [rule, []]));
const sources = new Map(
  files.map((name) => [name, ts.createSourceFile(name, readFileSync(join(root, name), 'utf8'), ts.ScriptTarget.ES2023, true)]),
);

const lineOf = (source, position) => source.getLineAndCharacterOfPosition(position).line + 1;
function walk(node, visit) {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

/** A comment that begins its line; code with a comment after it is as wide as code may be. */
function checkWidths(name, source) {
  let inBlock = false;
  for (const [index, line] of source.text.split('\n').entries()) {
    const text = line.trim();
    const isComment = inBlock || text.startsWith('//') || text.startsWith('/*');
    if (text.startsWith('/*')) inBlock = true;
    if (text.includes('*/')) inBlock = false;
    // An address cannot be wrapped.
    if (isComment && line.length > COMMENT_COLUMNS && !/https?:\/\/\S{40,}/.test(line)) {
      found['comment width'].push(`${name}:${index + 1}: ${line.length} columns`);
    }
  }
}

function checkFile(name, source) {
  const lines = source.text.split('\n');
  const count = lines.length - 1;
  if (count > FILE_LINES && !REASON.test(lines.slice(0, HEAD_LINES).join('\n'))) found['file length'].push(`${name}: ${count} lines`);
}

const isFunction = (node) => ts.isFunctionLike(node) && node.body !== undefined;
const nameOf = (node) => node.name?.getText() ?? (ts.isVariableDeclaration(node.parent) ? node.parent.name.getText() : '(no name)');
/** `describe`, `it.each(...)`, `test.skipIf(...)`: the word before any dot and call. */
function calledWord(call) {
  let callee = call.expression;
  while (!ts.isIdentifier(callee)) {
    if (ts.isCallExpression(callee) || ts.isPropertyAccessExpression(callee) || ts.isTaggedTemplateExpression(callee)) {
      callee = callee.expression ?? callee.tag;
    } else return '';
  }
  return callee.text;
}

/** A function that calls test() or it(), such as the body of a describe(), is a list of tests. */
function listsTests(node) {
  let found = false;
  walk(node.body, (child) => {
    found ||= ts.isCallExpression(child) && ['it', 'test'].includes(calledWord(child));
  });
  return found;
}

/** Whether the comment before the function or its statement says why it is long. */
function hasReason(node) {
  let outer = node;
  while (outer.parent !== undefined && !ts.isSourceFile(outer)) {
    const text = outer.getFullText();
    if (FUNCTION_REASON.test(text.slice(0, outer.getLeadingTriviaWidth()))) return true;
    outer = outer.parent;
  }
  return false;
}

function checkFunctions(name, source) {
  walk(source, (node) => {
    // A constructor has no other form of privacy.
    if (node.kind === ts.SyntaxKind.PrivateKeyword && !ts.isConstructorDeclaration(node.parent))
      found['private keyword'].push(`${name}:${lineOf(source, node.getStart())}`);
    if (!isFunction(node)) return;
    if (listsTests(node) || hasReason(node)) return;
    const [first, last] = [lineOf(source, node.getStart()), lineOf(source, node.end)];
    if (last - first + 1 > FUNCTION_LINES) found['function length'].push(`${name}:${first}: ${nameOf(node)}: ${last - first + 1} lines`);
  });
}

/**
 * Names of functions that assert, in tests and in what they share: themselves, or by a call of one
 * that does.
 */
function assertingNames(tests) {
  const names = new Set(['expect', 'assert', 'expectTypeOf', 'checkProperty']);
  const bodies = [];
  for (const source of tests) {
    walk(source, (node) => {
      if (isFunction(node) && nameOf(node) !== '(no name)') bodies.push([nameOf(node), wordsCalled(node)]);
    });
  }
  for (let size = -1; size !== names.size; ) {
    size = names.size;
    for (const [name, words] of bodies) if (words.some((word) => names.has(word))) names.add(name);
  }
  return names;
}

/** Names that a piece of code calls, methods included. */
function wordsCalled(node) {
  const words = [];
  walk(node, (child) => {
    if (!ts.isCallExpression(child)) return;
    words.push(calledWord(child));
    if (ts.isPropertyAccessExpression(child.expression)) words.push(child.expression.name.text);
  });
  return words;
}

/**
 * A helper of its own that is given the body of the test: `const check = (what, body) => test(what,
 * () => each(body))`.
 */
const givesBody = (node) => ts.isArrowFunction(node.parent) && nameOf(node.parent) !== '(no name)';

function checkTests() {
  const isTest = (name) => name.endsWith('.test.ts') || name.startsWith('test/');
  const tests = [...sources].filter(([name]) => isTest(name));
  const asserting = assertingNames(tests.map(([, source]) => source));
  for (const [name, source] of tests) {
    walk(source, (node) => {
      if (!ts.isCallExpression(node) || !['it', 'test'].includes(calledWord(node))) return;
      const body = node.arguments.find((argument) => isFunction(argument));
      if (body === undefined || ts.isCallExpression(node.parent) || givesBody(node)) return;
      if (wordsCalled(body).some((word) => asserting.has(word))) return;
      found['test without assertion'].push(`${name}:${lineOf(source, node.getStart())}: ${node.arguments[0].getText()}`);
    });
  }
}

for (const [name, source] of sources) {
  checkWidths(name, source);
  checkFile(name, source);
  checkFunctions(name, source);
}
checkTests();

const isError = (rule) => RULES[rule] === 'error';
for (const [rule, places] of Object.entries(found)) {
  if (process.argv.includes('--all') || isError(rule)) for (const place of places) console.error(`${rule}: ${place}`);
}
const counts = Object.entries(found).map(([rule, places]) => `${rule} ${places.length}${isError(rule) ? '' : ' (warning)'}`);
console.log(`tidy: ${files.length} files; ${counts.join(', ')}`);
process.exitCode = Object.entries(found).some(([rule, places]) => isError(rule) && places.length > 0) ? 1 : 0;
