// XAPI over JSON-RPC, versions 1.0 and 2.0, as xapi and its library ocaml-rpc (src/lib/jsonrpc.ml)
// speak it: the member `jsonrpc` gives the version, integers are numbers, dates strings, and an
// error of 1.0 is the bare array of code and parameters.
import type { XapiError } from './errors.js';
import { KnownTexts } from './known-texts.js';
import { isStruct, MalformedCall, newStruct, type RpcCall, WIRE_LIMITS, type Wire, WireDate, WireFloat, WireInt32 } from './values.js';

export type JsonRpcVersion = '1.0' | '2.0';

export interface JsonRpcCall extends RpcCall {
  readonly version: JsonRpcVersion;
  readonly id: number | string;
}

/** @throws MalformedCall for a malformed call, or one beyond the bounds */
export function decodeJsonRpc(body: string): JsonRpcCall {
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch {
    throw new MalformedCall('the body is not JSON');
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) throw new MalformedCall('the body is no JSON object');
  const { jsonrpc, method, params, id } = document as Record<string, unknown>;
  if (jsonrpc !== undefined && jsonrpc !== '2.0') throw new MalformedCall('member \'jsonrpc\' is not "2.0"');
  const version = jsonrpc === undefined ? '1.0' : '2.0';
  if (typeof method !== 'string' || method.length > 256) throw new MalformedCall("member 'method' is no method name");
  if (typeof id !== 'string' && !(typeof id === 'number' && Number.isSafeInteger(id))) {
    throw new MalformedCall("member 'id' is neither a string nor an integer");
  }
  if (typeof id === 'string' && id.length > 1024) throw new MalformedCall("member 'id' is too long");
  const counter = { left: WIRE_LIMITS.values };
  if (Array.isArray(params)) return { version, id, method, params: params.map((value) => toWire(value, 1, counter)) };
  if (version === '2.0' && (params === undefined || params === null)) return { version, id, method, params: [] };
  // Named parameters come as one record (ocaml-rpc's reading of 2.0).
  if (version === '2.0' && typeof params === 'object') return { version, id, method, params: [toWire(params, 1, counter)] };
  throw new MalformedCall("member 'params' is no array");
}

function toWire(value: unknown, depth: number, counter: { left: number }): Wire {
  if (--counter.left < 0) throw new MalformedCall(`more than ${WIRE_LIMITS.values} values`);
  if (depth > WIRE_LIMITS.depth) throw new MalformedCall(`more than ${WIRE_LIMITS.depth} levels`);
  switch (typeof value) {
    case 'string':
      if (value.length > WIRE_LIMITS.stringChars) throw new MalformedCall(`a string of more than ${WIRE_LIMITS.stringChars} characters`);
      return value;
    case 'boolean':
      return value;
    case 'number':
      return Number.isInteger(value) ? value : new WireFloat(value);
    default:
      break;
  }
  if (value === null) return null;
  if (Array.isArray(value)) return value.map((item) => toWire(item, depth + 1, counter));
  const struct = newStruct();
  for (const [name, member] of Object.entries(value as object)) {
    if (name.length > WIRE_LIMITS.stringChars) throw new MalformedCall(`a name of more than ${WIRE_LIMITS.stringChars} characters`);
    struct[name] = toWire(member, depth + 1, counter);
  }
  return struct;
}

export function encodeJsonResult(call: Pick<JsonRpcCall, 'version' | 'id'>, result: Wire): string | Buffer {
  const id = JSON.stringify(call.id);
  const [head, tail] =
    call.version === '1.0' ? ['{"result":', `,"error":null,"id":${id}}`] : ['{"jsonrpc":"2.0","result":', `,"id":${id}}`];
  const known = isStruct(result) ? texts.bufferOf(result, wireToJson) : null;
  return known === null ? head + wireToJson(result) + tail : Buffer.concat([Buffer.from(head), known, Buffer.from(tail)]);
}

export function encodeJsonError(call: Pick<JsonRpcCall, 'version' | 'id'>, error: XapiError): string {
  const id = JSON.stringify(call.id);
  if (call.version === '1.0') return `{"result":null,"error":${JSON.stringify([error.code, ...error.params])},"id":${id}}`;
  // `code` means nothing; xapi makes it 1, because some clients take 0 for success
  // (xapi/api_server.ml).
  return `{"jsonrpc":"2.0","error":${JSON.stringify({ code: 1, message: error.code, data: error.params })},"id":${id}}`;
}

const texts = new KnownTexts();

/** Bytes that the answer takes, at least. */
export function leastJsonBytes(result: Wire): number {
  return texts.leastBytes(result);
}

export function wireToJson(value: Wire): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (value instanceof WireFloat) return Number.isFinite(value.value) ? floatText(value.value) : 'null';
  if (value instanceof WireInt32) return String(value.value);
  if (value instanceof WireDate) return JSON.stringify(value.text);
  if (!isStruct(value)) return `[${value.map(wireToJson).join(',')}]`;
  const known = texts.get(value);
  if (known !== undefined) return known;
  let text = '{';
  for (const [name, member] of Object.entries(value)) text += `${text === '{' ? '' : ','}${JSON.stringify(name)}:${wireToJson(member)}`;
  text += '}';
  texts.keep(value, text);
  return text;
}

/** A float stays one when it has no fraction. */
export function floatText(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e15 ? value.toFixed(1) : String(value);
}
