// Files of this machine, for commands of xe that take or make one.
import { createReadStream, rmSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { InputError } from '../../base/errors.js';
import { withErrnoName } from '../../base/files/errno-names.js';
import { readUserFile } from '../../base/files/user-file.js';
import type { Endpoint } from '../../xapi-client/endpoint.js';
import { XePlainFailure } from '../failures.js';
import type { Write } from '../print.js';
import { type ClientFiles, MOST_LOADED_BYTES } from './client-files.js';

/** A transfer fails after so long without a byte. */
const IDLE_MS = 60_000;

/**
 * @param endpoint the host
 * @param out where a download without a file's name goes
 */
export function localFiles(endpoint: () => Endpoint, out: Write): ClientFiles {
  return {
    load: (name) => {
      try {
        return Promise.resolve(readUserFile(name, { mostBytes: MOST_LOADED_BYTES }));
      } catch (error) {
        if (error instanceof InputError) return Promise.resolve(null);
        throw error;
      }
    },
    download: (name, path) => download(endpoint(), name, path, out),
    upload: (name, path) => upload(endpoint(), name, path),
  };
}

async function download(endpoint: Endpoint, name: string, path: string, out: Write): Promise<boolean> {
  const response = await answerOf(endpoint, { method: 'GET', path }, (request) => request.end());
  if (response === null) return false;
  if (response.statusCode !== 200) return drained(response);
  if (name !== '') return intoFile(response, name);
  try {
    for await (const piece of response) out(String(piece));
  } catch {
    return false;
  }
  return response.complete;
}

/** The whole file or none: what is left of one would be in the way of the next try. */
async function intoFile(response: IncomingMessage, name: string): Promise<boolean> {
  let file: FileHandle;
  try {
    file = await open(name, 'wx', 0o600);
  } catch (error) {
    response.destroy();
    throw clientFailure(error);
  }
  try {
    await pipeline(response, file.createWriteStream());
    if (response.complete) return true;
  } catch (error) {
    rmSync(name, { force: true });
    // Nothing else is written here.
    if (isOfFile(error) || (error as NodeJS.ErrnoException).syscall === 'write') throw clientFailure(error);
    return false;
  }
  rmSync(name, { force: true });
  return false;
}

async function upload(endpoint: Endpoint, name: string, path: string): Promise<boolean> {
  let length: number | null;
  try {
    const stats = statSync(name);
    length = stats.isFile() ? stats.size : null;
  } catch (error) {
    throw clientFailure(error);
  }
  const headers: Record<string, number> = length === null ? {} : { 'content-length': length };
  let failure: unknown = null;
  const response = await answerOf(endpoint, { method: 'PUT', path, headers }, (request) => {
    pipeline(createReadStream(name), request).catch((error: unknown) => {
      failure = error;
    });
  });
  if (isOfFile(failure)) throw clientFailure(failure);
  if (response === null) return false;
  await drained(response);
  return response.statusCode === 200 && failure === null;
}

type Send = (request: ReturnType<typeof httpRequest>) => void;

/** @returns null when there is none: the host or the file broke off */
function answerOf({ secure, host, port, insecure, ca }: Endpoint, options: RequestOptions, send: Send): Promise<IncomingMessage | null> {
  const settings = { ...options, host, port, agent: false };
  const trust = { rejectUnauthorized: !insecure, ...(ca === undefined ? {} : { ca }) };
  return new Promise((done) => {
    const request = secure ? httpsRequest({ ...settings, ...trust }) : httpRequest(settings);
    request.setTimeout(IDLE_MS, () => request.destroy());
    request.once('response', done);
    request.on('error', () => done(null));
    send(request);
  });
}

async function drained(response: IncomingMessage): Promise<false> {
  response.resume();
  await new Promise<void>((done) => {
    response.once('close', done);
    response.once('end', done);
    response.once('error', () => done());
  });
  return false;
}

/** Errors of files have a path, and those of sockets have none. */
const isOfFile = (error: unknown): boolean => error instanceof Error && 'path' in error;

function clientFailure(error: unknown): XePlainFailure {
  return new XePlainFailure(`Operation failed. Error: ${withErrnoName(error as Error).message}`);
}
