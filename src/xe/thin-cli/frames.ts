// The protocol between the thin `xe` and its host, version 0.2: integers of 32 bits with the lowest
// byte first, and strings with their length before them
// (xapi-cli-protocol/cli_protocol.ml of xen-api e2ee48d6).

/** Each side begins with this and its version: another server is told from one of this protocol. */
export const PREFIX = 'XenSource thin CLI protocol';
export const VERSION = { major: 0, minor: 2 } as const;
/** Prefix and two integers. */
export const GREETING_BYTES = PREFIX.length + 8;

const COMMAND = 9;
const RESPONSE = 10;
const BLOB = 11;
const PRINT = 0;
const LOAD = 1;
const EXIT = 4;
const HTTP_GET = 12;
const HTTP_PUT = 13;
const ERROR = 14;
const DEBUG = 15;
const PRINT_STDERR = 16;

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([int32(bytes.length), bytes]);
}

function command(tag: number, ...parts: readonly Buffer[]): Buffer {
  const payload = Buffer.concat([int32(COMMAND), int32(tag), ...parts]);
  return Buffer.concat([int32(payload.length), payload]);
}

export function greeting(): Buffer {
  return Buffer.concat([Buffer.from(PREFIX, 'latin1'), int32(VERSION.major), int32(VERSION.minor)]);
}

/** @returns the client's major version; null when this is no greeting */
export function majorOfGreeting(bytes: Buffer): number | null {
  return bytes.toString('latin1', 0, PREFIX.length) === PREFIX ? bytes.readInt32LE(PREFIX.length) : null;
}

/** A line on stdout: the client adds the newline. */
export const print = (line: string): Buffer => command(PRINT, text(line));
/** Text on stderr, as it is. */
export const printStderr = (words: string): Buffer => command(PRINT_STDERR, text(words));
/** A code of the API that xe has no sentence for. */
export const error = (code: string, params: readonly string[]): Buffer =>
  command(ERROR, text(code), int32(params.length), ...params.map(text));
export const exit = (code: number): Buffer => command(EXIT, int32(code));
/** The client sends the file, in one piece. */
export const load = (name: string): Buffer => command(LOAD, text(name));
/** The client gets a path of its host into a file. */
export const httpGet = (name: string, path: string): Buffer => command(HTTP_GET, text(name), text(path));
/** The client puts a file to a path of its host. */
export const httpPut = (name: string, path: string): Buffer => command(HTTP_PUT, text(name), text(path));
/** Clients show it when they are told to debug. */
export const debug = (words: string): Buffer => command(DEBUG, text(words));

/** What a client sends: 'wait' while it is at work. */
export type Reply = 'ok' | 'failed' | 'wait' | 'end' | { readonly chunkBytes: number };
const REPLIES: Readonly<Record<string, Reply>> = {
  [`${RESPONSE}/5`]: 'ok',
  [`${RESPONSE}/6`]: 'failed',
  [`${RESPONSE}/18`]: 'wait',
  [`${BLOB}/8`]: 'end',
};
const CHUNK = 7;
/** The payload of every reply has at least a kind and a tag, and at most a length besides. */
const REPLY_BYTES = [8, 12] as const;

/**
 * @param read the client's next bytes
 * @returns null for bytes that are none of the protocol's replies
 */
export async function readReply(read: (bytes: number) => Promise<Buffer>): Promise<Reply | null> {
  const length = (await read(4)).readInt32LE(0);
  if (length < REPLY_BYTES[0] || length > REPLY_BYTES[1]) return null;
  const payload = await read(length);
  const [kind, tag] = [payload.readInt32LE(0), payload.readInt32LE(4)];
  if (kind === BLOB && tag === CHUNK && length === REPLY_BYTES[1]) return { chunkBytes: payload.readInt32LE(8) };
  return REPLIES[`${kind}/${tag}`] ?? null;
}
