// XML as a bounded tree. Entities other than XML's own five are refused by the parser, so nothing
// expands.
import { SaxesParser } from 'saxes';
import { InputError } from '../../../base/errors.js';
import { guardSize, INPUT_LIMITS, type InputText } from '../input-text.js';

export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Text of the element itself, without its children's. */
  text: string;
  readonly children: XmlElement[];
  /** 1-based, in the file. */
  readonly line: number;
}

/** The largest domain that libvirt writes has some thousands. */
const MOST_ELEMENTS = 200_000;

/**
 * The elements at the top. A file may have several, as people append one `virsh dumpxml` to
 * another.
 * @throws InputError with the line for text that is not well formed, too deep or too long
 */
export function parseXml(input: InputText): XmlElement[] {
  guardSize(input, INPUT_LIMITS.structuredChars);
  const top: XmlElement[] = [];
  const stack: XmlElement[] = [];
  let count = 0;
  const parser = new SaxesParser({ fileName: '', fragment: true });
  const fault = (message: string, line = parser.line) =>
    new InputError(message, { file: input.file, line }, 'write the file again with `virsh dumpxml`');
  parser.on('error', (error) => {
    throw fault(`not well-formed XML: ${error.message.replace(/^[\d:]+:? ?/, '')}`);
  });
  parser.on('opentag', ({ name, attributes }) => {
    if (stack.length >= INPUT_LIMITS.depth) throw fault(`elements are nested more than ${INPUT_LIMITS.depth} deep`);
    if (++count > MOST_ELEMENTS) throw fault(`expected at most ${MOST_ELEMENTS} elements, got more`);
    const element: XmlElement = { name, attributes: attributes as Record<string, string>, text: '', children: [], line: parser.line };
    (stack.at(-1)?.children ?? top).push(element);
    stack.push(element);
  });
  parser.on('text', (text) => {
    const open = stack.at(-1);
    if (open !== undefined) open.text += text;
  });
  parser.on('cdata', (text) => {
    const open = stack.at(-1);
    if (open !== undefined) open.text += text;
  });
  parser.on('closetag', () => stack.pop());
  // libxl's copy of the XML ends with a zero byte, and each file may begin with a declaration.
  parser
    .write(
      input.text
        .replace(/^\uFEFF/, '')
        .replace(/\0+\s*$/, '')
        .replace(/<\?xml[^>]*\?>/g, ''),
    )
    .close();
  return top;
}

/** The first child at a path such as "os/type". */
export function childAt(element: XmlElement, path: string): XmlElement | undefined {
  return path.split('/').reduce<XmlElement | undefined>((at, name) => at?.children.find((child) => child.name === name), element);
}

/** All children at a path: of each element on the way all children of that name. */
export function childrenAt(element: XmlElement, path: string): XmlElement[] {
  return path
    .split('/')
    .reduce<XmlElement[]>((at, name) => at.flatMap((one) => one.children.filter((child) => child.name === name)), [element]);
}
