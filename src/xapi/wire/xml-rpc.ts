// XAPI over XML-RPC: the calls that clients such as Python's xmlrpc.client send, and answers in
// xapi's own envelope, a struct of Status and Value or ErrorDescription. Integers travel as strings
// of digits, since XML-RPC's own have 32 bits.
import { SaxesParser } from 'saxes';
import type { XapiError } from './errors.js';
import { floatText } from './json-rpc.js';
import { KnownTexts } from './known-texts.js';
import { isStruct, MalformedCall, newStruct, type RpcCall, WIRE_LIMITS, type Wire, WireDate, WireFloat, WireInt32 } from './values.js';

const SCALARS = new Set(['string', 'int', 'i4', 'i8', 'boolean', 'double', 'dateTime.iso8601', 'base64', 'nil']);

interface Open {
  readonly name: string;
  text: string;
  /** Elements closed inside: values of data and params, members of struct. */
  readonly values: Wire[];
  readonly members: [string, Wire][];
  memberName: string | null;
}

/** Which elements may stand in which; everything else is malformed. */
const CHILDREN: Readonly<Record<string, readonly string[]>> = {
  '': ['methodCall'],
  methodCall: ['methodName', 'params'],
  params: ['param'],
  param: ['value'],
  value: [...SCALARS, 'array', 'struct'],
  array: ['data'],
  data: ['value'],
  struct: ['member'],
  member: ['name', 'value'],
};

/** @throws MalformedCall for a malformed call, or one beyond the bounds */
export function decodeXmlRpc(body: string): RpcCall {
  const { method, params } = decode(body, CHILDREN);
  if (method === null) throw new MalformedCall('no <methodName>');
  return { method, params };
}

/** A document that is one value. @throws MalformedCall as decodeXmlRpc */
export function decodeXmlValue(body: string): Wire {
  const { values } = decode(body, { ...CHILDREN, '': ['value'] });
  if (values.length === 0) throw new MalformedCall('no <value>');
  return values[0]!;
}

interface Decoded {
  readonly method: string | null;
  readonly params: readonly Wire[];
  /** Outside of a call. */
  readonly values: readonly Wire[];
}

function decode(body: string, children: typeof CHILDREN): Decoded {
  const root: Open = open('');
  const stack: Open[] = [root];
  let method: string | null = null;
  let params: readonly Wire[] = [];
  let values = 0;
  let depth = 0;
  const parser = new SaxesParser();
  parser.on('error', (error) => {
    throw new MalformedCall(`the body is not XML: ${error.message}`);
  });
  // Entities of a document's own are how small documents grow; XML-RPC has no use for them.
  parser.on('doctype', () => {
    throw new MalformedCall('a document type is not allowed');
  });
  parser.on('opentag', ({ name }) => {
    const parent = stack.at(-1)!;
    if (!(children[parent.name] ?? []).includes(name)) throw new MalformedCall(`<${name}> in <${parent.name}>`);
    if (name === 'value') {
      if (++depth > WIRE_LIMITS.depth) throw new MalformedCall(`more than ${WIRE_LIMITS.depth} levels`);
      if (++values > WIRE_LIMITS.values) throw new MalformedCall(`more than ${WIRE_LIMITS.values} values`);
    }
    if ((name === 'value' || SCALARS.has(name) || name === 'array' || name === 'struct') && parent.values.length > 0) {
      if (parent.name !== 'data' && parent.name !== 'params') throw new MalformedCall(`two values in <${parent.name}>`);
    }
    stack.push(open(name));
  });
  const onText = (text: string): void => {
    const top = stack.at(-1)!;
    top.text += text;
    if (top.text.length > WIRE_LIMITS.stringChars) {
      throw new MalformedCall(`a string of more than ${WIRE_LIMITS.stringChars} characters`);
    }
  };
  parser.on('text', onText);
  parser.on('cdata', onText);
  parser.on('closetag', ({ name }) => {
    const closed = stack.pop()!;
    if (name === 'value') depth--;
    const parent = stack.at(-1)!;
    if (SCALARS.has(name)) parent.values.push(scalar(name, closed.text));
    else if (name === 'methodName') method = methodName(method, closed.text);
    else if (name === 'name') {
      if (parent.memberName !== null) throw new MalformedCall('two names in <member>');
      parent.memberName = closed.text;
    } else {
      if (name !== 'value' && closed.text.trim() !== '') throw new MalformedCall(`text in <${name}>`);
      if (name === 'params') params = closed.values;
      else closeContainer(closed, parent);
    }
  });
  parser.write(body).close();
  return { method, params, values: root.values };
}

function open(name: string): Open {
  return { name, text: '', values: [], members: [], memberName: null };
}

function methodName(before: string | null, text: string): string {
  if (before !== null || text.length > 256) throw new MalformedCall('<methodName> is no method name');
  return text.trim();
}

function closeContainer(closed: Open, parent: Open): void {
  switch (closed.name) {
    case 'value':
      // Text without a type is a string; around a type it must be white space.
      if (closed.values.length === 0) parent.values.push(closed.text);
      else if (closed.text.trim() !== '') throw new MalformedCall('text beside a typed value');
      else parent.values.push(closed.values[0]!);
      return;
    case 'param':
      if (closed.values.length !== 1) throw new MalformedCall('<param> without a value');
      parent.values.push(closed.values[0]!);
      return;
    case 'data':
      parent.values.push(closed.values);
      return;
    case 'array':
      if (closed.values.length !== 1) throw new MalformedCall('<array> without <data>');
      parent.values.push(closed.values[0]!);
      return;
    case 'member':
      if (closed.memberName === null || closed.values.length !== 1) throw new MalformedCall('<member> without a name or a value');
      parent.members.push([closed.memberName, closed.values[0]!]);
      return;
    case 'struct': {
      const struct = newStruct();
      for (const [name, value] of closed.members) struct[name] = value;
      parent.values.push(struct);
      return;
    }
    default:
      return;
  }
}

function scalar(type: string, text: string): Wire {
  const word = text.trim();
  switch (type) {
    case 'string':
    case 'base64':
      return text;
    case 'nil':
      return null;
    case 'boolean':
      if (word !== '0' && word !== '1') throw new MalformedCall('<boolean> is neither 0 nor 1');
      return word === '1';
    case 'double': {
      const value = Number(word);
      if (word === '' || !Number.isFinite(value)) throw new MalformedCall('<double> is no number');
      return new WireFloat(value);
    }
    case 'dateTime.iso8601':
      return new WireDate(word);
    default:
      if (!/^[+-]?\d{1,15}$/.test(word)) throw new MalformedCall(`<${type}> is no integer`);
      return Number(word);
  }
}

const HEAD = '<?xml version="1.0"?><methodResponse><params><param>';
const TAIL = '</param></params></methodResponse>';

const SUCCESS = `${HEAD}<value><struct><member><name>Status</name><value>Success</value></member><member><name>Value</name>`;
const END = `</member></struct></value>${TAIL}`;

export function encodeXmlResult(result: Wire): string | Buffer {
  const known = isStruct(result) ? texts.bufferOf(result, wireToXml) : null;
  return known === null ? SUCCESS + wireToXml(result) + END : Buffer.concat([Buffer.from(SUCCESS), known, Buffer.from(END)]);
}

/** Without the envelope: system.listMethods alone is answered so (xapi/api_server.ml). */
export function encodeXmlBare(result: Wire): string {
  return `${HEAD}${wireToXml(result)}${TAIL}`;
}

export function encodeXmlError(error: XapiError): string {
  const description = wireToXml([error.code, ...error.params]);
  return `${HEAD}<value><struct>${member('Status', text('Failure'))}${member('ErrorDescription', description)}</struct></value>${TAIL}`;
}

/** `<value>...</value>`, strings and integers without a type, as ocaml-rpc writes them. */
export function wireToXml(value: Wire): string {
  if (typeof value === 'string') return text(value);
  if (typeof value === 'number') return text(String(value));
  if (typeof value === 'boolean') return `<value><boolean>${value ? 1 : 0}</boolean></value>`;
  if (value === null) return '<value><nil/></value>';
  if (value instanceof WireFloat) return `<value><double>${floatText(value.value)}</double></value>`;
  if (value instanceof WireInt32) return `<value><i4>${value.value}</i4></value>`;
  if (value instanceof WireDate) return `<value><dateTime.iso8601>${escaped(value.text)}</dateTime.iso8601></value>`;
  if (!isStruct(value)) return `<value><array><data>${value.map(wireToXml).join('')}</data></array></value>`;
  const known = texts.get(value);
  if (known !== undefined) return known;
  let members = '';
  for (const [name, one] of Object.entries(value)) members += member(name, wireToXml(one));
  const whole = `<value><struct>${members}</struct></value>`;
  texts.keep(value, whole);
  return whole;
}

const texts = new KnownTexts();

/** Bytes that the answer takes, at least. */
export function leastXmlBytes(result: Wire): number {
  return texts.leastBytes(result);
}

function member(name: string, value: string): string {
  return `<member><name>${escaped(name)}</name>${value}</member>`;
}

function text(value: string): string {
  return `<value>${escaped(value)}</value>`;
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\r': '&#13;' };

/** Whatever XML 1.0 cannot hold, lone halves of surrogate pairs included. */
const FORBIDDEN = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;

/** What XML cannot hold becomes U+FFFD; a carriage return is written so that parsers keep it. */
function escaped(value: string): string {
  return value.replace(/[&<>"\r]/g, (found) => ESCAPES[found]!).replace(FORBIDDEN, '\ufffd');
}
