// JSON-RPC 2.0 over HTTP or HTTPS, as XAPI serves it at /jsonrpc: one request a call, connections
// kept, answers within bounds.
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { GrowingBytes } from '../base/bytes/growing-bytes.js';
import { type Endpoint, endpointUrl } from './endpoint.js';
import { type UnreachableReason, XapiError, XapiUnreachable } from './errors.js';

/** Longest answer that is read: 10,000 VM records take about 60 MB. */
export const ANSWER_LIMIT_BYTES = 512 * 2 ** 20;
const CONNECTIONS = 8;
const TIMEOUT_MS = 60_000;

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** The call fails after so long without a byte. */
  readonly timeoutMs?: number;
}

export class JsonRpc {
  readonly endpoint: Endpoint;
  readonly #agent: HttpAgent;
  #id = 0;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
    const options = { keepAlive: true, maxSockets: CONNECTIONS };
    this.#agent = endpoint.secure
      ? new HttpsAgent({
          ...options,
          rejectUnauthorized: !endpoint.insecure,
          ...(endpoint.ca === undefined ? {} : { ca: endpoint.ca }),
        })
      : new HttpAgent(options);
  }

  /** @throws XapiError for what the API refuses, XapiUnreachable when the API does not answer */
  async call(method: string, params: readonly unknown[], options: CallOptions = {}): Promise<unknown> {
    const id = ++this.#id;
    const body = JSON.stringify({ jsonrpc: '2.0', method, params, id });
    const text = await this.#post(body, options);
    return this.#result(text, id);
  }

  close(): void {
    this.#agent.destroy();
  }

  #post(body: string, { signal, timeoutMs = TIMEOUT_MS }: CallOptions): Promise<string> {
    const { secure, host, port } = this.endpoint;
    const settings: RequestOptions = {
      agent: this.#agent,
      host,
      port,
      path: '/jsonrpc',
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', 'content-length': Buffer.byteLength(body) },
      ...(signal === undefined ? {} : { signal }),
    };
    return new Promise((resolve, reject) => {
      const request = (secure ? httpsRequest : httpRequest)(settings, (response) => {
        this.#collect(response).then(resolve, reject);
      });
      request.setTimeout(timeoutMs, () =>
        request.destroy(this.#unreachable('timeout', `no answer for ${timeoutMs / 1000} s`, 'check the host and the network')),
      );
      request.on('error', (error) => reject(signal?.aborted === true ? signal.reason : this.#reasonOf(error)));
      request.end(body);
    });
  }

  async #collect(response: IncomingMessage): Promise<string> {
    const { statusCode = 0, headers } = response;
    if (statusCode !== 200) {
      response.resume();
      if (statusCode >= 300 && statusCode < 400) {
        throw this.#unreachable('no-api', `it sends callers to ${headers.location ?? 'another place'}`, 'use that address');
      }
      if (statusCode === 429 || statusCode === 503)
        throw this.#unreachable('lost', `it is too busy (HTTP ${statusCode})`, 'try again later');
      throw this.#unreachable('no-api', `it answered HTTP ${statusCode} to POST /jsonrpc`, 'check that this is a XAPI host');
    }
    const bytes = new GrowingBytes(ANSWER_LIMIT_BYTES);
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        if (!bytes.add(chunk)) {
          throw this.#unreachable(
            'no-api',
            `its answer is longer than ${ANSWER_LIMIT_BYTES / 2 ** 20} MiB`,
            'check that this is a XAPI host',
          );
        }
      }
    } catch (error) {
      throw error instanceof XapiUnreachable ? error : this.#reasonOf(error as Error);
    }
    return bytes.view().toString('utf8');
  }

  #result(text: string, id: number): unknown {
    let answer: unknown;
    try {
      answer = JSON.parse(text);
    } catch {
      throw this.#unreachable('no-api', 'its answer is not JSON', 'check that this is a XAPI host');
    }
    if (!isObject(answer)) throw this.#unreachable('no-api', 'its answer is not of JSON-RPC', 'check that this is a XAPI host');
    // xapi sends errors as { code: 1, message: the API's code, data: its parameters }.
    if (isObject(answer.error)) {
      const { message, data } = answer.error;
      throw new XapiError(wordOf(message), errorParams(data));
    }
    if (!('result' in answer) || (answer.id !== id && answer.id !== String(id))) {
      throw this.#unreachable('no-api', 'its answer belongs to no request', 'check that this is a XAPI host');
    }
    return answer.result;
  }

  #unreachable(reason: UnreachableReason, message: string, mend: string): XapiUnreachable {
    return new XapiUnreachable(reason, `${endpointUrl(this.endpoint)}: ${message}`, mend);
  }

  #reasonOf(error: Error): Error {
    if (error instanceof XapiUnreachable) return error;
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return this.#unreachable('unknown-host', 'there is no such host', 'check the name');
    if (['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EACCES', 'EADDRNOTAVAIL'].includes(code)) {
      return this.#unreachable('refused', `nothing answers there (${code})`, 'check the address, the port, and that the daemon runs');
    }
    if (code === 'ETIMEDOUT') return this.#unreachable('timeout', 'no answer', 'check the host and the network');
    if (/^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)|PACKET|EPROTO/.test(code)) {
      if (/CERT|SELF_SIGNED|UNABLE_TO|DEPTH_ZERO/.test(code)) {
        return this.#unreachable('tls', `its certificate is not trusted (${code})`, 'give its certificate with --ca FILE, or --insecure');
      }
      // A plain HTTP server answers a TLS greeting with text, which OpenSSL takes for a record of
      // an absurd version or length.
      const plain = /WRONG_VERSION|PACKET_LENGTH|wrong version number|packet length too long|http request/i.test(
        `${code} ${error.message}`,
      );
      if (plain) return this.#unreachable('tls', 'this is not TLS', 'check the port, or use http://');
      return this.#unreachable('tls', `TLS failed (${code})`, 'check the TLS versions and certificates of the host');
    }
    return this.#unreachable('lost', `the connection broke (${code || error.message})`, 'try again');
  }
}

function errorParams(data: unknown): string[] {
  if (Array.isArray(data)) return data.map(wordOf);
  return data === undefined || data === null ? [] : [wordOf(data)];
}

/** Of what another server sent: an object may have a `toString` that is no function. */
function wordOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
