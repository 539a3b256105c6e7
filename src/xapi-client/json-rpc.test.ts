// Answers of a server that is no XAPI host, or a hostile one.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Endpoint } from './endpoint.js';
import { XapiError, XapiUnreachable } from './errors.js';
import { JsonRpc } from './json-rpc.js';

let answer = '';
const server: Server = createServer((request, response) => {
  request.resume().on('end', () => response.end(answer));
});
beforeAll(() => new Promise<void>((done) => server.listen(0, '127.0.0.1', done)));
afterAll(() => void server.close());

async function errorOf(text: string): Promise<unknown> {
  answer = text;
  const { port } = server.address() as AddressInfo;
  const client = new JsonRpc({ secure: false, host: '127.0.0.1', port, insecure: false } as Endpoint);
  return client.call('VM.get_all', []).then(
    (result) => ({ result }),
    (error: unknown) => error,
  );
}

const NO_TEXT = '{"toString":1,"valueOf":1}';

it.each([
  ['no JSON', 'x'],
  ['null', 'null'],
  ['an array', '[]'],
  ['no result', '{"id":1}'],
  ['the answer to another request', '{"id":77,"result":[]}'],
  ['an id without a text', `{"id":${NO_TEXT},"result":[]}`],
])('%s is no answer of XAPI', async (_, text) => {
  expect(await errorOf(text)).toBeInstanceOf(XapiUnreachable);
});

it.each([
  ['parameters without a text', `{"id":1,"error":{"message":"A","data":[${NO_TEXT},"b"]}}`, 'A', [NO_TEXT, 'b']],
  ['one parameter without a text', `{"id":1,"error":{"message":"A","data":${NO_TEXT}}}`, 'A', [NO_TEXT]],
  ['a code without a text', `{"id":1,"error":{"message":${NO_TEXT}}}`, NO_TEXT, []],
])('an error with %s is an error of the host', async (_, text, code, params) => {
  const error = await errorOf(text);
  expect(error).toBeInstanceOf(XapiError);
  expect(error).toMatchObject({ code, params });
});
