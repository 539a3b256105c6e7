// A call in one of the two protocols, with the way to write down its answer.
import type { XapiError } from '../../wire/errors.js';
import { decodeJsonRpc, encodeJsonError, encodeJsonResult, leastJsonBytes } from '../../wire/json-rpc.js';
import type { RpcCall, Wire } from '../../wire/values.js';
import { decodeXmlRpc, encodeXmlBare, encodeXmlError, encodeXmlResult, leastXmlBytes } from '../../wire/xml-rpc.js';

export interface DecodedCall {
  readonly call: RpcCall;
  readonly success: (result: Wire) => string | Buffer;
  readonly failure: (error: XapiError) => string;
  /** Bytes that a successful answer takes, at least; known before it is written down. */
  readonly leastBytes: (result: Wire) => number;
}

/** @throws MalformedCall */
export function jsonCall(text: string): DecodedCall {
  const call = decodeJsonRpc(text);
  return {
    call,
    success: (result) => encodeJsonResult(call, result),
    failure: (error) => encodeJsonError(call, error),
    leastBytes: leastJsonBytes,
  };
}

/** @throws MalformedCall */
export function xmlCall(text: string): DecodedCall {
  const call = decodeXmlRpc(text);
  const success = call.method === 'system.listMethods' ? encodeXmlBare : encodeXmlResult;
  return { call, success, failure: encodeXmlError, leastBytes: leastXmlBytes };
}
